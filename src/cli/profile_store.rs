//! Profiles: which servers, which authority, which token, by a name; in `~/.config/argosy/profiles.toml`, for the
//! user alone. A token never stands in that file: it has a file of its own, or comes from elsewhere.
//!
//! The commands on profiles are in `profile`.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::border;
use super::error::CliError;
use super::input;
use super::trust::{Fingerprint, Trust};

/// The file's name in the folder.
const FILE_NAME: &str = "profiles.toml";

/// All profiles of a user.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profiles {
    /// The one that is used when nothing else is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// By name.
    #[serde(default, rename = "profile")]
    pub profiles: BTreeMap<String, Profile>,
}

/// How a cluster is reached.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// `https://HOST:PORT`, asked in this order.
    pub servers: Vec<String>,
    /// The authority's fingerprint (`sha256:...`), where it was pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_fingerprint: Option<String>,
    /// The authority's certificate, a file of the folder or an absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The token's file, of the folder or an absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// The environment variable that holds the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_env: Option<String>,
    /// The program that prints the token, with its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_command: Option<Vec<String>>,
}

/// Where profiles are kept.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// `argosy` in the user's configuration folder; `get` reads the environment.
    pub fn of_user(get: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<Self, CliError> {
        let set = |name: &str| get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
        let folder = folder.ok_or_else(|| {
            CliError::usage("profiles have no place: neither HOME nor XDG_CONFIG_HOME is set; use --server")
        })?;
        Ok(Self {
            folder: folder.join("argosy"),
        })
    }

    /// The profiles, none where there is no file.
    pub fn load(&self) -> Result<Profiles, CliError> {
        let path = self.path(Path::new(FILE_NAME));
        if !path.exists() {
            return Ok(Profiles::default());
        }
        private(&path)?;
        toml::from_str(&input::text(&path)?).map_err(|error| {
            CliError::failed(format!("the profiles in {} cannot be read", path.display())).because(error)
        })
    }

    /// Writes all profiles.
    pub fn save(&self, profiles: &Profiles) -> Result<(), CliError> {
        let text = toml::to_string(profiles)
            .map_err(|error| CliError::failed("the profiles cannot be written as TOML").because(error))?;
        self.write(Path::new(FILE_NAME), text.as_bytes())
    }

    /// Writes a file of the folder, for the user alone.
    pub fn write(&self, name: &Path, content: &[u8]) -> Result<(), CliError> {
        border::make_private_folder(&self.folder).map_err(CliError::failed)?;
        border::write_file(&self.path(name), content, 0o600).map_err(CliError::failed)
    }

    /// Removes the files that belong to `profile` alone.
    pub fn forget(&self, profile: &Profile) -> Result<(), CliError> {
        let own = [&profile.ca_file, &profile.token_file];
        for file in own.into_iter().flatten().filter(|file| file.is_relative()) {
            let path = self.path(file);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(CliError::failed(format!("{} cannot be removed", path.display())).because(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A profile by its name.
    pub fn named(&self, name: &str) -> Result<Profile, CliError> {
        let mut profiles = self.load()?.profiles;
        let known: Vec<_> = profiles.keys().cloned().collect();
        profiles.remove(name).ok_or_else(|| {
            let known = match known.as_slice() {
                [] => "there is none; `argosy profile add` makes one".to_owned(),
                known => format!("there are {}", known.join(", ")),
            };
            CliError::usage(format!("there is no profile `{name}`: {known}"))
        })
    }

    /// Whom `profile` trusts.
    pub fn trust(&self, profile: &Profile) -> Result<Trust, CliError> {
        match (&profile.ca_fingerprint, &profile.ca_file) {
            (Some(text), None) => Fingerprint::parse(text)
                .map(Trust::Pin)
                .ok_or_else(|| CliError::failed(format!("the profile's ca_fingerprint `{text}` is none"))),
            (None, Some(file)) => Ok(Trust::File(self.path(file))),
            _ => Err(CliError::failed(
                "the profile must have one of ca_fingerprint and ca_file; make it anew by `argosy profile add`",
            )),
        }
    }

    /// The token of `profile`; `None`: it says nothing of one.
    pub fn token(&self, profile: &Profile) -> Result<Option<Zeroizing<String>>, CliError> {
        if let Some(file) = &profile.token_file {
            let path = self.path(file);
            private(&path)?;
            return input::token_file(&path).map(Some);
        }
        if let Some(variable) = &profile.token_env {
            let token = std::env::var(variable).unwrap_or_default();
            if token.trim().is_empty() {
                let message =
                    format!("the profile takes its token from the environment's {variable}, which is not set");
                return Err(CliError::usage(message));
            }
            return Ok(Some(Zeroizing::new(token.trim().to_owned())));
        }
        match profile.token_command.as_deref() {
            Some([program, arguments @ ..]) => printed(program, arguments).map(Some),
            _ => Ok(None),
        }
    }

    fn path(&self, file: &Path) -> PathBuf {
        self.folder.join(file)
    }
}

/// The first line that a program prints.
fn printed(program: &str, arguments: &[String]) -> Result<Zeroizing<String>, CliError> {
    let failed = |reason: String| CliError::failed(format!("the token command `{program}` {reason}"));
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed("cannot be run".to_owned()).because(error))?;
    let printed = Zeroizing::new(output.stdout);
    if !output.status.success() {
        return Err(failed(format!("ended with {}", output.status)));
    }
    let line = printed.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match std::str::from_utf8(line).map(str::trim) {
        Ok(token) if !token.is_empty() => Ok(Zeroizing::new(token.to_owned())),
        _ => Err(failed("printed no token".to_owned())),
    }
}

/// Refuses a file that others could read or have written.
fn private(path: &Path) -> Result<(), CliError> {
    let failed = |reason: String| CliError::failed(format!("{} is not used: {reason}", path.display()));
    let metadata =
        std::fs::metadata(path).map_err(|error| failed("it cannot be looked at".to_owned()).because(error))?;
    let (mode, own) = (metadata.mode() & 0o777, rustix::process::geteuid().as_raw());
    if mode & 0o077 != 0 {
        return Err(failed(format!(
            "others may use it too (mode {mode:04o}); `chmod 600` it, and change the token if somebody may have read it"
        )));
    }
    if metadata.uid() != own && metadata.uid() != 0 {
        return Err(failed(format!("it belongs to user {}, not to you", metadata.uid())));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn store(folder: &Path) -> Store {
        let home = folder.as_os_str().to_owned();
        Store::of_user(|name| (name == "HOME").then(|| home.clone())).unwrap()
    }

    #[test]
    fn profiles_are_kept_for_their_user_alone_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        assert_eq!(store.load().unwrap(), Profiles::default());
        let profile = Profile {
            servers: vec!["https://a:1".to_owned(), "https://b:1".to_owned()],
            ca_fingerprint: Some(format!("sha256:{}", "00".repeat(32))),
            token_file: Some("prod.token".into()),
            ..Profile::default()
        };
        let profiles = Profiles {
            current: Some("prod".to_owned()),
            profiles: BTreeMap::from([("prod".to_owned(), profile.clone())]),
        };
        store.save(&profiles).unwrap();
        store.write(Path::new("prod.token"), b"argosy_x\n").unwrap();
        assert_eq!(store.load().unwrap(), profiles);
        assert_eq!(*store.token(&profile).unwrap().unwrap(), "argosy_x");
        for name in [FILE_NAME, "prod.token"] {
            let path = folder.path().join(".config/argosy").join(name);
            assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        }
        assert!(store.load().unwrap_err().message.contains("chmod 600"));
        assert!(store.token(&profile).unwrap_err().message.contains("chmod 600"));
        store.forget(&profile).unwrap();
        assert!(!folder.path().join(".config/argosy/prod.token").exists());
    }

    #[test]
    fn a_token_comes_from_a_command_or_the_environment_as_well() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let by_command = |words: &[&str]| {
            let command = words.iter().map(|word| (*word).to_owned()).collect();
            let profile = Profile {
                token_command: Some(command),
                ..Profile::default()
            };
            store.token(&profile).map(|token| token.unwrap().to_string()).ok()
        };
        assert_eq!(by_command(&["printf", " argosy_y \nmore"]).as_deref(), Some("argosy_y"));
        assert_eq!(by_command(&["false"]), None);
        assert_eq!(by_command(&["true"]), None);
        assert_eq!(by_command(&["/no/such/program"]), None);
        let profile = Profile {
            token_env: Some("ARGOSY_NO_SUCH_VARIABLE".to_owned()),
            ..Profile::default()
        };
        assert!(
            store
                .token(&profile)
                .unwrap_err()
                .message
                .contains("ARGOSY_NO_SUCH_VARIABLE")
        );
        assert_eq!(store.token(&Profile::default()).unwrap(), None);
        assert!(store.named("x").unwrap_err().message.contains("profile add"));
    }
}
