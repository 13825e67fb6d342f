//! The identity part of a node's folder: `identity`, `node.crt`, `ca.crt`, and the one secret file `node.key`.
//!
//! What the keys are used for is left to `authority`, `keyring` and `transport`.
//!
//! Each file is written whole: to a temporary name, synced, renamed, and the folder synced. `identity` is written
//! last, so that a folder with it is complete.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::keyring::DataKey;
use super::{Authority, ClusterId, KeyRing, hex, limits, unhex};
use crate::{NodeError, NodeId};

const IDENTITY_FILE: &str = "identity";
const IDENTITY_HEAD: &str = "argosy-identity 1";
const NODE_CERTIFICATE_FILE: &str = "node.crt";
const AUTHORITY_CERTIFICATE_FILE: &str = "ca.crt";
const SECRET_FILE: &str = "node.key";
const SECRET_MAGIC: &[u8; 8] = b"ARGOKEY\x01";

/// A member as it was known when this node was made: whom to ask before the first log entry has arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownPeer {
    /// Its id.
    pub(crate) node: NodeId,
    /// Its peer address.
    pub(crate) address: SocketAddr,
    /// SHA-256 of its certificate.
    pub(crate) fingerprint: [u8; 32],
}

/// Who this node is; nothing here is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The cluster.
    pub(crate) cluster: ClusterId,
    /// This node.
    pub(crate) node: NodeId,
    /// Its name.
    pub(crate) name: String,
    /// Where other nodes reach it.
    pub(crate) peer_address: SocketAddr,
    /// Members known when it was made.
    pub(crate) peers: Vec<KnownPeer>,
    /// Its certificate.
    pub(crate) certificate: CertificateDer<'static>,
    /// The authority's certificate.
    pub(crate) authority: CertificateDer<'static>,
}

/// The secret file's content, version 1.
#[derive(Default, Serialize, Deserialize)]
struct SecretsV1 {
    node_key: Vec<u8>,
    authority_key: Option<Vec<u8>>,
    data_keys: BTreeMap<u32, [u8; 32]>,
}

impl Drop for SecretsV1 {
    fn drop(&mut self) {
        self.node_key.zeroize();
        self.authority_key.zeroize();
        self.data_keys.values_mut().for_each(Zeroize::zeroize);
    }
}

/// This node's secrets: on disk in `node.key`, and in memory.
pub(crate) struct Vault {
    folder: PathBuf,
    secrets: Mutex<SecretsV1>,
    ring: KeyRing,
}

impl Identity {
    /// Reads the identity of a folder made earlier.
    pub(crate) fn load(folder: &Path) -> Result<Self, NodeError> {
        let path = folder.join(IDENTITY_FILE);
        let failed = |why: String| NodeError(format!("cannot read the node's identity {}: {why}", path.display()));
        if !path.exists() {
            return Err(failed(
                "there is none; make the node with `argosy init` or `argosy join` first".into(),
            ));
        }
        let text = read_bounded(&path, limits::IDENTITY_FILE_BYTES_MAX).map_err(|e| failed(e.to_string()))?;
        let text = String::from_utf8(text).map_err(|_| failed("it is not text".into()))?;
        let certificate = read_certificate(&folder.join(NODE_CERTIFICATE_FILE))?;
        let authority = read_certificate(&folder.join(AUTHORITY_CERTIFICATE_FILE))?;
        let identity = parse_identity(&text, certificate, authority).map_err(failed)?;
        let named = super::node_of_certificate(&identity.certificate).map_err(failed)?;
        if named != (identity.cluster, identity.node) {
            return Err(failed(format!(
                "{NODE_CERTIFICATE_FILE} belongs to node {} of {}",
                named.1, named.0
            )));
        }
        Ok(identity)
    }

