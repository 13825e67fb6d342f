//! TLS for servers of this node that are no peers: the product's own HTTPS ports.
//!
//! TLS between nodes is in `transport`.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;

use super::NodeError;
use super::running::Node;
use crate::StateMachine;

impl<M: StateMachine> Node<M> {
    /// See [`Cluster::server_tls`](crate::Cluster::server_tls).
    pub(super) fn server_tls(&self, names: Vec<String>) -> Result<Arc<ServerConfig>, NodeError> {
        let authority = self.vault.authority(&self.identity.authority)?.ok_or_else(|| {
            NodeError("this node does not hold the authority's key yet: it gets it as a voter; try again".into())
        })?;
        let (certificate, key) = authority.issue_server(names)?;
        let failed = |error: rustls::Error| NodeError(format!("cannot set up TLS for this node's servers: {error}"));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(failed)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate, self.identity.authority.clone()], key.into())
            .map_err(failed)?;
        Ok(Arc::new(config))
    }
}
