//! HTTP and HTTPS: one service with several faces over the same files.
//!
//! `connection` carries, `target` and `conditions` read a request, `sign_in` and `web_session` say who asks, `files` is
//! the file API, `dav` is WebDAV, and `pages` the file manager for people.
//! Accepting connections and TLS are left to `listener`, proofs to `auth`, files to `vfs`.

mod answer;
mod conditions;
mod connection;
mod dav;
mod files;
mod gauge;
mod kept;
pub mod limits;
mod pages;
mod sign_in;
pub mod status;
mod target;
mod web_session;

use std::sync::Arc;

use tokio::time::Instant;

use crate::catalog::{Object, Service, ServiceKind};
use crate::ids::Name;
use crate::listener::{Accepted, Security, Serve, Serving, Terms, TlsSource};
use crate::protocols::Node;

use kept::Kept;

/// One service of the kinds `http` and `https`.
pub struct HttpService {
    name: Name,
    node: Node,
    tls: TlsSource,
    kept: Arc<Kept>,
}

impl HttpService {
    /// The service `name` of the catalog; its settings are read from the view at each accept. Must be called on a
    /// runtime.
    ///
    /// # Errors
    /// The random generator failed.
    pub fn new(name: Name, node: Node, tls: TlsSource) -> Result<Arc<Self>, String> {
        let kept = Kept::new().ok_or("the random generator failed")?;
        let kept = Arc::new(kept);
        tokio::spawn(sweep(Arc::downgrade(&kept)));
        tokio::spawn(close_ended(Arc::downgrade(&kept), node.clone()));
        Ok(Arc::new(Self { name, node, tls, kept }))
    }

    /// The settings now; `None` once the service was removed.
    fn settings(&self) -> Option<Arc<Object<Service>>> {
        self.node.settings(&self.name)
    }
}

/// Ends sessions in which nothing is asked, until the service is gone.
async fn sweep(kept: std::sync::Weak<Kept>) {
    loop {
        tokio::time::sleep(limits::KEPT_LOOK_EVERY).await;
        let Some(kept) = kept.upgrade() else { return };
        kept.sweep(Instant::now());
    }
}

/// Closes sessions of web sessions that have ended, until the service is gone.
async fn close_ended(kept: std::sync::Weak<Kept>, node: Node) {
    loop {
        tokio::time::sleep(limits::ENDED_LOOK_EVERY).await;
        let Some(kept) = kept.upgrade() else { return };
        kept.close_ended(node.clock.now(), |id| node.ended.has(id));
    }
}

impl Serve for HttpService {
    fn terms(&self) -> Result<Terms, String> {
        let settings = self.settings().ok_or("the service was removed")?;
        Ok(self.node.terms(&settings.spec))
    }

    fn security(&self) -> Result<Security, String> {
        let settings = self.settings().ok_or("the service was removed")?;
        if settings.spec.kind == ServiceKind::Https {
            return (self.tls)().map(Security::Tls);
        }
        Ok(Security::Plain)
    }

    fn serve(self: Arc<Self>, accepted: Accepted) -> Serving {
        Box::pin(async move {
            if let Some(settings) = self.settings() {
                connection::serve(self, settings, accepted).await;
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
