//! `argosy profile ...`: clusters by a name, for a client elsewhere.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::error::{CliError, Exit};
use super::output::{self, Column};
use super::place::{Access, Ask, Failure};
use super::profile_store::{Profile, Store};
use super::target::{GlobalArgs, places};
use super::trust::{self, Fingerprint, Trust};
use super::{edit, input, limits};

const COLUMNS: &[Column] = &[
    ("NAME", "name"),
    ("IN USE", "in_use"),
    ("SERVERS", "servers"),
    ("AUTHORITY", "authority"),
    ("TOKEN", "token"),
];

/// Commands on profiles.
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// Keep servers, authority and token under a name
    ///
    /// The profile is kept in ~/.config/argosy/profiles.toml, the token in a file of its own; both for you alone.
    #[command(after_help = "\
Examples:
  argosy profile add prod --server https://10.0.0.1:8443 --server https://10.0.0.2:8443 --ca ca.crt
  argosy profile add prod --server https://10.0.0.1:8443 --ca sha256:1f0c... --token-command 'pass show argosy'
  argosy profile add lab --server https://10.9.0.1:8443 --trust-first-use --token-stdin --use < token

The fingerprint, on any node:
  openssl x509 -noout -fingerprint -sha256 -in /var/lib/argosy/cluster/ca.crt")]
    Add(AddArgs),
    /// List all profiles
    List,
    /// Use a profile when nothing else is said, or no profile: then the local node is asked
    Use {
        /// The profile
        #[arg(value_parser = edit::name, required_unless_present = "none")]
        name: Option<String>,
        /// Use none
        #[arg(long, conflicts_with = "name")]
        none: bool,
    },
    /// Remove a profile, with its token; the token itself stays valid
    Remove {
        /// The profile
        #[arg(value_parser = edit::name)]
        name: String,
    },
}

/// Options of a new profile; servers, authority and token file are options of every command.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The new profile
    #[arg(value_parser = edit::name)]
    name: String,
    /// Pin the authority that the servers show now; compare the fingerprint by another way
    #[arg(long, conflicts_with = "ca")]
    trust_first_use: bool,
    /// Read the token from standard input (first line)
    #[arg(long, group = "token")]
    token_stdin: bool,
    /// Take the token from this environment variable, each time
    #[arg(long, value_name = "NAME", group = "token")]
    token_env: Option<String>,
    /// Run this program for the token, each time; words are split at spaces, no shell is used
    #[arg(long, value_name = "COMMAND", group = "token")]
    token_command: Option<String>,
    /// Do not ask the servers whether it works
    #[arg(long)]
    no_check: bool,
    /// Use it from now on when nothing else is said
    #[arg(long = "use")]
    use_it: bool,
    /// Replace a profile of that name
    #[arg(long)]
    replace: bool,
}

/// Runs one of them.
pub async fn run(global: &GlobalArgs, command: ProfileCommand) -> Result<(), CliError> {
    let store = Store::of_user(|name| std::env::var_os(name))?;
    match command {
        ProfileCommand::Add(args) => add(global, &store, args).await,
        ProfileCommand::List => {
            let profiles = store.load()?;
            let row = |(name, profile): (&String, &Profile)| shown(name, profile, profiles.current.as_ref());
            let rows: Vec<_> = profiles.profiles.iter().map(row).collect();
            output::rows(global.output, COLUMNS, &rows, &Value::Array(rows.clone()))
        }
        ProfileCommand::Use { name, .. } => {
            let mut profiles = store.load()?;
            if let Some(name) = &name {
                store.named(name)?;
            }
            let said = match &name {
                Some(name) => format!("profile `{name}` is in use"),
                None => "no profile is in use: the local node is asked".to_owned(),
            };
            profiles.current = name;
            store.save(&profiles)?;
            output::told(global.output, &said, &json!({ "current": profiles.current }))
        }
        ProfileCommand::Remove { name } => {
            let profile = store.named(&name)?;
            let mut profiles = store.load()?;
            profiles.profiles.remove(&name);
            profiles.current = profiles.current.filter(|current| *current != name);
            store.save(&profiles)?;
            store.forget(&profile)?;
            output::told(
                global.output,
                &format!("profile `{name}` is removed"),
                &json!({ "removed": name }),
            )
        }
    }
}

fn shown(name: &str, profile: &Profile, current: Option<&String>) -> Value {
    let token = match (&profile.token_file, &profile.token_env, &profile.token_command) {
        (Some(_), ..) => "kept".to_owned(),
        (_, Some(variable), _) => format!("${variable}"),
        (.., Some(command)) => command.join(" "),
        _ => "asked for".to_owned(),
    };
    let file = profile.ca_file.as_ref().map(|file| file.display().to_string());
    json!({
        "name": name,
        "in_use": current.is_some_and(|current| current == name),
        "servers": profile.servers,
        "authority": profile.ca_fingerprint.clone().or(file),
        "token": token,
    })
}

