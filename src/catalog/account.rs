//! The account: who may come in, from where, with what, to which folders, and what may be done there.
//!
//! Judging these facts is left to `auth` (who) and `access` (may).

use ipnet::IpNet;

use super::pattern::Pattern;
use super::rare::Rare;
use super::restrictions::Restrictions;
use crate::clock::UnixMillis;
use crate::ids::Name;
use crate::path::VirtualPath;
use crate::x509::ClientCertificate;

/// A partner's or a user's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// A disabled account cannot sign in; its sessions are closed.
    pub enabled: bool,
    /// After this moment it counts as disabled.
    pub expires_at: Option<UnixMillis>,
    /// What must be proven to sign in.
    pub proofs: Proofs,
    /// `None`: signing in by password is impossible.
    pub password: Option<PasswordHash>,
    /// What is known of the password besides its hash.
    pub password_state: PasswordState,
    /// Keys that let it in; at most [`super::limits::KEYS_MAX`].
    pub keys: Vec<AuthorizedKey>,
    /// Client certificates (TLS) that let it in, as far as the service trusts who signed them; at most
    /// [`super::limits::KEYS_MAX`].
    pub certificates: Vec<CertificateRule>,
    /// The names that a certificate may give to let it in; empty: the account's own name.
    pub principals: Vec<String>,
    /// Groups that it is a member of, the more important one first.
    pub groups: Vec<Name>,
    /// Roles whose grants it has.
    pub roles: Vec<Name>,
    /// The mount at `/`; it allows everything that no grant speaks of, unless it has grants of its own.
    pub home: Option<Mount>,
    /// Further mounts; what no grant allows there is denied.
    pub mounts: Vec<Mount>,
    /// Grants over all that it sees, its groups' mounts too.
    pub grants: Vec<Grant>,
    /// Networks it may come from; empty: any.
    pub sources: Vec<IpNet>,
    /// The most sessions at one time on one node; `None`: the service's limit alone.
    pub sessions_max: Option<u32>,
    /// When, how much, which files, how fast.
    pub restrictions: Rare<Restrictions>,
}

impl Default for Account {
    /// Enabled, with nothing that lets it in and nothing to see.
    fn default() -> Self {
        Self {
            enabled: true,
            expires_at: None,
            proofs: Proofs::default(),
            password: None,
            password_state: PasswordState::default(),
            keys: Vec::new(),
            certificates: Vec::new(),
            principals: Vec::new(),
            groups: Vec::new(),
            roles: Vec::new(),
            home: None,
            mounts: Vec::new(),
            grants: Vec::new(),
            sources: Vec::new(),
            sessions_max: None,
            restrictions: Rare::default(),
        }
    }
}

/// What must be proven to sign in. A certificate of a trusted authority, SSH's or TLS's, counts as a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proofs {
    /// A password or a key.
    #[default]
    Any,
    /// A password; keys are not looked at.
    Password,
    /// A key; passwords are not looked at.
    Key,
    /// Both, in either order.
    #[serde(rename = "password+key")]
    PasswordAndKey,
}

/// What is known of a password besides its hash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PasswordState {
    /// It must be changed at the next sign-in, before anything else.
    pub must_change: bool,
    /// When it was set; `None`: not known, it is of no age.
    pub changed_at: Option<UnixMillis>,
    /// Hashes of the former ones, the latest first; at most [`super::limits::FORMER_PASSWORDS_MAX`].
    pub former: Vec<PasswordHash>,
}

impl PasswordState {
    /// The state with a new password set at `now` in place of `before`; of the former ones `kept` stay.
    #[must_use]
    pub fn renewed(&self, before: Option<&PasswordHash>, now: UnixMillis, kept: u32) -> Self {
        let former = before.into_iter().chain(&self.former);
        Self {
            must_change: false,
            changed_at: Some(now),
            former: former.take(kept as usize).cloned().collect(),
        }
    }
}

/// An argon2id hash in PHC string form (`$argon2id$v=19$...`); never the password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// A public key that lets an account in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizedKey {
    /// `algorithm base64` as in an `authorized_keys` line, without options and comment; parsed once at the border.
    pub key: String,
    /// For people.
    pub comment: String,
    /// After this moment it lets nobody in.
    pub expires_at: Option<UnixMillis>,
}

