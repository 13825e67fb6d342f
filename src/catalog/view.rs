//! The view: an immutable picture of the catalog at a revision, shared by everybody who reads.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;

use super::{
    AccessRole, Account, Accounts, Administrator, ApiToken, Authority, Ban, Certificate, Group, HostKey, Service,
    Settings, Storage,
};
use crate::clock::UnixMillis;
use crate::ids::Name;

/// What kind of thing an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Who may transfer.
    Account,
    /// Who may administer.
    Administrator,
    /// A bearer secret of an administrator.
    ApiToken,
    /// A port.
    Service,
    /// An SSH identity.
    HostKey,
    /// Where files live.
    Storage,
    /// The rest.
    Settings,
    /// What accounts have in common.
    Group,
    /// Grants under a name.
    Role,
    /// Whose certificates are trusted.
    Authority,
    /// Who is kept out.
    Ban,
    /// A TLS identity.
    Certificate,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::Account,
        Self::Administrator,
        Self::ApiToken,
        Self::Service,
        Self::HostKey,
        Self::Storage,
        Self::Settings,
        Self::Group,
        Self::Role,
        Self::Authority,
        Self::Ban,
        Self::Certificate,
    ];

    /// The word used in paths, rows, files and messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Administrator => "administrator",
            Self::ApiToken => "api-token",
            Self::Service => "service",
            Self::HostKey => "host-key",
            Self::Storage => "storage",
            Self::Settings => "settings",
            Self::Group => "group",
            Self::Role => "role",
            Self::Authority => "authority",
            Self::Ban => "ban",
            Self::Certificate => "certificate",
        }
    }

    /// The kind that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Names one object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: Kind,
    /// Its name, unique within the kind.
    pub name: Name,
}

impl std::fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} `{}`", self.kind.word(), self.name)
    }
}

/// What an object says, with who said it when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object<T> {
    /// Its name.
    pub name: Name,
    /// What it says.
    pub spec: T,
    /// The revision of its last change; its ETag.
    pub revision: u64,
    /// Who changed it last: an administrator's name, or `root@NODE`.
    pub changed_by: String,
    /// When, by the clock of the node that proposed it.
    pub changed_at: UnixMillis,
}

impl<T> Object<T> {
    /// The same object with its content in another form.
    pub fn with<U>(self, form: impl FnOnce(T) -> U) -> Object<U> {
        let formed: Result<_, std::convert::Infallible> = self.try_with(|spec| Ok(form(spec)));
        match formed {
            Ok(object) => object,
        }
    }

    /// The same object with its content in another form, where it has one.
    pub fn try_with<U, E>(self, form: impl FnOnce(T) -> Result<U, E>) -> Result<Object<U>, E> {
        Ok(Object {
            name: self.name,
            spec: form(self.spec)?,
            revision: self.revision,
            changed_by: self.changed_by,
            changed_at: self.changed_at,
        })
    }
}

/// The content of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "one variant a kind, named as the kind")]
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for a moment: what is kept is an object of its own kind"
)]
pub enum Spec {
    Account(Account),
    Administrator(Administrator),
    ApiToken(ApiToken),
    Service(Service),
    HostKey(HostKey),
    Storage(Storage),
    Settings(Settings),
    Group(Group),
    Role(AccessRole),
    Authority(Authority),
    Ban(Ban),
    Certificate(Certificate),
}

impl Spec {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Account(_) => Kind::Account,
            Self::Administrator(_) => Kind::Administrator,
            Self::ApiToken(_) => Kind::ApiToken,
            Self::Service(_) => Kind::Service,
            Self::HostKey(_) => Kind::HostKey,
            Self::Storage(_) => Kind::Storage,
            Self::Settings(_) => Kind::Settings,
            Self::Group(_) => Kind::Group,
            Self::Role(_) => Kind::Role,
            Self::Authority(_) => Kind::Authority,
            Self::Ban(_) => Kind::Ban,
            Self::Certificate(_) => Kind::Certificate,
        }
    }
}

/// A shelf of one kind.
pub type Shelf<T> = OrdMap<Name, Arc<Object<T>>>;

/// A name, and the revision of the change where the object is there.
pub type Changed = (Name, Option<u64>);

/// The objects of one kind, however they are kept.
pub trait Shelved<T> {
    /// The object `name`.
    fn object(&self, name: &Name) -> Option<Arc<Object<T>>>;
    /// Those after a name, or all, in the order of their names; each name with its object, where the name is wanted.
    fn behind<'a>(
        &'a self,
        after: Option<&Name>,
        wanted: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = (&'a str, Option<Arc<Object<T>>>)>
    where
        T: 'a;
    /// What differs on another one of the same kind; costs what was changed, not what there is.
    fn changed(&self, next: &Self) -> Vec<Changed>;
}

impl<T: PartialEq> Shelved<T> for Shelf<T> {
    fn object(&self, name: &Name) -> Option<Arc<Object<T>>> {
        self.get(name).cloned()
    }