    /// Writes the identity and its first secrets into `folder`, which must be missing or empty.
    pub(crate) fn create(
        &self,
        folder: &Path,
        node_key: &[u8],
        authority_key: Option<&[u8]>,
        data_key: Option<(u32, &DataKey)>,
    ) -> Result<(), NodeError> {
        make_empty(folder)?;
        let secrets = SecretsV1 {
            node_key: node_key.to_vec(),
            authority_key: authority_key.map(<[u8]>::to_vec),
            data_keys: data_key.map(|(id, key)| (id, **key)).into_iter().collect(),
        };
        write_secrets(folder, &secrets)?;
        write_whole(
            &folder.join(NODE_CERTIFICATE_FILE),
            pem(&self.certificate).as_bytes(),
            0o644,
        )?;
        write_whole(
            &folder.join(AUTHORITY_CERTIFICATE_FILE),
            pem(&self.authority).as_bytes(),
            0o644,
        )?;
        write_whole(&folder.join(IDENTITY_FILE), print_identity(self).as_bytes(), 0o644)
    }
}

impl Vault {
    /// Reads the secrets of a folder made by [`Identity::create`].
    pub(crate) fn open(folder: &Path) -> Result<Self, NodeError> {
        let path = folder.join(SECRET_FILE);
        let failed = |why: String| NodeError(format!("cannot read the node's secrets {}: {why}", path.display()));
        let bytes = read_bounded(&path, limits::SECRET_FILE_BYTES_MAX).map_err(|e| failed(e.to_string()))?;
        let bytes = Zeroizing::new(bytes);
        let body = bytes
            .strip_prefix(SECRET_MAGIC)
            .ok_or_else(|| failed("its format is unknown".into()))?;
        let (body, sum) = body
            .split_last_chunk::<4>()
            .ok_or_else(|| failed("it is cut off".into()))?;
        if crc32c::crc32c(body) != u32::from_be_bytes(*sum) {
            return Err(failed(
                "its checksum is wrong; bring the file back from a backup, or join anew".into(),
            ));
        }
        let secrets: SecretsV1 = postcard::from_bytes(body).map_err(|e| failed(e.to_string()))?;
        let ring = KeyRing::new(secrets.data_keys.iter().map(|(id, key)| (*id, Zeroizing::new(*key))));
        Ok(Self {
            folder: folder.to_owned(),
            secrets: Mutex::new(secrets),
            ring,
        })
    }

    /// The data keys.
    pub(crate) fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// The node's private key, for TLS.
    pub(crate) fn node_key(&self) -> PrivatePkcs8KeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.lock().node_key.clone())
    }

    /// The authority's private key, where this node holds it.
    pub(crate) fn authority_key(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.lock().authority_key.clone().map(Zeroizing::new)
    }

    /// The authority itself, where this node holds its key.
    pub(crate) fn authority(&self, certificate: &CertificateDer<'static>) -> Result<Option<Authority>, NodeError> {
        self.authority_key()
            .map(|key| Authority::restore(certificate.clone(), &key))
            .transpose()
    }

    /// Keeps a data key: synced to disk first, then usable. Blocks for an fsync.
    pub(crate) fn add_data_key(&self, id: u32, key: &DataKey) -> Result<(), NodeError> {
        let mut secrets = self.lock();
        if secrets.data_keys.contains_key(&id) {
            return Ok(());
        }
        if secrets.data_keys.len() >= limits::DATA_KEYS_MAX {
            return Err(NodeError(format!(
                "this node already keeps {} data keys, the most it can",
                limits::DATA_KEYS_MAX
            )));
        }
        secrets.data_keys.insert(id, **key);
        if let Err(error) = write_secrets(&self.folder, &secrets) {
            secrets.data_keys.remove(&id);
            return Err(error);
        }
        self.ring.add(id, key.clone());
        Ok(())
    }

    /// Keeps the authority's key. Blocks for an fsync.
    pub(crate) fn set_authority_key(&self, key: &[u8]) -> Result<(), NodeError> {
        let mut secrets = self.lock();
        if secrets.authority_key.as_deref() == Some(key) {
            return Ok(());
        }
        let before = secrets.authority_key.replace(key.to_vec());
        write_secrets(&self.folder, &secrets).inspect_err(|_| secrets.authority_key = before)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SecretsV1> {
        // A panic while it was held cannot leave a half-written value: every change is one assignment.
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses a folder that holds anything already; says what to do about it.
pub(crate) fn check_empty(folder: &Path) -> Result<(), NodeError> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(NodeError(format!("cannot look into {}: {error}", folder.display()))),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(NodeError(format!(
                "{} is not empty: a node's folder is made once; choose another, or move the old one away",
                folder.display()
            ))),
        },
    }
}