async fn add(global: &GlobalArgs, store: &Store, args: AddArgs) -> Result<(), CliError> {
    let name = &args.name;
    let mut profiles = store.load()?;
    if profiles.profiles.contains_key(name) && !args.replace {
        let message = format!("profile `{name}` exists already; --replace replaces it");
        return Err(CliError::new(Exit::Precondition, message));
    }
    if global.server.is_empty() || global.data.is_some() || global.profile.is_some() {
        return Err(CliError::usage(
            "a profile needs --server https://HOST:PORT, once or several times",
        ));
    }
    let mut profile = Profile {
        servers: global.server.clone(),
        token_env: args.token_env.clone(),
        ..Profile::default()
    };
    places(&profile.servers)?;
    if let Some(command) = &args.token_command {
        let words: Vec<_> = command.split_whitespace().map(str::to_owned).collect();
        profile.token_command = Some(words).filter(|words| !words.is_empty());
    }
    let trust = trust_to_keep(global, &args, &profile.servers).await?;
    let kept = token_to_keep(global, &args)?;
    if !args.no_check {
        let token = match &kept {
            Some(token) => Some(token.clone()),
            None => store.token(&profile)?,
        };
        let access = Access {
            tls: trust.tls()?,
            token: token.unwrap_or_default(),
        };
        check(&profile.servers, &access).await.map_err(|error| CliError {
            message: format!(
                "{}; the profile is not added (--no-check adds it unseen)",
                error.message
            ),
            ..error
        })?;
    }
    match trust {
        Trust::Pin(pin) => profile.ca_fingerprint = Some(pin.to_string()),
        Trust::File(path) => {
            let file = PathBuf::from(format!("{name}.ca.crt"));
            store.write(&file, input::text(&path)?.as_bytes())?;
            profile.ca_file = Some(file);
        }
    }
    if let Some(token) = kept {
        let file = PathBuf::from(format!("{name}.token"));
        store.write(&file, Zeroizing::new(format!("{}\n", *token)).as_bytes())?;
        profile.token_file = Some(file);
    }
    profiles.profiles.insert(name.clone(), profile);
    if args.use_it {
        profiles.current = Some(name.clone());
    }
    store.save(&profiles)?;
    let hint = match args.use_it {
        true => "it is in use",
        false => "`argosy profile use` or --profile uses it",
    };
    output::told(
        global.output,
        &format!("profile `{name}` is added; {hint}"),
        &json!({ "added": name }),
    )
}

/// Whom the profile trusts.
async fn trust_to_keep(global: &GlobalArgs, args: &AddArgs, servers: &[String]) -> Result<Trust, CliError> {
    match &global.ca {
        Some(trust) => Ok(trust.clone()),
        None if args.trust_first_use => {
            let seen = look(servers).await?;
            eprintln!("The servers show the authority {seen}.");
            eprintln!("Compare it with what a node says: `argosy profile add --help` names the command.");
            Ok(Trust::Pin(seen))
        }
        None => Err(CliError::usage(
            "a profile needs --ca FILE, --ca sha256:..., or --trust-first-use to pin what the servers show now",
        )),
    }
}

/// The token that the profile keeps in a file; `None` where it comes from elsewhere each time.
fn token_to_keep(global: &GlobalArgs, args: &AddArgs) -> Result<Option<Zeroizing<String>>, CliError> {
    if args.token_env.is_some() || args.token_command.is_some() {
        if global.token_file.is_some() {
            return Err(CliError::usage("say once where the token comes from"));
        }
        return Ok(None);
    }
    if let Some(file) = &global.token_file {
        return input::token_file(file).map(Some);
    }
    if args.token_stdin {
        return input::token_stdin().map(Some);
    }
    let asked = input::token_prompt(&format!("profile `{}`", args.name))?;
    asked.map(Some).ok_or_else(|| {
        CliError::usage("a profile needs a token: --token-stdin, --token-file, --token-env or --token-command")
    })
}

/// Asks each server for its status; one that answers is enough, one that refuses is too much.
async fn check(servers: &[String], access: &Access) -> Result<(), CliError> {
    let ask = Ask {
        method: Method::GET,
        path: "/api/v1/status",
        headers: &[],
        body: None,
    };
    let (mut answered, mut silent) = (false, None);
    for place in places(servers)? {
        match place.ask(Some(access), &ask, limits::CONNECT_DEADLINE).await {
            Ok(_) => answered = true,
            Err(Failure::NotSent(error) | Failure::Broken(error)) => {
                eprintln!("warning: {error}");
                silent = Some(error);
            }
            Err(Failure::Refused(error, _)) => return Err(error),
        }
    }
    match silent {
        Some(error) if !answered => Err(error),
        _ => Ok(()),
    }
}

/// The authority that all servers show.
async fn look(servers: &[String]) -> Result<Fingerprint, CliError> {
    let ask = Ask {
        method: Method::GET,
        path: "/health/live",
        headers: &[],
        body: None,
    };
    let mut found: Option<Fingerprint> = None;
    for place in places(servers)? {
        let (tls, seen) = trust::first_use()?;
        // Nobody is known yet, so nobody is shown a token.
        let access = Access {
            tls,
            token: Zeroizing::default(),
        };
        if let Err(Failure::NotSent(error)) = place.ask(Some(&access), &ask, limits::CONNECT_DEADLINE).await {
            return Err(error);
        }
        let shown = *seen
            .get()
            .ok_or_else(|| CliError::failed(format!("{place} showed no certificate")))?;
        if found.is_some_and(|found| found != shown) {
            let message = format!("{place} shows another authority, {shown}, than those before it; name it by --ca");
            return Err(CliError::failed(message));
        }
        found = Some(shown);
    }
    found.ok_or_else(|| CliError::usage("there is no server to ask"))
}