/// Which client certificates let an account in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateRule {
    /// Those of this subject, as [`crate::x509::name::show`] writes it: `CN=alice,O=Example,C=DE`.
    Subject(String),
    /// Those with this alternative name, as [`crate::x509::name::alternative`] writes it: `email:alice@example.org`.
    AlternativeName(String),
    /// The one with this SHA-256.
    Fingerprint([u8; 32]),
}

impl CertificateRule {
    /// Whether it takes this certificate.
    pub fn takes(&self, certificate: &ClientCertificate) -> bool {
        match self {
            Self::Subject(subject) => *subject == certificate.subject,
            Self::AlternativeName(name) => certificate.names.contains(name),
            Self::Fingerprint(fingerprint) => *fingerprint == certificate.fingerprint,
        }
    }
}

/// A storage's folder at a virtual path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where the account sees it; `/` for the home.
    pub at: VirtualPath,
    /// The storage that holds the files.
    pub storage: Name,
    /// The folder below the storage's root (itself normalised: `/` is the root); made when first needed.
    pub folder: VirtualPath,
    /// What may be done below `at`. `None`: what other grants allow, and on an account's home all that none denies.
    pub grants: Option<Vec<Grant>>,
}

/// What may be done at some virtual paths. Deny beats allow, silence is deny.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Where it holds. A mount's grant reaches no further than its mount.
    pub reach: Reach,
    /// Allowed operations.
    pub allow: Operations,
    /// Denied operations; they win over any allowance.
    pub deny: Operations,
}

/// Where a grant holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// At the path and at all below it.
    Below(VirtualPath),
    /// At the paths that match, and only there: `/in/**` does not hold at `/in` itself.
    Matching(Pattern),
}

impl Reach {
    /// Whether it holds at `path`.
    pub fn holds_at(&self, path: &VirtualPath) -> bool {
        match self {
            Self::Below(ancestor) => path.is_within(ancestor),
            Self::Matching(pattern) => pattern.matches(path.as_bytes()),
        }
    }
}

/// What can be done to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Read a file's bytes.
    Read,
    /// See a folder's entries.
    List,
    /// Make a new file.
    Write,
    /// Replace a file, or write into an existing one.
    Overwrite,
    /// Write at an existing file's end.
    Append,
    /// Move from or to a path.
    Rename,
    /// Remove a file or a link.
    Delete,
    /// Make a folder.
    MakeFolder,
    /// Remove a folder.
    RemoveFolder,
    /// Change mode, times or size.
    SetAttributes,
    /// Make symbolic and hard links.
    Links,
}

impl Operation {
    /// All, in the order of their bits, which never changes.
    pub const ALL: [Self; 11] = [
        Self::Read,
        Self::List,
        Self::Write,
        Self::Overwrite,
        Self::Append,
        Self::Rename,
        Self::Delete,
        Self::MakeFolder,
        Self::RemoveFolder,
        Self::SetAttributes,
        Self::Links,
    ];

    /// The word used in the API, the CLI, events and messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Write => "write",
            Self::Overwrite => "overwrite",
            Self::Append => "append",
            Self::Rename => "rename",
            Self::Delete => "delete",
            Self::MakeFolder => "make-folder",
            Self::RemoveFolder => "remove-folder",
            Self::SetAttributes => "set-attributes",
            Self::Links => "links",
        }
    }

    /// The operation that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.word() == word)
    }
}

/// A set of operations.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Operations(u16);

impl Operations {
    /// None.
    pub const NONE: Self = Self(0);
    /// All.
    pub const ALL: Self = Self((1 << Operation::ALL.len()) - 1);

    /// The set with `operation` in it.
    #[must_use]
    pub fn with(self, operation: Operation) -> Self {
        Self(self.0 | 1 << operation as u16)
    }

    /// Whether `operation` is in it.
    pub fn contains(self, operation: Operation) -> bool {
        self.0 & (1 << operation as u16) != 0
    }

    /// Those in it, in the order of [`Operation::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Operation> {
        Operation::ALL
            .into_iter()
            .filter(move |operation| self.contains(*operation))
    }

    /// The bits, for the stored form.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// The set of stored bits; bits that this build does not know are refused.
    pub fn from_bits(bits: u16) -> Option<Self> {
        (bits & !Self::ALL.0 == 0).then_some(Self(bits))
    }
}

impl FromIterator<Operation> for Operations {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        operations.into_iter().fold(Self::NONE, Self::with)
    }
}

impl std::fmt::Debug for Operations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(Operation::word)).finish()
    }
}