fn make_empty(folder: &Path) -> Result<(), NodeError> {
    check_empty(folder)?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|e| NodeError(format!("cannot make the folder {}: {e}", folder.display())))?;
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        sync_folder(parent)?;
    }
    Ok(())
}

fn write_secrets(folder: &Path, secrets: &SecretsV1) -> Result<(), NodeError> {
    let path = folder.join(SECRET_FILE);
    let body = postcard::to_stdvec(secrets)
        .map(Zeroizing::new)
        .map_err(|e| NodeError(format!("cannot encode {}: {e}", path.display())))?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_MAGIC.len() + body.len() + 4));
    bytes.extend_from_slice(SECRET_MAGIC);
    bytes.extend_from_slice(&body);
    bytes.extend_from_slice(&crc32c::crc32c(&body).to_be_bytes());
    write_whole(&path, &bytes, 0o600)
}

fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> Result<(), NodeError> {
    let mut staged = path.as_os_str().to_owned();
    staged.push(".new");
    let staged = PathBuf::from(staged);
    let write = || -> io::Result<()> {
        match fs::remove_file(&staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&staged)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&staged, path)
    };
    write().map_err(|e| NodeError(format!("cannot write {}: {e}", path.display())))?;
    path.parent().map_or(Ok(()), sync_folder)
}

fn sync_folder(folder: &Path) -> Result<(), NodeError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| NodeError(format!("cannot sync the folder {}: {e}", folder.display())))
}

fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::other(format!("it is larger than {bytes_max} bytes")));
    }
    Ok(bytes)
}

fn read_certificate(path: &Path) -> Result<CertificateDer<'static>, NodeError> {
    let failed = |why: String| NodeError(format!("cannot read the certificate {}: {why}", path.display()));
    let bytes = read_bounded(path, limits::IDENTITY_FILE_BYTES_MAX).map_err(|e| failed(e.to_string()))?;
    CertificateDer::from_pem_slice(&bytes).map_err(|e| failed(e.to_string()))
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = STANDARD.encode(certificate);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

fn print_identity(identity: &Identity) -> String {
    let mut text = format!(
        "{IDENTITY_HEAD}\ncluster {}\nnode {}\nname {}\naddress {}\n",
        identity.cluster, identity.node, identity.name, identity.peer_address
    );
    for peer in identity.peers.iter().take(limits::KNOWN_PEERS_MAX) {
        text += &format!("peer {} {} {}\n", peer.node, peer.address, hex(&peer.fingerprint));
    }
    text
}

fn parse_identity(
    text: &str,
    certificate: CertificateDer<'static>,
    authority: CertificateDer<'static>,
) -> Result<Identity, String> {
    let mut lines = text.lines();
    if lines.next() != Some(IDENTITY_HEAD) {
        return Err(format!(
            "its first line is not {IDENTITY_HEAD:?}; a newer release may have written it"
        ));
    }
    let mut field = |name: &str| {
        let line = lines.next().ok_or_else(|| format!("the line {name:?} is missing"))?;
        line.strip_prefix(name)
            .and_then(|rest| rest.strip_prefix(' '))
            .map(str::to_owned)
            .ok_or_else(|| format!("expected the line {name:?}, found {line:?}"))
    };
    let cluster = field("cluster")?.parse()?;
    let node = NodeId(field("node")?.parse().map_err(|e| format!("the node id: {e}"))?);
    let name = field("name")?;
    let peer_address = field("address")?.parse().map_err(|e| format!("the address: {e}"))?;
    let peers = lines
        .take(limits::KNOWN_PEERS_MAX)
        .map(parse_peer)
        .collect::<Result<_, _>>()?;
    Ok(Identity {
        cluster,
        node,
        name,
        peer_address,
        peers,
        certificate,
        authority,
    })
}

