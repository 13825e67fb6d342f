//! Opens SFTP ports for the reconciler: an accept loop round the SSH service.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::ids::Name;
use crate::listener::{Listener, Remaining, Surroundings};
use crate::protocols::ssh::{Dependencies, SshService};
use crate::reconcile::ports::{HostKeySource, OpenPort, Opener};

/// Opens ports with what every connection needs.
pub struct SftpOpener {
    deps: Dependencies,
    surroundings: Surroundings,
}

impl SftpOpener {
    /// With what every connection and every listener needs.
    pub fn new(deps: Dependencies, surroundings: Surroundings) -> Self {
        Self { deps, surroundings }
    }
}

impl Opener for SftpOpener {
    fn open(
        &self,
        service: Name,
        address: SocketAddr,
        keys: HostKeySource,
    ) -> BoxFuture<'_, Result<Box<dyn OpenPort>, String>> {
        Box::pin(async move {
            let serve = SshService::new(service.clone(), self.deps.clone(), Arc::new(move || keys.load_full()));
            let listener = Listener::open(address, service, serve, self.surroundings.clone())
                .map_err(|error| format!("{address} cannot be opened: {error}"))?;
            Ok(Box::new(SftpPort(listener)) as Box<dyn OpenPort>)
        })
    }
}

struct SftpPort(Listener);

impl OpenPort for SftpPort {
    fn close(self: Box<Self>) -> BoxFuture<'static, Remaining> {
        Box::pin(self.0.stop())
    }
}