    fn behind<'a>(
        &'a self,
        after: Option<&Name>,
        wanted: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = (&'a str, Option<Arc<Object<T>>>)>
    where
        T: 'a,
    {
        let from = after.map_or(Bound::Unbounded, |name| Bound::Excluded(name.clone()));
        self.range((from, Bound::Unbounded))
            .map(move |(name, object)| (name.as_str(), wanted(name.as_str()).then(|| object.clone())))
    }

    fn changed(&self, next: &Self) -> Vec<Changed> {
        self.diff(next)
            .map(|difference| match difference {
                DiffItem::Add(name, object)
                | DiffItem::Update {
                    new: (name, object), ..
                } => (name.clone(), Some(object.revision)),
                DiffItem::Remove(name, _) => (name.clone(), None),
            })
            .collect()
    }
}

/// Gives the latest applied view; read at each use.
pub type ViewSource = Arc<dyn Fn() -> Arc<View> + Send + Sync>;

/// Gives how long ago a quorum last confirmed a leader to this node.
pub type AgeSource = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The catalog at a revision. Cloning is O(1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "one shelf a kind, named as the kind")]
pub struct View {
    /// The last applied log index; objects' own revisions are at most this.
    pub revision: u64,
    pub accounts: Accounts,
    pub administrators: Shelf<Administrator>,
    pub api_tokens: Shelf<ApiToken>,
    pub services: Shelf<Service>,
    pub host_keys: Shelf<HostKey>,
    pub storages: Shelf<Storage>,
    pub settings: Shelf<Settings>,
    pub groups: Shelf<Group>,
    pub roles: Shelf<AccessRole>,
    pub authorities: Shelf<Authority>,
    pub bans: Shelf<Ban>,
    pub certificates: Shelf<Certificate>,
    /// The day on which each account was last used anywhere, in days since 1970-01-01 UTC. Reported by the nodes now
    /// and then, not at each sign-in.
    pub seen: OrdMap<Name, u32>,
    /// Locks and ended web sessions.
    pub held: super::Held,
}

impl View {
    /// The account `name`.
    pub fn account(&self, name: &str) -> Option<Arc<Object<Account>>> {
        self.accounts.get(name)
    }

    /// The cluster's settings, or the defaults.
    pub fn settings(&self) -> Settings {
        self.settings
            .get(super::settings::SETTINGS_NAME)
            .map(|object| object.spec.clone())
            .unwrap_or_default()
    }

    /// Why nothing may be done with this view, where a leader was confirmed `age` ago: it is older than the settings
    /// allow. Asks for the age only where they say something.
    pub fn stale(&self, age: impl FnOnce() -> Duration) -> Option<String> {
        let settings = self.settings.get(super::settings::SETTINGS_NAME)?;
        let max = Duration::from_secs(settings.spec.staleness_max_seconds?.into());
        let age = age();
        (age > max).then(|| {
            format!(
                "this node has had no confirmed leader for {} s, over the limit of {} s; use another node",
                age.as_secs(),
                max.as_secs()
            )
        })
    }

    /// An object of any kind, with its content in the form of all kinds.
    pub fn object(&self, key: &ObjectKey) -> Option<Object<Spec>> {
        fn of<T: Clone>(shelf: &Shelf<T>, name: &Name, spec: fn(T) -> Spec) -> Option<Object<Spec>> {
            shelf.get(name).map(|object| Object::clone(object).with(spec))
        }
        let name = &key.name;
        match key.kind {
            Kind::Account => self.accounts.of_any_kind(name),
            Kind::Administrator => of(&self.administrators, name, Spec::Administrator),
            Kind::ApiToken => of(&self.api_tokens, name, Spec::ApiToken),
            Kind::Service => of(&self.services, name, Spec::Service),
            Kind::HostKey => of(&self.host_keys, name, Spec::HostKey),
            Kind::Storage => of(&self.storages, name, Spec::Storage),
            Kind::Settings => of(&self.settings, name, Spec::Settings),
            Kind::Group => of(&self.groups, name, Spec::Group),
            Kind::Role => of(&self.roles, name, Spec::Role),
            Kind::Authority => of(&self.authorities, name, Spec::Authority),
            Kind::Ban => of(&self.bans, name, Spec::Ban),
            Kind::Certificate => of(&self.certificates, name, Spec::Certificate),
        }
    }

    /// The revision of an object, if it exists.
    pub fn revision_of(&self, key: &ObjectKey) -> Option<u64> {
        self.revision_at(key.kind, &key.name)
    }

    /// Whether there is an object of this kind and name.
    pub fn contains(&self, kind: Kind, name: &Name) -> bool {
        self.revision_at(kind, name).is_some()
    }

    fn revision_at(&self, kind: Kind, name: &Name) -> Option<u64> {
        match kind {
            Kind::Account => self.accounts.revision_of(name),
            Kind::Administrator => self.administrators.get(name).map(|object| object.revision),
            Kind::ApiToken => self.api_tokens.get(name).map(|object| object.revision),
            Kind::Service => self.services.get(name).map(|object| object.revision),
            Kind::HostKey => self.host_keys.get(name).map(|object| object.revision),
            Kind::Storage => self.storages.get(name).map(|object| object.revision),
            Kind::Settings => self.settings.get(name).map(|object| object.revision),
            Kind::Group => self.groups.get(name).map(|object| object.revision),
            Kind::Role => self.roles.get(name).map(|object| object.revision),
            Kind::Authority => self.authorities.get(name).map(|object| object.revision),
            Kind::Ban => self.bans.get(name).map(|object| object.revision),
            Kind::Certificate => self.certificates.get(name).map(|object| object.revision),
        }
    }
}
