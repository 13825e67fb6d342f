//! Accounts, groups and roles in format version 1.

use serde::{Deserialize, Serialize};

use super::restrictions::{PatternV1, RestrictionsV1};
use super::{all, name, names, networks, path, show_names, show_networks};
use crate::catalog::pattern::Scope;
use crate::catalog::restrictions::Restrictions;
use crate::catalog::{
    AccessRole, Account, AuthorizedKey, CertificateRule, Grant, Group, Mount, Operations, PasswordHash, PasswordState,
    Proofs, Reach,
};
use crate::clock::UnixMillis;

#[derive(Serialize, Deserialize)]
pub(super) struct AccountV1 {
    enabled: bool,
    expires_at: Option<i64>,
    proofs: ProofsV1,
    password: Option<String>,
    password_must_change: bool,
    password_changed_at: Option<i64>,
    password_former: Vec<String>,
    keys: Vec<AuthorizedKeyV1>,
    certificates: Vec<CertificateRuleV1>,
    principals: Vec<String>,
    groups: Vec<String>,
    roles: Vec<String>,
    home: Option<MountV1>,
    mounts: Vec<MountV1>,
    grants: Vec<GrantV1>,
    sources: Vec<String>,
    sessions_max: Option<u32>,
    restrictions: RestrictionsV1,
}

/// How the row of an account begins, up to what it is a member of.
#[derive(Deserialize)]
#[expect(dead_code, reason = "read over")]
struct BeginningV1<'a> {
    name: &'a str,
    revision: u64,
    changed_by: &'a str,
    changed_at: i64,
    kind: u32,
    enabled: bool,
    expires_at: Option<i64>,
    proofs: ProofsV1,
    password: Option<&'a str>,
    password_must_change: bool,
    password_changed_at: Option<i64>,
    password_former: Vec<&'a str>,
    keys: Vec<(&'a str, &'a str, Option<i64>)>,
    certificates: Vec<CertificateRuleV1>,
    principals: Vec<&'a str>,
}

/// The bytes in which an account's row names its groups and roles.
pub(in super::super) fn memberships(row: &[u8]) -> Option<&[u8]> {
    let (beginning, rest) = postcard::take_from_bytes::<BeginningV1<'_>>(row).ok()?;
    if beginning.kind != 0 {
        return None;
    }
    let (_, behind) = postcard::take_from_bytes::<(Vec<&str>, Vec<&str>)>(rest).ok()?;
    rest.get(..rest.len() - behind.len())
}

#[derive(Serialize, Deserialize)]
enum ProofsV1 {
    Any,
    Password,
    Key,
    PasswordAndKey,
}

#[derive(Serialize, Deserialize)]
pub(super) struct GroupV1 {
    description: String,
    groups: Vec<String>,
    roles: Vec<String>,
    mounts: Vec<MountV1>,
    grants: Vec<GrantV1>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RoleV1 {
    description: String,
    roles: Vec<String>,
    grants: Vec<GrantV1>,
}

#[derive(Serialize, Deserialize)]
struct AuthorizedKeyV1 {
    key: String,
    comment: String,
    expires_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
enum CertificateRuleV1 {
    Subject(String),
    AlternativeName(String),
    Fingerprint([u8; 32]),
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
    reach: ReachV1,
    allow: u16,
    deny: u16,
}

#[derive(Serialize, Deserialize)]
enum ReachV1 {
    Below(Vec<u8>),
    Matching(PatternV1),
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
            proofs: match account.proofs {
                Proofs::Any => ProofsV1::Any,
                Proofs::Password => ProofsV1::Password,
                Proofs::Key => ProofsV1::Key,
                Proofs::PasswordAndKey => ProofsV1::PasswordAndKey,
            },
            password: account.password.as_ref().map(|hash| hash.0.clone()),
            password_must_change: account.password_state.must_change,
            password_changed_at: account.password_state.changed_at.map(|at| at.0),
            password_former: account
                .password_state
                .former
                .iter()
                .map(|hash| hash.0.clone())
                .collect(),
            keys: account.keys.iter().map(key).collect(),
            certificates: account.certificates.iter().map(CertificateRuleV1::from).collect(),
            principals: account.principals.clone(),
            groups: show_names(&account.groups),
            roles: show_names(&account.roles),
            home: account.home.as_ref().map(MountV1::from),
            mounts: account.mounts.iter().map(MountV1::from).collect(),
            grants: account.grants.iter().map(GrantV1::from).collect(),
            sources: show_networks(&account.sources),
            sessions_max: account.sessions_max,
            restrictions: (&*account.restrictions).into(),
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
            proofs: match stored.proofs {
                ProofsV1::Any => Proofs::Any,
                ProofsV1::Password => Proofs::Password,
                ProofsV1::Key => Proofs::Key,
                ProofsV1::PasswordAndKey => Proofs::PasswordAndKey,
            },
            password: stored.password.map(PasswordHash),
            password_state: PasswordState {
                must_change: stored.password_must_change,
                changed_at: stored.password_changed_at.map(UnixMillis),
                former: stored.password_former.into_iter().map(PasswordHash).collect(),
            },
            keys: stored.keys.into_iter().map(key).collect(),
            certificates: stored.certificates.into_iter().map(CertificateRule::from).collect(),
            principals: stored.principals,
            groups: names(stored.groups)?,
            roles: names(stored.roles)?,
            home: stored.home.map(Mount::try_from).transpose()?,
            mounts: all(stored.mounts, Mount::try_from)?,
            grants: all(stored.grants, Grant::try_from)?,
            sources: networks(stored.sources)?,
            sessions_max: stored.sessions_max,
            restrictions: Restrictions::try_from(stored.restrictions)?.into(),
        })
    }
}

