//! Opens the catalog's sealed host keys into memory, once per change.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::limits;
use crate::auth::HostIdentity;
use crate::catalog::{HostKey, View};
use crate::ids::Name;

/// Opens what the cluster has sealed: context and sealed bytes to secret, or why not.
pub type Unseal = Arc<
    dyn Fn(Vec<u8>, Vec<u8>) -> Pin<Box<dyn Future<Output = Result<Zeroizing<Vec<u8>>, String>> + Send>> + Send + Sync,
>;

/// Host keys in use, by name.
pub type Opened = BTreeMap<Name, Arc<HostIdentity>>;

/// The context under which a host key is sealed.
pub fn context(name: &Name) -> Vec<u8> {
    format!("host-key/{name}").into_bytes()
}

/// Keeps opened keys as the view has them.
pub struct HostKeys {
    unseal: Unseal,
    opened: Opened,
    revisions: BTreeMap<Name, u64>,
}

impl HostKeys {
    /// With no key opened yet.
    pub fn new(unseal: Unseal) -> Self {
        Self {
            unseal,
            opened: Opened::new(),
            revisions: BTreeMap::new(),
        }
    }

    /// The keys that are open.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Opens new and changed keys, drops removed ones; gives what failed. A key that fails to open keeps its former
    /// form in use until it does.
    pub async fn pass(&mut self, view: &View) -> BTreeMap<String, String> {
        self.opened.retain(|name, _| view.host_keys.contains_key(name));
        self.revisions.retain(|name, _| view.host_keys.contains_key(name));
        let mut failures = BTreeMap::new();
        for (name, object) in &view.host_keys {
            if self.revisions.get(name) == Some(&object.revision) {
                continue;
            }
            match self.open(name, &object.spec).await {
                Ok(key) => {
                    self.opened.insert(name.clone(), Arc::new(key));
                    self.revisions.insert(name.clone(), object.revision);
                }
                Err(reason) => {
                    tracing::error!(host_key = %name, %reason, "a host key cannot be opened");
                    failures.insert(format!("host-key/{name}"), reason);
                }
            }
        }
        failures
    }

    async fn open(&self, name: &Name, key: &HostKey) -> Result<HostIdentity, String> {
        let opening = (self.unseal)(context(name), key.sealed_private.clone());
        let secret = match tokio::time::timeout(limits::UNSEAL_WAIT, opening).await {
            Ok(opened) => opened?,
            Err(_) => {
                return Err(format!(
                    "no answer within {:?} from the members that hold its data key",
                    limits::UNSEAL_WAIT
                ));
            }
        };
        let text = std::str::from_utf8(&secret).map_err(|_| "the opened key is no text".to_owned())?;
        HostIdentity::parse(text, key.certificate.as_deref()).map_err(|reason| format!("the opened key {reason}"))
    }
}
