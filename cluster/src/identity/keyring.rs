//! Seals and opens secrets with the cluster's data keys.
//!
//! Which key is the newest is the replicated state's word, and how a node gets a key it lacks is `node`'s work.
//!
//! The sealed form: key id (4 bytes, big endian), format (1 byte), nonce (12 bytes, random), ciphertext and tag of
//! AES-256-GCM. Key id, format and the caller's context are authenticated, so that a sealed secret opens only where
//! it was meant to stand.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use super::random;
use crate::NodeError;

const FORMAT: u8 = 1;
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const HEAD_BYTES: usize = KEY_ID_BYTES + 1 + NONCE_BYTES;

/// The secret of a data key.
pub(crate) type DataKey = Zeroizing<[u8; 32]>;

/// Why sealed bytes did not open.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum UnsealError {
    /// This node does not hold the key of that id; another member may.
    KeyMissing(u32),
    /// Not sealed by this cluster, damaged, or sealed for another context.
    Refused(&'static str),
}

/// The data keys that this node holds, by id.
#[derive(Default)]
pub(crate) struct KeyRing {
    keys: ArcSwap<BTreeMap<u32, Arc<DataKey>>>,
}

impl KeyRing {
    /// A ring of these keys.
    pub(crate) fn new(keys: impl IntoIterator<Item = (u32, DataKey)>) -> Self {
        let keys = keys
            .into_iter()
            .map(|(id, key)| (id, Arc::new(key)))
            .collect::<BTreeMap<_, _>>();
        Self {
            keys: ArcSwap::from_pointee(keys),
        }
    }

    /// Makes a key available; a key that is already there is left as it is.
    pub(crate) fn add(&self, id: u32, key: DataKey) {
        let key = Arc::new(key);
        self.keys.rcu(|keys| {
            let mut keys = BTreeMap::clone(keys);
            keys.entry(id).or_insert_with(|| key.clone());
            keys
        });
    }

    /// The ids of all keys held.
    pub(crate) fn ids(&self) -> Vec<u32> {
        self.keys.load().keys().copied().collect()
    }

    /// A key's secret, to be handed to another member.
    pub(crate) fn secret(&self, id: u32) -> Option<Arc<DataKey>> {
        self.keys.load().get(&id).cloned()
    }

    /// Seals `secret` with key `id`, bound to `context`.
    pub(crate) fn seal(&self, id: u32, context: &[u8], secret: &[u8]) -> Result<Vec<u8>, NodeError> {
        let failed = |why: &str| NodeError(format!("cannot seal a secret with data key {id:08x}: {why}"));
        let key = self
            .secret(id)
            .ok_or_else(|| failed("this node does not hold it yet; try again shortly"))?;
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, &key[..]).map_err(|_| failed("the key was refused"))?;
        let mut body = Vec::with_capacity(secret.len() + TAG_BYTES);
        body.extend_from_slice(secret);
        let nonce = cipher
            .seal_in_place_append_tag(bound(id, context), &mut body)
            .map_err(|_| failed("the cipher failed"))?;
        let mut sealed = Vec::with_capacity(HEAD_BYTES + body.len());
        sealed.extend_from_slice(&id.to_be_bytes());
        sealed.push(FORMAT);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// A secret that everybody who holds key `id` derives for `context`, and nobody else.
    pub(crate) fn derive(&self, id: u32, context: &[u8]) -> Option<DataKey> {
        let key = self.secret(id)?;
        // Its own name keeps it apart from all other uses of the key.
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key[..]);
        let mut bytes = b"argosy derived secret 1\0".to_vec();
        bytes.extend_from_slice(&id.to_be_bytes());
        bytes.extend_from_slice(context);
        let mut derived = Zeroizing::new([0; 32]);
        derived.copy_from_slice(aws_lc_rs::hmac::sign(&key, &bytes).as_ref());
        Some(derived)
    }

    /// Opens what [`seal`](Self::seal) made for the same `context`.
    pub(crate) fn unseal(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
        if sealed.len() < HEAD_BYTES + TAG_BYTES {
            return Err(UnsealError::Refused("it is too short to be sealed"));
        }
        let (head, body) = sealed.split_at(HEAD_BYTES);
        let id = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        if head[KEY_ID_BYTES] != FORMAT {
            return Err(UnsealError::Refused("its format is unknown to this build"));
        }
        let key = self.secret(id).ok_or(UnsealError::KeyMissing(id))?;
        let refused = |_| UnsealError::Refused("it is damaged or was sealed for another place");
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, &key[..]).map_err(refused)?;
        let nonce = Nonce::try_assume_unique_for_key(&head[KEY_ID_BYTES + 1..]).map_err(refused)?;
        let mut body = Zeroizing::new(body.to_vec());
        let length = cipher
            .open_in_place(nonce, bound(id, context), &mut body)
            .map_err(refused)?
            .len();
        body.truncate(length);
        Ok(body)
    }
}

/// A new data key and its id. Ids only grow; the step is random, so that two keys that two leaders make at the same
/// time hardly ever share one, and whoever holds the one refuses the other.
pub(crate) fn new_data_key(newest: u32) -> Result<(u32, DataKey), NodeError> {
    let step = u32::from(u16::from_be_bytes(random()?)) + 1;
    let id = newest
        .checked_add(step)
        .ok_or_else(|| NodeError("all ids of data keys are used up".into()))?;
    Ok((id, Zeroizing::new(random()?)))
}

fn bound(id: u32, context: &[u8]) -> Aad<Vec<u8>> {
    let mut bytes = Vec::with_capacity(KEY_ID_BYTES + 1 + context.len());
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes.push(FORMAT);
    bytes.extend_from_slice(context);
    Aad::from(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ring() -> KeyRing {
        KeyRing::new([(1, Zeroizing::new([1; 32])), (2, Zeroizing::new([2; 32]))])
    }

    #[test]
    fn a_sealed_secret_opens_in_its_own_context_only() {
        let ring = ring();
        let sealed = ring.seal(2, b"row/a", b"secret").unwrap();
        assert_eq!(sealed[..4], [0, 0, 0, 2]);
        assert_eq!(ring.unseal(b"row/a", &sealed).unwrap().as_slice(), b"secret");
        assert!(matches!(ring.unseal(b"row/b", &sealed), Err(UnsealError::Refused(_))));
    }

    #[test]
    fn no_byte_of_a_sealed_secret_can_be_changed() {
        let ring = ring();
        let sealed = ring.seal(1, b"row", b"secret").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 3;
            assert!(ring.unseal(b"row", &changed).is_err(), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(ring.unseal(b"row", &sealed[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn a_missing_key_is_named() {
        let sealed = ring().seal(2, b"row", b"secret").unwrap();
        let poor = KeyRing::new([(1, Zeroizing::new([1; 32]))]);
        assert_eq!(poor.unseal(b"row", &sealed).unwrap_err(), UnsealError::KeyMissing(2));
        assert!(poor.seal(2, b"row", b"secret").is_err());
        poor.add(2, Zeroizing::new([2; 32]));
        assert_eq!(poor.unseal(b"row", &sealed).unwrap().as_slice(), b"secret");
    }

    #[test]
    fn the_same_secret_is_never_sealed_to_the_same_bytes() {
        let ring = ring();
        assert_ne!(
            ring.seal(1, b"row", b"secret").unwrap(),
            ring.seal(1, b"row", b"secret").unwrap()
        );
    }
}
