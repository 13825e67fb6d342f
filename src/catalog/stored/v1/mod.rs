//! Format version 1. Never change a type here: postcard is positional.

mod account;
mod authority;
mod command;
mod held;
mod history;
mod restrictions;
mod service;
mod service_ftp;
mod service_http;
mod settings;
mod tls;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub(super) use self::account::memberships;
use self::account::{AccountV1, GroupV1, RoleV1};
use self::authority::AuthorityV1;
pub(super) use self::command::{CommandV1, OutcomeV1};
use self::held::HoldingV1;
pub(super) use self::held::{LockV1, SignedOutV1};
pub(super) use self::history::RecordV1;
use self::service::ServiceV1;
use self::settings::{BanV1, SettingsV1};
use self::tls::CertificateV1;
use crate::catalog::view::{Kind, Object, ObjectKey, Spec};
use crate::catalog::{Administrator, ApiToken, Durability, HostKey, PasswordHash, Role, Storage};
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
    Account(Box<AccountV1>),
    Administrator(AdministratorV1),
    ApiToken(ApiTokenV1),
    Service(Box<ServiceV1>),
    HostKey(HostKeyV1),
    Storage(StorageV1),
    Settings(SettingsV1),
    Group(GroupV1),
    Role(RoleV1),
    Authority(AuthorityV1),
    Ban(BanV1),
    Certificate(CertificateV1),
}

#[derive(Serialize, Deserialize)]
enum AdministratorRoleV1 {
    Viewer,
    Operator,
    Owner,
}

#[derive(Serialize, Deserialize)]
struct AdministratorV1 {
    enabled: bool,
    role: AdministratorRoleV1,
    password: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ApiTokenV1 {
    administrator: String,
    secret_hash: [u8; 32],
    expires_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct HostKeyV1 {
    algorithm: String,
    public: String,
    sealed_private: Vec<u8>,
    certificate: Option<String>,
    created_at: i64,
}

#[derive(Serialize, Deserialize)]
struct StorageV1 {
    root: Vec<u8>,
    relaxed: bool,
    keep_interrupted: bool,
    reserve_bytes: u64,
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
    Group,
    Role,
    Authority,
    Ban,
    Certificate,
}

#[derive(Serialize, Deserialize)]
pub(super) struct KeyV1 {
    kind: KindV1,
    name: String,
}

fn name(text: String) -> Result<Name, String> {
    Name::parse(&text).map_err(|error| error.to_string())
}

fn path(bytes: &[u8]) -> Result<VirtualPath, String> {
    VirtualPath::parse(bytes).map_err(|error| error.to_string())
}

fn names(texts: Vec<String>) -> Result<Vec<Name>, String> {
    all(texts, name)
}

fn show_names(names: &[Name]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn networks(texts: Vec<String>) -> Result<Vec<IpNet>, String> {
    all(texts, |text| text.parse().map_err(|error| format!("{text}: {error}")))
}

fn show_networks(networks: &[IpNet]) -> Vec<String> {
    networks.iter().map(ToString::to_string).collect()
}

fn all<T, U>(items: Vec<T>, convert: impl Fn(T) -> Result<U, String>) -> Result<Vec<U>, String> {
    // As much room as is needed, for it stays in memory: `collect` takes room for four where it may fail.
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        all.push(convert(item)?);
    }
    Ok(all)
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
            Spec::Account(account) => Self::Account(Box::new(account.into())),
            Spec::Administrator(administrator) => Self::Administrator(AdministratorV1 {
                enabled: administrator.enabled,
                role: match administrator.role {
                    Role::Viewer => AdministratorRoleV1::Viewer,
                    Role::Operator => AdministratorRoleV1::Operator,
                    Role::Owner => AdministratorRoleV1::Owner,
                },
                password: administrator.password.as_ref().map(|hash| hash.0.clone()),
            }),
            Spec::ApiToken(token) => Self::ApiToken(ApiTokenV1 {
                administrator: token.administrator.to_string(),
                secret_hash: token.secret_hash,
                expires_at: token.expires_at.map(|at| at.0),
            }),
            Spec::Service(service) => Self::Service(Box::new(service.into())),
            Spec::HostKey(key) => Self::HostKey(HostKeyV1 {
                algorithm: key.algorithm.clone(),
                public: key.public.clone(),
                sealed_private: key.sealed_private.clone(),
                certificate: key.certificate.clone(),
                created_at: key.created_at.0,
            }),
            Spec::Storage(storage) => Self::Storage(StorageV1 {
                root: storage.root.clone(),
                relaxed: storage.durability == Durability::Relaxed,
                keep_interrupted: storage.keep_interrupted,
                reserve_bytes: storage.reserve_bytes,
            }),
            Spec::Settings(settings) => Self::Settings(settings.into()),
            Spec::Group(group) => Self::Group(group.into()),
            Spec::Role(role) => Self::Role(role.into()),
            Spec::Authority(authority) => Self::Authority(authority.into()),
            Spec::Ban(ban) => Self::Ban(ban.into()),
            Spec::Certificate(certificate) => Self::Certificate(certificate.into()),
        }
    }
}

impl TryFrom<SpecV1> for Spec {
    type Error = String;
    fn try_from(stored: SpecV1) -> Result<Self, String> {
        Ok(match stored {
            SpecV1::Account(account) => Self::Account((*account).try_into()?),
            SpecV1::Administrator(administrator) => Self::Administrator(Administrator {
                enabled: administrator.enabled,
                role: match administrator.role {
                    AdministratorRoleV1::Viewer => Role::Viewer,
                    AdministratorRoleV1::Operator => Role::Operator,
                    AdministratorRoleV1::Owner => Role::Owner,
                },
                password: administrator.password.map(PasswordHash),
            }),
            SpecV1::ApiToken(token) => Self::ApiToken(ApiToken {
                administrator: name(token.administrator)?,
                secret_hash: token.secret_hash,
                expires_at: token.expires_at.map(UnixMillis),
            }),
            SpecV1::Service(service) => Self::Service((*service).try_into()?),
            SpecV1::HostKey(key) => Self::HostKey(HostKey {
                algorithm: key.algorithm,
                public: key.public,
                sealed_private: key.sealed_private,
                certificate: key.certificate,
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
            SpecV1::Settings(settings) => Self::Settings(settings.try_into()?),
            SpecV1::Group(group) => Self::Group(group.try_into()?),
            SpecV1::Role(role) => Self::Role(role.try_into()?),
            SpecV1::Authority(authority) => Self::Authority(authority.into()),
            SpecV1::Ban(ban) => Self::Ban(ban.try_into()?),
            SpecV1::Certificate(certificate) => Self::Certificate(certificate.into()),
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
            Kind::Group => Self::Group,
            Kind::Role => Self::Role,
            Kind::Authority => Self::Authority,
            Kind::Ban => Self::Ban,
            Kind::Certificate => Self::Certificate,
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
            KindV1::Group => Self::Group,
            KindV1::Role => Self::Role,
            KindV1::Authority => Self::Authority,
            KindV1::Ban => Self::Ban,
            KindV1::Certificate => Self::Certificate,
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
