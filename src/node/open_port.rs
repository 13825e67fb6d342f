//! Opens ports for the reconciler: an accept loop round the service of each kind.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::catalog::ServiceKind;
use crate::ids::Name;
use crate::listener::{Listener, Remaining, Serve, Surroundings};
use crate::protocols::{ftp, http, ssh};
use crate::reconcile::ports::{Material, OpenPort, Opener};

/// Opens ports with what every connection needs.
pub struct PortOpener {
    ssh: ssh::Dependencies,
    ftp: ftp::Dependencies,
    http: http::Dependencies,
    surroundings: Surroundings,
}

impl PortOpener {
    /// With what every connection and every listener needs.
    pub fn new(ssh: ssh::Dependencies, surroundings: Surroundings) -> Self {
        let ftp = ftp::Dependencies {
            node: ssh.node.clone(),
            views: ssh.views.clone(),
            registry: ssh.registry.clone(),
            vfs: ssh.vfs.clone(),
            journal: ssh.journal.clone(),
            clock: ssh.clock.clone(),
            authenticator: ssh.authenticator.clone(),
            passive: Arc::default(),
            buffers: Arc::default(),
        };
        let http = http::Dependencies {
            node: ssh.node.clone(),
            views: ssh.views.clone(),
            registry: ssh.registry.clone(),
            vfs: ssh.vfs.clone(),
            journal: ssh.journal.clone(),
            clock: ssh.clock.clone(),
            authenticator: ssh.authenticator.clone(),
        };
        Self {
            ssh,
            ftp,
            http,
            surroundings,
        }
    }

    fn serve(&self, service: &Name, kind: ServiceKind, material: Material) -> Result<Arc<dyn Serve>, String> {
        Ok(match kind {
            ServiceKind::Sftp => {
                let keys = Arc::new(move || material.host_keys.load_full());
                ssh::SshService::new(service.clone(), self.ssh.clone(), keys)
            }
            ServiceKind::Ftp | ServiceKind::Ftps | ServiceKind::FtpsImplicit => {
                ftp::FtpService::new(service.clone(), self.ftp.clone(), Some(material.tls))
            }
            ServiceKind::Http | ServiceKind::Https => {
                http::HttpService::new(service.clone(), self.http.clone(), material.tls)?
            }
        })
    }
}

impl Opener for PortOpener {
    fn open(
        &self,
        service: Name,
        kind: ServiceKind,
        address: SocketAddr,
        material: Material,
    ) -> BoxFuture<'_, Result<Box<dyn OpenPort>, String>> {
        Box::pin(async move {
            let serve = self.serve(&service, kind, material)?;
            let listener = Listener::open(address, service, serve, self.surroundings.clone())
                .map_err(|error| format!("{address} cannot be opened: {error}"))?;
            Ok(Box::new(Port(listener)) as Box<dyn OpenPort>)
        })
    }
}

struct Port(Listener);

impl OpenPort for Port {
    fn close(self: Box<Self>) -> BoxFuture<'static, Remaining> {
        Box::pin(self.0.stop())
    }
}
