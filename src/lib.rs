//! Argosy: a clustered managed-file-transfer appliance.

pub mod access;
pub mod catalog;
pub mod clock;
pub mod config;
pub mod events;
pub mod ids;
pub mod path;
pub mod session;
pub mod vfs;