fn parse_peer(line: &str) -> Result<KnownPeer, String> {
    let bad = || format!("cannot read the line {line:?}");
    match line.split(' ').collect::<Vec<_>>().as_slice() {
        ["peer", node, address, fingerprint] => Ok(KnownPeer {
            node: NodeId(node.parse().map_err(|_| bad())?),
            address: address.parse().map_err(|_| bad())?,
            fingerprint: unhex(fingerprint)?,
        }),
        _ => Err(bad()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::identity::{NodeKey, sign_request};

    fn made(folder: &Path) -> Identity {
        let cluster = ClusterId([9; 16]);
        let authority = Authority::generate(cluster).unwrap();
        let key = NodeKey::generate().unwrap();
        let certificate = sign_request(&authority, cluster, NodeId(3), &key.request().unwrap()).unwrap();
        let identity = Identity {
            cluster,
            node: NodeId(3),
            name: "node-c".into(),
            peer_address: "10.0.0.3:7400".parse().unwrap(),
            peers: vec![KnownPeer {
                node: NodeId(1),
                address: "[fd00::1]:7400".parse().unwrap(),
                fingerprint: [8; 32],
            }],
            certificate,
            authority: authority.certificate().clone(),
        };
        let data_key = Zeroizing::new([5; 32]);
        let authority_key = authority.to_pkcs8();
        identity
            .create(folder, &key.to_pkcs8(), Some(&authority_key), Some((1, &data_key)))
            .unwrap();
        identity
    }

    #[test]
    fn a_written_identity_reads_as_itself_and_only_the_secret_file_is_secret() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("cluster");
        let identity = made(&folder);
        assert_eq!(Identity::load(&folder).unwrap(), identity);
        let vault = Vault::open(&folder).unwrap();
        assert!(vault.authority(&identity.authority).unwrap().is_some());
        assert_eq!(vault.ring().ids(), [1]);
        let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(SECRET_FILE), 0o600);
        let secret = vault.node_key();
        for name in [IDENTITY_FILE, NODE_CERTIFICATE_FILE, AUTHORITY_CERTIFICATE_FILE] {
            let bytes = fs::read(folder.join(name)).unwrap();
            assert!(!bytes.windows(16).any(|w| w == [5; 16]), "{name}");
            let pkcs8 = secret.secret_pkcs8_der();
            assert!(!bytes.windows(pkcs8.len()).any(|w| w == pkcs8), "{name}");
        }
    }

    #[test]
    fn added_keys_are_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        made(folder.path());
        let vault = Vault::open(folder.path()).unwrap();
        vault.add_data_key(77, &Zeroizing::new([6; 32])).unwrap();
        vault.set_authority_key(b"another").unwrap();
        let vault = Vault::open(folder.path()).unwrap();
        assert_eq!(vault.ring().ids(), [1, 77]);
        assert_eq!(vault.authority_key().unwrap().as_slice(), b"another");
    }

    #[test]
    fn a_folder_is_made_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let identity = made(folder.path());
        let error = identity
            .create(folder.path(), b"key", None, None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("not empty"), "{error}");
    }

    #[test]
    fn damaged_files_are_refused_with_their_name() {
        let folder = tempfile::tempdir().unwrap();
        made(folder.path());
        let check = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            let good = fs::read(&path).unwrap();
            fs::write(&path, bytes).unwrap();
            let error = Identity::load(folder.path())
                .err()
                .or(Vault::open(folder.path()).err())
                .unwrap();
            assert!(error.to_string().contains(name), "{error}");
            fs::write(&path, good).unwrap();
        };
        check(IDENTITY_FILE, b"argosy-identity 2\n");
        check(IDENTITY_FILE, b"argosy-identity 1\ncluster 00\n");
        check(IDENTITY_FILE, &vec![b'x'; 100_000]);
        check(NODE_CERTIFICATE_FILE, b"not a certificate");
        check(AUTHORITY_CERTIFICATE_FILE, b"");
        check(SECRET_FILE, b"ARGOKEY\x01");
        check(SECRET_FILE, b"ARGOKEY\x01abcdefgh");
        check(SECRET_FILE, b"ARGOKEY\x02abcdefgh");
    }
}
