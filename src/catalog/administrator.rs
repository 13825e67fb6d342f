//! The administrator: who may change the catalog.

use super::account::PasswordHash;

/// Somebody who looks at or changes the appliance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Administrator {
    /// A disabled administrator's tokens are refused.
    pub enabled: bool,
    /// What may be done.
    pub role: Role,
    /// For signing in to the console; `None`: tokens only.
    pub password: Option<PasswordHash>,
}

/// What an administrator may do; each role includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Sees everything but secrets.
    Viewer,
    /// Changes accounts, closes sessions.
    Operator,
    /// Changes everything: services, keys, storages, administrators, nodes.
    Owner,
}

impl Role {
    /// The word used in the API, the CLI and messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Owner => "owner",
        }
    }
}