impl From<&CertificateRule> for CertificateRuleV1 {
    fn from(rule: &CertificateRule) -> Self {
        match rule {
            CertificateRule::Subject(subject) => Self::Subject(subject.clone()),
            CertificateRule::AlternativeName(name) => Self::AlternativeName(name.clone()),
            CertificateRule::Fingerprint(fingerprint) => Self::Fingerprint(*fingerprint),
        }
    }
}

impl From<CertificateRuleV1> for CertificateRule {
    fn from(stored: CertificateRuleV1) -> Self {
        match stored {
            CertificateRuleV1::Subject(subject) => Self::Subject(subject),
            CertificateRuleV1::AlternativeName(name) => Self::AlternativeName(name),
            CertificateRuleV1::Fingerprint(fingerprint) => Self::Fingerprint(fingerprint),
        }
    }
}

impl From<&Group> for GroupV1 {
    fn from(group: &Group) -> Self {
        Self {
            description: group.description.clone(),
            groups: show_names(&group.groups),
            roles: show_names(&group.roles),
            mounts: group.mounts.iter().map(MountV1::from).collect(),
            grants: group.grants.iter().map(GrantV1::from).collect(),
        }
    }
}

impl TryFrom<GroupV1> for Group {
    type Error = String;
    fn try_from(stored: GroupV1) -> Result<Self, String> {
        Ok(Self {
            description: stored.description,
            groups: names(stored.groups)?,
            roles: names(stored.roles)?,
            mounts: all(stored.mounts, Mount::try_from)?,
            grants: all(stored.grants, Grant::try_from)?,
        })
    }
}

impl From<&AccessRole> for RoleV1 {
    fn from(role: &AccessRole) -> Self {
        Self {
            description: role.description.clone(),
            roles: show_names(&role.roles),
            grants: role.grants.iter().map(GrantV1::from).collect(),
        }
    }
}

impl TryFrom<RoleV1> for AccessRole {
    type Error = String;
    fn try_from(stored: RoleV1) -> Result<Self, String> {
        Ok(Self {
            description: stored.description,
            roles: names(stored.roles)?,
            grants: all(stored.grants, Grant::try_from)?,
        })
    }
}

impl From<&Mount> for MountV1 {
    fn from(mount: &Mount) -> Self {
        Self {
            at: mount.at.as_bytes().to_vec(),
            storage: mount.storage.to_string(),
            folder: mount.folder.as_bytes().to_vec(),
            grants: mount
                .grants
                .as_ref()
                .map(|grants| grants.iter().map(GrantV1::from).collect()),
        }
    }
}

impl TryFrom<MountV1> for Mount {
    type Error = String;
    fn try_from(stored: MountV1) -> Result<Self, String> {
        Ok(Self {
            at: path(&stored.at)?,
            storage: name(stored.storage)?,
            folder: path(&stored.folder)?,
            grants: stored.grants.map(|grants| all(grants, Grant::try_from)).transpose()?,
        })
    }
}

impl From<&Grant> for GrantV1 {
    fn from(grant: &Grant) -> Self {
        Self {
            reach: match &grant.reach {
                Reach::Below(path) => ReachV1::Below(path.as_bytes().to_vec()),
                Reach::Matching(pattern) => ReachV1::Matching(pattern.into()),
            },
            allow: grant.allow.bits(),
            deny: grant.deny.bits(),
        }
    }
}

impl TryFrom<GrantV1> for Grant {
    type Error = String;
    fn try_from(stored: GrantV1) -> Result<Self, String> {
        let bits = |bits: u16| Operations::from_bits(bits).ok_or_else(|| format!("operations {bits:#x} are unknown"));
        Ok(Self {
            reach: match stored.reach {
                ReachV1::Below(bytes) => Reach::Below(path(&bytes)?),
                ReachV1::Matching(pattern) => Reach::Matching(pattern.pattern(Scope::Path)?),
            },
            allow: bits(stored.allow)?,
            deny: bits(stored.deny)?,
        })
    }
}
