//! FTP and FTPS: plain, explicit (AUTH TLS) and implicit, one engine for the three.
//!
//! `wire` turns bytes into commands, `state` and `verbs` decide, `connection` carries, `data` and `transfer` move
//! bytes. Accepting connections is left to `listener`, proofs to `auth`, files to `vfs`.

mod connection;
mod data;
pub mod limits;
pub mod listing;
mod login;
pub mod state;
pub mod status;
mod transfer;
mod verbs;
pub mod wire;

use std::sync::Arc;

use super::Node;
use crate::catalog::ServiceKind;
use crate::ids::Name;
use crate::listener::{Accepted, Serve, Serving, Terms, TlsSource};
use crate::vfs::Buffers;

pub use data::passive::Passive;

/// What all FTP services of a node share.
#[derive(Clone, Default)]
pub struct Shared {
    /// The ports of passive data connections.
    pub passive: Arc<Passive>,
    /// For bytes on their way.
    pub buffers: Arc<Buffers>,
}

/// One service of the kinds `ftp`, `ftps` and `ftps-implicit`.
pub struct FtpService {
    name: Name,
    node: Node,
    shared: Shared,
    /// `None`: the service has no certificate.
    tls: Option<TlsSource>,
}

impl FtpService {
    /// The service `name` of the catalog; its settings are read from the view at each accept.
    pub fn new(name: Name, node: Node, shared: Shared, tls: Option<TlsSource>) -> Arc<Self> {
        Arc::new(Self {
            name,
            node,
            shared,
            tls,
        })
    }
}

impl Serve for FtpService {
    fn terms(&self) -> Result<Terms, String> {
        let settings = self.node.settings(&self.name).ok_or("the service was removed")?;
        if settings.spec.kind != ServiceKind::Ftp {
            match &self.tls {
                None => return Err("the service has no certificate".to_owned()),
                Some(source) => source().map(drop)?,
            }
        }
        Ok(self.node.terms(&settings.spec))
    }

    fn serve(self: Arc<Self>, accepted: Accepted) -> Serving {
        Box::pin(async move {
            if let Some(settings) = self.node.settings(&self.name) {
                connection::serve(self, settings, accepted).await;
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
