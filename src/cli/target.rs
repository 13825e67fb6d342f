//! Which node a command asks: the local socket, the servers that were named, or those of a profile.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use super::client::Client;
use super::error::CliError;
use super::limits;
use super::output::Format;
use super::place::{Access, Place};
use super::profile_store::{Profile, Store};
use super::trust::Trust;
use super::{DATA_DEFAULT, SOCKET_NAME, input};

/// Options of every command.
#[derive(Debug, Args)]
pub struct GlobalArgs {
    /// The node's data folder [env: ARGOSY_DATA] [default: /var/lib/argosy]
    #[arg(long, global = true, value_name = "DIR", help_heading = "For every command")]
    pub data: Option<PathBuf>,
    /// Ask this node instead, as https://HOST:PORT; repeated, the next one is asked when one is down
    #[arg(long, global = true, value_name = "URL", help_heading = "For every command")]
    pub server: Vec<String>,
    /// The cluster's authority: a file (DATA/cluster/ca.crt of any node), or its fingerprint sha256:...
    #[arg(long, global = true, value_name = "FILE|FINGERPRINT", value_parser = Trust::parse, help_heading = "For every command")]
    pub ca: Option<Trust>,
    /// A file with the API token, instead of the environment's ARGOSY_TOKEN
    #[arg(long, global = true, value_name = "FILE", help_heading = "For every command")]
    pub token_file: Option<PathBuf>,
    /// Ask the servers of this profile [env: ARGOSY_PROFILE]
    #[arg(long, global = true, value_name = "NAME", help_heading = "For every command")]
    pub profile: Option<String>,
    /// How answers are written: table, json or yaml
    #[arg(long, global = true, value_enum, default_value_t = Format::Table, value_name = "FORMAT", hide_possible_values = true, help_heading = "For every command")]
    pub output: Format,
}

fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

impl GlobalArgs {
    /// The data folder.
    pub fn data(&self) -> PathBuf {
        let given = self
            .data
            .clone()
            .or_else(|| environment("ARGOSY_DATA").map(PathBuf::from));
        given.unwrap_or_else(|| PathBuf::from(DATA_DEFAULT))
    }

    /// A client of whatever was said: flags before the environment, a profile's name before the one in use.
    pub fn client(&self) -> Result<Client, CliError> {
        if !self.server.is_empty() {
            if self.data.is_some() || self.profile.is_some() {
                let message = "--server, --data and --profile each name a node to ask; give one";
                return Err(CliError::usage(message));
            }
            let trust = self.ca.as_ref().ok_or_else(|| {
                CliError::usage(
                    "--server needs --ca: the cluster's authority, the file DATA/cluster/ca.crt of any node, \
                     or its fingerprint sha256:... as `argosy init` showed it",
                )
            })?;
            let token = self.token()?.map_or_else(|| prompted(&self.server.join(", ")), Ok)?;
            return remote(&self.server, trust, token);
        }
        match self.named_profile()? {
            Some((store, name)) => {
                let profile = store.named(&name)?;
                self.of_profile(&store, &name, &profile)
            }
            None if self.ca.is_some() || self.token_file.is_some() => Err(CliError::usage(
                "--ca and --token-file have a meaning only with --server or a profile",
            )),
            None => Ok(Client::new(vec![Place::Socket(self.data().join(SOCKET_NAME))], None)),
        }
    }

    /// A client of `profile`, which is called `name`.
    pub fn of_profile(&self, store: &Store, name: &str, profile: &Profile) -> Result<Client, CliError> {
        if self.ca.is_some() {
            return Err(CliError::usage(format!(
                "profile `{name}` has its authority; leave --ca out"
            )));
        }
        let token = match self.token()? {
            Some(token) => token,
            None => match store.token(profile)? {
                Some(token) => token,
                None => prompted(&format!("profile `{name}`"))?,
            },
        };
        remote(&profile.servers, &store.trust(profile)?, token)
    }

    /// The profile that is meant; `None`: the local socket.
    fn named_profile(&self) -> Result<Option<(Store, String)>, CliError> {
        let store = || Store::of_user(environment);
        if let Some(name) = &self.profile {
            if self.data.is_some() {
                return Err(CliError::usage("--profile and --data name two nodes; give one"));
            }
            return Ok(Some((store()?, name.clone())));
        }
        if self.data.is_some() {
            return Ok(None);
        }
        if let Some(name) = environment("ARGOSY_PROFILE") {
            return Ok(Some((store()?, name.to_string_lossy().into_owned())));
        }
        match store() {
            Ok(store) if environment("ARGOSY_DATA").is_none() => Ok(store.load()?.current.map(|name| (store, name))),
            _ => Ok(None),
        }
    }

    fn token(&self) -> Result<Option<Zeroizing<String>>, CliError> {
        if let Some(file) = &self.token_file {
            return input::token_file(file).map(Some);
        }
        let token = std::env::var("ARGOSY_TOKEN").map(Zeroizing::new).unwrap_or_default();
        let token = token.trim();
        Ok((!token.is_empty()).then(|| Zeroizing::new(token.to_owned())))
    }
}

fn prompted(whose: &str) -> Result<Zeroizing<String>, CliError> {
    input::token_prompt(whose)?.ok_or_else(|| {
        CliError::usage(format!(
            "an API token is needed for {whose}: put it into the environment variable ARGOSY_TOKEN or use \
             --token-file FILE; it never stands among the arguments, where others could read it"
        ))
    })
}

fn remote(servers: &[String], trust: &Trust, token: Zeroizing<String>) -> Result<Client, CliError> {
    let tls = trust.tls()?;
    Ok(Client::new(places(servers)?, Some(Access { tls, token })))
}

/// The places that URLs name.
pub fn places(servers: &[String]) -> Result<Vec<Place>, CliError> {
    if servers.len() > limits::SERVERS_MAX {
        let message = format!(
            "{} servers are over the limit of {}",
            servers.len(),
            limits::SERVERS_MAX
        );
        return Err(CliError::usage(message));
    }
    servers.iter().map(|url| Place::server(url)).collect()
}
