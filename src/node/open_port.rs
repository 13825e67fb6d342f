//! Opens ports for the reconciler: an accept loop round the service of each kind.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::catalog::ServiceKind;
use crate::ids::Name;
use crate::listener::{Listener, Remaining, Serve, Surroundings};
use crate::protocols::sftp::flow::NodeFlow;
use crate::protocols::{Node, ftp, http, ssh};
use crate::reconcile::ports::{Material, OpenPort, Opener};

/// Opens ports with what every connection needs.
pub struct PortOpener {
    node: Node,
    flow: Arc<NodeFlow>,
    ftp: ftp::Shared,
    surroundings: Surroundings,
}

impl PortOpener {
    /// With what every connection and every listener needs.
    pub fn new(node: Node, surroundings: Surroundings) -> Self {
        Self {
            node,
            flow: Arc::default(),
            ftp: ftp::Shared::default(),
            surroundings,
        }
    }

    fn serve(&self, service: &Name, kind: ServiceKind, material: Material) -> Result<Arc<dyn Serve>, String> {
        Ok(match kind {
            ServiceKind::Sftp => {
                let keys = Arc::new(move || material.host_keys.load_full());
                ssh::SshService::new(service.clone(), self.node.clone(), self.flow.clone(), keys)
            }
            ServiceKind::Ftp | ServiceKind::Ftps | ServiceKind::FtpsImplicit => {
                ftp::FtpService::new(service.clone(), self.node.clone(), self.ftp.clone(), Some(material.tls))
            }
            ServiceKind::Http | ServiceKind::Https => {
                http::HttpService::new(service.clone(), self.node.clone(), material.tls)?
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
