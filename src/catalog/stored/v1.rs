//! Format version 1. Never change a type here: postcard is positional.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::catalog::command::{Actor, Command, Expected, Outcome, Refusal, Transaction};
use crate::catalog::view::{Kind, Object, ObjectKey, Spec};
use crate::catalog::{
    Account, Administrator, ApiToken, AuthorizedKey, Durability, Grant, HostKey, Mount, Operations, PasswordHash, Role,
    Service, ServiceKind, ServiceOverride, Settings, Storage,
};
use crate::clock::UnixMillis;
use crate::ids::Name;
use crate::path::VirtualPath;

#[derive(Serialize, Deserialize)]
pub(super) struct ObjectV1 {
    name: String,
    revision: u64,
    changed_by: String,
    changed_at: i64,
    spec: SpecV1,
}

#[derive(Serialize, Deserialize)]
enum SpecV1 {
    Account(AccountV1),
    Administrator(AdministratorV1),
    ApiToken(ApiTokenV1),
    Service(ServiceV1),
    HostKey(HostKeyV1),
    Storage(StorageV1),
    Settings(SettingsV1),
}

#[derive(Serialize, Deserialize)]
struct AccountV1 {
    enabled: bool,
    expires_at: Option<i64>,
    password: Option<String>,
    keys: Vec<AuthorizedKeyV1>,
    home: Option<MountV1>,
    mounts: Vec<MountV1>,
    sources: Vec<String>,
    sessions_max: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct AuthorizedKeyV1 {
    key: String,
    comment: String,
    expires_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct MountV1 {
    at: Vec<u8>,
    storage: String,
    folder: Vec<u8>,
    grants: Option<Vec<GrantV1>>,
}

#[derive(Serialize, Deserialize)]
struct GrantV1 {
    path: Vec<u8>,
    allow: u16,
    deny: u16,
}

#[derive(Serialize, Deserialize)]
enum RoleV1 {
    Viewer,
    Operator,
    Owner,
}

#[derive(Serialize, Deserialize)]
struct AdministratorV1 {
    enabled: bool,
    role: RoleV1,
    password: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ApiTokenV1 {
    administrator: String,
    secret_hash: [u8; 32],
    expires_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
enum ServiceKindV1 {
    Sftp,
}

#[derive(Serialize, Deserialize)]
struct ServiceV1 {
    enabled: bool,
    kind: ServiceKindV1,
    port: u16,
    address: Option<IpAddr>,
    host_keys: Vec<String>,
    banner: String,
    sessions_max: u32,
    unauthenticated_max: u32,
    unauthenticated_per_address_max: u32,
    login_grace_seconds: u32,
    login_attempts_max: u32,
    idle_seconds: u32,
    keepalive_seconds: u32,
    nodes: BTreeMap<String, ServiceOverrideV1>,
}

#[derive(Serialize, Deserialize)]
struct ServiceOverrideV1 {
    address: Option<IpAddr>,
    port: Option<u16>,
    enabled: Option<bool>,
}

#[derive(Serialize, Deserialize)]
struct HostKeyV1 {
    algorithm: String,
    public: String,
    sealed_private: Vec<u8>,
    created_at: i64,
}

#[derive(Serialize, Deserialize)]
struct StorageV1 {
    root: Vec<u8>,
    relaxed: bool,
    keep_interrupted: bool,
    reserve_bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct SettingsV1 {
    login_delay_millis: u32,
    login_delay_max_millis: u32,
    login_memory_seconds: u32,
    staged_age_max_seconds: u32,
}

#[derive(Serialize, Deserialize, Clone, Copy)]
enum KindV1 {
    Account,
    Administrator,
    ApiToken,
    Service,
    HostKey,
    Storage,
    Settings,
}

#[derive(Serialize, Deserialize)]
pub(super) struct KeyV1 {
    kind: KindV1,
    name: String,
}

#[derive(Serialize, Deserialize)]
enum ActorV1 {
    Root {
        node: String,
    },
    Administrator {
        name: String,
        token: String,
        secret_hash: [u8; 32],
    },
}

#[derive(Serialize, Deserialize)]
enum ExpectedV1 {
    Absent,
    Present,
    Revision(u64),
}

#[derive(Serialize, Deserialize)]
pub(super) struct CommandV1 {
    actor: ActorV1,
    at: i64,
    expected: Vec<(KeyV1, ExpectedV1)>,
    puts: Vec<(String, SpecV1)>,
    deletes: Vec<KeyV1>,
}

#[derive(Serialize, Deserialize)]
pub(super) enum OutcomeV1 {
    Applied,
    Stale { key: KeyV1, current: Option<u64> },
    Dangling { from: KeyV1, to: KeyV1 },
    InUse { key: KeyV1, by: KeyV1 },
    Forbidden { reason: String },
    Invalid { reason: String },
}

fn name(text: String) -> Result<Name, String> {
    Name::parse(&text).map_err(|error| error.to_string())
}

fn path(bytes: &[u8]) -> Result<VirtualPath, String> {
    VirtualPath::parse(bytes).map_err(|error| error.to_string())
}

fn all<T, U>(items: Vec<T>, convert: impl Fn(T) -> Result<U, String>) -> Result<Vec<U>, String> {
    items.into_iter().map(convert).collect()
}

impl From<&Object<Spec>> for ObjectV1 {
    fn from(object: &Object<Spec>) -> Self {
        Self {
            name: object.name.to_string(),
            revision: object.revision,
            changed_by: object.changed_by.clone(),
            changed_at: object.changed_at.0,
            spec: (&object.spec).into(),
        }
    }
}

impl TryFrom<ObjectV1> for Object<Spec> {
    type Error = String;
    fn try_from(stored: ObjectV1) -> Result<Self, String> {
        Ok(Self {
            name: name(stored.name)?,
            revision: stored.revision,
            changed_by: stored.changed_by,
            changed_at: UnixMillis(stored.changed_at),
            spec: stored.spec.try_into()?,
        })
    }
}

impl From<&Spec> for SpecV1 {
    fn from(spec: &Spec) -> Self {
        match spec {
            Spec::Account(account) => Self::Account(account.into()),
            Spec::Administrator(administrator) => Self::Administrator(AdministratorV1 {
                enabled: administrator.enabled,
                role: match administrator.role {
                    Role::Viewer => RoleV1::Viewer,
                    Role::Operator => RoleV1::Operator,
                    Role::Owner => RoleV1::Owner,
                },
                password: administrator.password.as_ref().map(|hash| hash.0.clone()),
            }),
            Spec::ApiToken(token) => Self::ApiToken(ApiTokenV1 {
                administrator: token.administrator.to_string(),
                secret_hash: token.secret_hash,
                expires_at: token.expires_at.map(|at| at.0),
            }),
            Spec::Service(service) => Self::Service(service.into()),
            Spec::HostKey(key) => Self::HostKey(HostKeyV1 {
                algorithm: key.algorithm.clone(),
                public: key.public.clone(),
                sealed_private: key.sealed_private.clone(),
                created_at: key.created_at.0,
            }),
            Spec::Storage(storage) => Self::Storage(StorageV1 {
                root: storage.root.clone(),
                relaxed: storage.durability == Durability::Relaxed,
                keep_interrupted: storage.keep_interrupted,
                reserve_bytes: storage.reserve_bytes,
            }),
            Spec::Settings(settings) => Self::Settings(SettingsV1 {
                login_delay_millis: settings.login_delay_millis,
                login_delay_max_millis: settings.login_delay_max_millis,
                login_memory_seconds: settings.login_memory_seconds,
                staged_age_max_seconds: settings.staged_age_max_seconds,
            }),
        }
    }
}

impl TryFrom<SpecV1> for Spec {
    type Error = String;
    fn try_from(stored: SpecV1) -> Result<Self, String> {
        Ok(match stored {
            SpecV1::Account(account) => Self::Account(account.try_into()?),
            SpecV1::Administrator(administrator) => Self::Administrator(Administrator {
                enabled: administrator.enabled,
                role: match administrator.role {
                    RoleV1::Viewer => Role::Viewer,
                    RoleV1::Operator => Role::Operator,
                    RoleV1::Owner => Role::Owner,
                },
                password: administrator.password.map(PasswordHash),
            }),
            SpecV1::ApiToken(token) => Self::ApiToken(ApiToken {
                administrator: name(token.administrator)?,
                secret_hash: token.secret_hash,
                expires_at: token.expires_at.map(UnixMillis),
            }),
            SpecV1::Service(service) => Self::Service(service.try_into()?),
            SpecV1::HostKey(key) => Self::HostKey(HostKey {
                algorithm: key.algorithm,
                public: key.public,
                sealed_private: key.sealed_private,
                created_at: UnixMillis(key.created_at),
            }),
            SpecV1::Storage(storage) => Self::Storage(Storage {
                root: storage.root,
                durability: if storage.relaxed {
                    Durability::Relaxed
                } else {
                    Durability::Strict
                },
                keep_interrupted: storage.keep_interrupted,
                reserve_bytes: storage.reserve_bytes,
            }),
            SpecV1::Settings(settings) => Self::Settings(Settings {
                login_delay_millis: settings.login_delay_millis,
                login_delay_max_millis: settings.login_delay_max_millis,
                login_memory_seconds: settings.login_memory_seconds,
                staged_age_max_seconds: settings.staged_age_max_seconds,
            }),
        })
    }
}

impl From<&Account> for AccountV1 {
    fn from(account: &Account) -> Self {
        let key = |key: &AuthorizedKey| AuthorizedKeyV1 {
            key: key.key.clone(),
            comment: key.comment.clone(),
            expires_at: key.expires_at.map(|at| at.0),
        };
        Self {
            enabled: account.enabled,
            expires_at: account.expires_at.map(|at| at.0),
            password: account.password.as_ref().map(|hash| hash.0.clone()),
            keys: account.keys.iter().map(key).collect(),
            home: account.home.as_ref().map(MountV1::from),
            mounts: account.mounts.iter().map(MountV1::from).collect(),
            sources: account.sources.iter().map(ToString::to_string).collect(),
            sessions_max: account.sessions_max,
        }
    }
}

impl TryFrom<AccountV1> for Account {
    type Error = String;
    fn try_from(stored: AccountV1) -> Result<Self, String> {
        let key = |key: AuthorizedKeyV1| AuthorizedKey {
            key: key.key,
            comment: key.comment,
            expires_at: key.expires_at.map(UnixMillis),
        };
        Ok(Self {
            enabled: stored.enabled,
            expires_at: stored.expires_at.map(UnixMillis),
            password: stored.password.map(PasswordHash),
            keys: stored.keys.into_iter().map(key).collect(),
            home: stored.home.map(Mount::try_from).transpose()?,
            mounts: all(stored.mounts, Mount::try_from)?,
            sources: all(stored.sources, |text| {
                text.parse().map_err(|error| format!("{text}: {error}"))
            })?,
            sessions_max: stored.sessions_max,
        })
    }
}

impl From<&Mount> for MountV1 {
    fn from(mount: &Mount) -> Self {
        let grant = |grant: &Grant| GrantV1 {
            path: grant.path.as_bytes().to_vec(),
            allow: grant.allow.bits(),
            deny: grant.deny.bits(),
        };
        Self {
            at: mount.at.as_bytes().to_vec(),
            storage: mount.storage.to_string(),
            folder: mount.folder.as_bytes().to_vec(),
            grants: mount.grants.as_ref().map(|grants| grants.iter().map(grant).collect()),
        }
    }
}

impl TryFrom<MountV1> for Mount {
    type Error = String;
    fn try_from(stored: MountV1) -> Result<Self, String> {
        let bits = |bits: u16| Operations::from_bits(bits).ok_or_else(|| format!("operations {bits:#x} are unknown"));
        let grant = |grant: GrantV1| {
            Ok(Grant {
                path: path(&grant.path)?,
                allow: bits(grant.allow)?,
                deny: bits(grant.deny)?,
            })
        };
        Ok(Self {
            at: path(&stored.at)?,
            storage: name(stored.storage)?,
            folder: path(&stored.folder)?,
            grants: stored.grants.map(|grants| all(grants, grant)).transpose()?,
        })
    }
}

impl From<&Service> for ServiceV1 {
    fn from(service: &Service) -> Self {
        let differs = |(node, differs): (&String, &ServiceOverride)| {
            let stored = ServiceOverrideV1 {
                address: differs.address,
                port: differs.port,
                enabled: differs.enabled,
            };
            (node.clone(), stored)
        };
        Self {
            enabled: service.enabled,
            kind: match service.kind {
                ServiceKind::Sftp => ServiceKindV1::Sftp,
            },
            port: service.port,
            address: service.address,
            host_keys: service.host_keys.iter().map(ToString::to_string).collect(),
            banner: service.banner.clone(),
            sessions_max: service.sessions_max,
            unauthenticated_max: service.unauthenticated_max,
            unauthenticated_per_address_max: service.unauthenticated_per_address_max,
            login_grace_seconds: service.login_grace_seconds,
            login_attempts_max: service.login_attempts_max,
            idle_seconds: service.idle_seconds,
            keepalive_seconds: service.keepalive_seconds,
            nodes: service.nodes.iter().map(differs).collect(),
        }
    }
}

impl TryFrom<ServiceV1> for Service {
    type Error = String;
    fn try_from(stored: ServiceV1) -> Result<Self, String> {
        let differs = |(node, differs): (String, ServiceOverrideV1)| {
            (
                node,
                ServiceOverride {
                    address: differs.address,
                    port: differs.port,
                    enabled: differs.enabled,
                },
            )
        };
        Ok(Self {
            enabled: stored.enabled,
            kind: match stored.kind {
                ServiceKindV1::Sftp => ServiceKind::Sftp,
            },
            port: stored.port,
            address: stored.address,
            host_keys: all(stored.host_keys, name)?,
            banner: stored.banner,
            sessions_max: stored.sessions_max,
            unauthenticated_max: stored.unauthenticated_max,
            unauthenticated_per_address_max: stored.unauthenticated_per_address_max,
            login_grace_seconds: stored.login_grace_seconds,
            login_attempts_max: stored.login_attempts_max,
            idle_seconds: stored.idle_seconds,
            keepalive_seconds: stored.keepalive_seconds,
            nodes: stored.nodes.into_iter().map(differs).collect(),
        })
    }
}

impl From<Kind> for KindV1 {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Account => Self::Account,
            Kind::Administrator => Self::Administrator,
            Kind::ApiToken => Self::ApiToken,
            Kind::Service => Self::Service,
            Kind::HostKey => Self::HostKey,
            Kind::Storage => Self::Storage,
            Kind::Settings => Self::Settings,
        }
    }
}

impl From<KindV1> for Kind {
    fn from(kind: KindV1) -> Self {
        match kind {
            KindV1::Account => Self::Account,
            KindV1::Administrator => Self::Administrator,
            KindV1::ApiToken => Self::ApiToken,
            KindV1::Service => Self::Service,
            KindV1::HostKey => Self::HostKey,
            KindV1::Storage => Self::Storage,
            KindV1::Settings => Self::Settings,
        }
    }
}

impl From<&ObjectKey> for KeyV1 {
    fn from(key: &ObjectKey) -> Self {
        Self {
            kind: key.kind.into(),
            name: key.name.to_string(),
        }
    }
}

impl TryFrom<KeyV1> for ObjectKey {
    type Error = String;
    fn try_from(stored: KeyV1) -> Result<Self, String> {
        Ok(Self {
            kind: stored.kind.into(),
            name: name(stored.name)?,
        })
    }
}

impl From<&Command> for CommandV1 {
    fn from(command: &Command) -> Self {
        let expected = |(key, expected): &(ObjectKey, Expected)| {
            let stored = match expected {
                Expected::Absent => ExpectedV1::Absent,
                Expected::Present => ExpectedV1::Present,
                Expected::Revision(revision) => ExpectedV1::Revision(*revision),
            };
            (key.into(), stored)
        };
        let transaction = &command.transaction;
        Self {
            actor: match &command.actor {
                Actor::Root { node } => ActorV1::Root { node: node.clone() },
                Actor::Administrator {
                    name,
                    token,
                    secret_hash,
                } => ActorV1::Administrator {
                    name: name.to_string(),
                    token: token.to_string(),
                    secret_hash: *secret_hash,
                },
            },
            at: command.at.0,
            expected: transaction.expected.iter().map(expected).collect(),
            puts: transaction
                .puts
                .iter()
                .map(|(name, spec)| (name.to_string(), spec.into()))
                .collect(),
            deletes: transaction.deletes.iter().map(KeyV1::from).collect(),
        }
    }
}

impl TryFrom<CommandV1> for Command {
    type Error = String;
    fn try_from(stored: CommandV1) -> Result<Self, String> {
        let expected = |(key, expected): (KeyV1, ExpectedV1)| {
            let expected = match expected {
                ExpectedV1::Absent => Expected::Absent,
                ExpectedV1::Present => Expected::Present,
                ExpectedV1::Revision(revision) => Expected::Revision(revision),
            };
            Ok((key.try_into()?, expected))
        };
        Ok(Self {
            actor: match stored.actor {
                ActorV1::Root { node } => Actor::Root { node },
                ActorV1::Administrator {
                    name: who,
                    token,
                    secret_hash,
                } => Actor::Administrator {
                    name: name(who)?,
                    token: name(token)?,
                    secret_hash,
                },
            },
            at: UnixMillis(stored.at),
            transaction: Transaction {
                expected: all(stored.expected, expected)?,
                puts: all(stored.puts, |(text, spec)| Ok((name(text)?, spec.try_into()?)))?,
                deletes: all(stored.deletes, ObjectKey::try_from)?,
            },
        })
    }
}

impl From<&Outcome> for OutcomeV1 {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Applied => Self::Applied,
            Outcome::Refused(Refusal::Stale { key, current }) => Self::Stale {
                key: key.into(),
                current: *current,
            },
            Outcome::Refused(Refusal::Dangling { from, to }) => Self::Dangling {
                from: from.into(),
                to: to.into(),
            },
            Outcome::Refused(Refusal::InUse { key, by }) => Self::InUse {
                key: key.into(),
                by: by.into(),
            },
            Outcome::Refused(Refusal::Forbidden { reason }) => Self::Forbidden { reason: reason.clone() },
            Outcome::Refused(Refusal::Invalid { reason }) => Self::Invalid { reason: reason.clone() },
        }
    }
}

impl TryFrom<OutcomeV1> for Outcome {
    type Error = String;
    fn try_from(stored: OutcomeV1) -> Result<Self, String> {
        let refusal = match stored {
            OutcomeV1::Applied => return Ok(Self::Applied),
            OutcomeV1::Stale { key, current } => Refusal::Stale {
                key: key.try_into()?,
                current,
            },
            OutcomeV1::Dangling { from, to } => Refusal::Dangling {
                from: from.try_into()?,
                to: to.try_into()?,
            },
            OutcomeV1::InUse { key, by } => Refusal::InUse {
                key: key.try_into()?,
                by: by.try_into()?,
            },
            OutcomeV1::Forbidden { reason } => Refusal::Forbidden { reason },
            OutcomeV1::Invalid { reason } => Refusal::Invalid { reason },
        };
        Ok(Self::Refused(refusal))
    }
}
