//! Node configuration: this machine only. What the cluster shares is in `catalog`.
//!
//! Three sources, the later one winning: the defaults, `argosy.toml` in the data folder, the environment
//! (`ARGOSY_` and the key in capitals). Parsed once; a built [`NodeConfig`] is valid.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The file's name in the data folder.
pub const FILE_NAME: &str = "argosy.toml";

/// Which log lines are written by default: the product's own, and other people's only when something is wrong.
pub const LOG_FILTER: &str = "info,openraft=warn,russh=warn,sled=warn,raft_log=warn";

/// What this node is and where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// The data folder.
    pub data: PathBuf,
    /// The node's name, unique in the cluster, fixed when the node was made.
    pub name: String,
    /// Where other nodes reach this one; stands in the membership.
    pub peer_address: SocketAddr,
    /// Where to listen for other nodes; by default the same.
    pub peer_listen: SocketAddr,
    /// Where services listen unless they say otherwise.
    pub service_address: IpAddr,
    /// Where the admin API listens (HTTPS).
    pub admin_address: SocketAddr,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines are written, in the syntax of `RUST_LOG`.
    pub log_filter: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

/// Why a configuration was refused: which source, which key, why.
#[derive(Debug)]
pub struct ConfigError(String);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// The file as written by people.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: Option<String>,
    peer_address: Option<SocketAddr>,
    peer_listen: Option<SocketAddr>,
    service_address: Option<IpAddr>,
    admin_address: Option<SocketAddr>,
    log_format: Option<LogFormat>,
    log_filter: Option<String>,
}

impl NodeConfig {
    /// Reads the configuration of the node in `data`. `environment` gives a variable's value.
    pub fn load(data: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let path = data.join(FILE_NAME);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            ConfigError(format!(
                "the node configuration {} cannot be read: {error}; `argosy init` or `argosy join` makes it",
                path.display()
            ))
        })?;
        Self::parse(data, &text, environment).map_err(|ConfigError(reason)| {
            ConfigError(format!(
                "the node configuration {} is refused: {reason}",
                path.display()
            ))
        })
    }

    fn parse(data: &Path, text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut table: toml::Table =
            toml::from_str(text).map_err(|error| ConfigError(error.to_string().trim_end().to_owned()))?;
        for key in [
            "name",
            "peer_address",
            "peer_listen",
            "service_address",
            "admin_address",
            "log_format",
            "log_filter",
        ] {
            if let Some(value) = environment(&format!("ARGOSY_{}", key.to_uppercase())) {
                table.insert(key.to_owned(), toml::Value::String(value));
            }
        }
        let raw: Raw = table
            .try_into()
            .map_err(|error| ConfigError(error.to_string().trim_end().to_owned()))?;
        let missing = |key: &str| ConfigError(format!("the key `{key}` is missing"));
        let peer_address = raw.peer_address.ok_or_else(|| missing("peer_address"))?;
        Ok(Self {
            data: data.to_owned(),
            name: raw.name.ok_or_else(|| missing("name"))?,
            peer_address,
            peer_listen: raw.peer_listen.unwrap_or(peer_address),
            service_address: raw.service_address.ok_or_else(|| missing("service_address"))?,
            admin_address: raw.admin_address.ok_or_else(|| missing("admin_address"))?,
            log_format: raw.log_format.unwrap_or(LogFormat::Text),
            log_filter: raw.log_filter.unwrap_or_else(|| LOG_FILTER.to_owned()),
        })
    }

    /// The cluster's part of the data folder: identity, log, state, snapshots.
    pub fn cluster_folder(&self) -> PathBuf {
        self.data.join("cluster")
    }

    /// The event journal's folder.
    pub fn events_folder(&self) -> PathBuf {
        self.data.join("events")
    }

    /// The local socket of the admin API, for root on this machine.
    pub fn admin_socket(&self) -> PathBuf {
        self.data.join("admin.sock")
    }

    /// The text of a new configuration file, every key explained.
    pub fn render(&self) -> String {
        format!(
            "# This machine's part of the configuration. Everything else is shared by the cluster: see `argosy --help`.\n\
             # A key can also be given by the environment: ARGOSY_SERVICE_ADDRESS and so on. Restart to apply.\n\
             \n\
             # The node's name, unique in the cluster. It stands in the membership: do not change it here.\n\
             name = {name:?}\n\
             \n\
             # Where the other nodes reach this one. It stands in the membership: do not change it here.\n\
             peer_address = \"{peer}\"\n\
             \n\
             # Where to listen for them, if that differs (behind an address translation).\n\
             # peer_listen = \"0.0.0.0:{peer_port}\"\n\
             \n\
             # Where services listen, unless a service says otherwise. \"0.0.0.0\" or \"::\" is every address.\n\
             service_address = \"{service}\"\n\
             \n\
             # Where the admin API, /metrics and /health listen (HTTPS, certificate of the cluster's own authority).\n\
             admin_address = \"{admin}\"\n\
             \n\
             # Log lines on standard error: \"text\" or \"json\".\n\
             log_format = \"text\"\n\
             \n\
             # Which log lines: \"error\", \"warn\", \"info\", \"debug\", or a filter such as \"info,argosy=debug\".\n\
             log_filter = \"{LOG_FILTER}\"\n",
            name = self.name,
            peer = self.peer_address,
            peer_port = self.peer_address.port(),
            service = self.service_address,
            admin = self.admin_address,
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn config() -> NodeConfig {
        NodeConfig {
            data: PathBuf::from("/d"),
            name: "node-1".to_owned(),
            peer_address: "127.0.0.1:7400".parse().unwrap(),
            peer_listen: "127.0.0.1:7400".parse().unwrap(),
            service_address: "127.0.0.1".parse().unwrap(),
            admin_address: "127.0.0.1:8443".parse().unwrap(),
            log_format: LogFormat::Text,
            log_filter: LOG_FILTER.to_owned(),
        }
    }

    #[test]
    fn the_file_that_init_writes_is_read_back_as_it_was() {
        let read = NodeConfig::parse(Path::new("/d"), &config().render(), &|_| None).unwrap();
        assert_eq!(read, config());
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let environment = |key: &str| (key == "ARGOSY_SERVICE_ADDRESS").then(|| "10.0.0.1".to_owned());
        let read = NodeConfig::parse(Path::new("/d"), &config().render(), &environment).unwrap();
        assert_eq!(read.service_address, "10.0.0.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn a_wrong_key_or_value_is_refused_by_its_name() {
        for (text, word) in [
            ("nmae = \"x\"", "nmae"),
            ("peer_address = \"nowhere\"", "peer_address"),
            ("log_format = \"xml\"", "xml"),
            ("", "peer_address"),
            ("name = ", "name"),
        ] {
            let error = NodeConfig::parse(Path::new("/d"), text, &|_| None).unwrap_err();
            assert!(error.to_string().contains(word), "{text}: {error}");
        }
    }
}
