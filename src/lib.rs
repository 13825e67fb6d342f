//! Argosy: a clustered managed-file-transfer appliance.

pub mod access;
pub mod admin;
pub mod catalog;
pub mod clock;
pub mod events;
pub mod ids;
pub mod path;
pub mod session;
pub mod vfs;
