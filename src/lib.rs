//! Argosy: a clustered managed-file-transfer appliance.

pub mod access;
pub mod auth;
pub mod catalog;
pub mod clock;
pub mod events;
pub mod ids;
pub mod listener;
pub mod path;
pub mod protocols;
pub mod session;
pub mod vfs;
