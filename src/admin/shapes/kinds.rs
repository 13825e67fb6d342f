//! The table of kinds: for each, its shelf, its way in and out, its filters and fields. A new kind is one row
//! here.
//!
//! What the fields mean is left to the file of each kind; their JSON Schema, to `schema`.

use serde_json::Value;

use super::fields::Fields;
use super::properties;
use super::schema::{self, Property};
use super::{
    Border, Built, account, administrator, api_token, authority, ban, certificate, envelope, group, host_key, role,
    service, settings, storage,
};
use crate::admin::limits;
use crate::admin::problem::Problem;
use crate::admin::select::{Filter, Page, Selection, Takes};
use crate::catalog::view::{Changed, Shelved};
use crate::catalog::{
    AccessRole, Account, Administrator, ApiToken, Authority, Ban, BanTarget, Certificate, Group, HostKey, Kind,
    Service, Settings, Spec, Storage, View,
};
use crate::ids::Name;

/// What the API knows of one kind; implemented by the kind's content.
pub trait Shape: PartialEq + Sized + 'static {
    /// The kind.
    const KIND: Kind;
    /// What a list can be filtered by, besides the name.
    const FILTERS: &'static [Filter<Self>];
    /// Where a view keeps the objects.
    fn shelf(view: &View) -> &impl Shelved<Self>;
    /// A content of this kind; `None`: it is of another kind.
    fn of(spec: &Spec) -> Option<&Self>;
    /// The way in.
    fn build(name: &Name, fields: &mut Fields, border: &Border<'_>) -> Result<Built, Problem>;
    /// The way out.
    fn show(spec: &Self) -> Value;
    /// The fields of the content.
    fn properties() -> Vec<Property>;
}

/// The way in of one kind.
pub type Build = fn(&Name, &mut Fields, &Border<'_>) -> Result<Built, Problem>;

/// A [`Shape`] without its type.
pub struct Row {
    /// The kind.
    pub kind: Kind,
    /// [`Shape::build`].
    pub build: Build,
    /// The object of this name as JSON with its envelope.
    pub show: fn(&View, &Name) -> Option<Value>,
    /// A content as JSON; null where it is of another kind.
    pub show_spec: fn(&Spec) -> Value,
    /// One page of the objects that a selection takes.
    pub page: fn(&View, &Selection) -> Page,
    /// What differs in the second view: names, and the revision of the change where the object is there.
    pub changed: fn(&View, &View) -> Vec<Changed>,
    /// Names and values of the filters.
    pub filters: fn() -> Vec<(&'static str, Takes)>,
    /// [`Shape::properties`].
    pub properties: fn() -> Vec<Property>,
}

impl Row {
    const fn of<S: Shape>() -> Self {
        Self {
            kind: S::KIND,
            build: S::build,
            show: |view, name| {
                let object = S::shelf(view).object(name)?;
                Some(envelope(S::KIND, &object, S::show))
            },
            show_spec: |spec| S::of(spec).map_or(Value::Null, S::show),
            page: page::<S>,
            changed: changed::<S>,
            filters: || S::FILTERS.iter().map(|filter| (filter.name, filter.takes)).collect(),
            properties: S::properties,
        }
    }
}

/// One row a kind: its name, its content, its shelf, the file of its shape, its way in, its filters.
macro_rules! kinds {
    ($($kind:ident: $spec:ty, $shelf:ident, $file:ident, $build:expr, [$($filter:expr),* $(,)?];)*) => {
        $(impl Shape for $spec {
            const KIND: Kind = Kind::$kind;
            const FILTERS: &'static [Filter<Self>] = &[$($filter),*];
            fn shelf(view: &View) -> &impl Shelved<Self> {
                &view.$shelf
            }
            fn of(spec: &Spec) -> Option<&Self> {
                match spec {
                    Spec::$kind(spec) => Some(spec),
                    _ => None,
                }
            }
            fn build(name: &Name, fields: &mut Fields, border: &Border<'_>) -> Result<Built, Problem> {
                let build: Build = $build;
                build(name, fields, border)
            }
            fn show(spec: &Self) -> Value {
                $file::show(spec)
            }
            fn properties() -> Vec<Property> {
                properties::$file()
            }
        })*

        /// The row of a kind.
        pub fn row(kind: Kind) -> &'static Row {
            match kind {
                $(Kind::$kind => {
                    static ROW: Row = Row::of::<$spec>();
                    &ROW
                })*
            }
        }
    };
}

kinds! {
    Account: Account, accounts, account, account::build, [
        Filter::flag("enabled", |account, enabled| account.enabled == enabled),
        Filter::text("storage", |account, storage| {
            let mounts = account.home.iter().chain(&account.mounts);
            mounts.into_iter().any(|mount| mount.storage.as_str() == storage)
        }),
        Filter::text("group", |account, group| named(&account.groups, group)),
        Filter::text("role", |account, role| named(&account.roles, role)),
    ];
    Administrator: Administrator, administrators, administrator, administrator::build, [
        Filter::flag("enabled", |administrator, enabled| administrator.enabled == enabled),
        Filter::word("role", schema::ROLES, |administrator, role| administrator.role.word() == role),
    ];
    ApiToken: ApiToken, api_tokens, api_token, api_token::build, [
        Filter::text("administrator", |token, administrator| token.administrator.as_str() == administrator),
    ];
    Service: Service, services, service, |_, fields, border| service::build(fields, border).map(Built::plain), [
        Filter::flag("enabled", |service, enabled| service.enabled == enabled),
        Filter::text("host_key", |service, key| named(&service.host_keys, key)),
    ];
    HostKey: HostKey, host_keys, host_key, host_key::build, [
        Filter::text("algorithm", |key, algorithm| key.algorithm == algorithm),
    ];
    Storage: Storage, storages, storage, |_, fields, _| storage::build(fields).map(Built::plain), [];
    Settings: Settings, settings, settings, |name, fields, _| settings::build(name, fields).map(Built::plain), [];
    Group: Group, groups, group, |_, fields, _| group::build(fields).map(Built::plain), [
        Filter::text("group", |group, of| named(&group.groups, of)),
        Filter::text("role", |group, role| named(&group.roles, role)),
        Filter::text("storage", |group, storage| {
            group.mounts.iter().any(|mount| mount.storage.as_str() == storage)
        }),
    ];
    Role: AccessRole, roles, role, |_, fields, _| role::build(fields).map(Built::plain), [
        Filter::text("role", |role, includes| named(&role.roles, includes)),
    ];
    Authority: Authority, authorities, authority, |name, fields, border| {
        authority::build(name, fields, border).map(Built::plain)
    }, [];
    Certificate: Certificate, certificates, certificate, certificate::build, [
        Filter::flag("issued", |certificate, issued| certificate.issued.is_some() == issued),
        Filter::text("dns", |certificate, name| {
            let name = format!("dns:{}", name.to_ascii_lowercase());
            certificate.facts().is_some_and(|facts| facts.names.contains(&name))
        }),
    ];
    Ban: Ban, bans, ban, |_, fields, _| ban::build(fields).map(Built::plain), [
        Filter::flag("automatic", |ban, automatic| ban.automatic == automatic),
        Filter::text("account", |ban, account| {
            matches!(&ban.target, BanTarget::Account(name) if name.as_str() == account)
        }),
        Filter::text("address", |ban, address| match (&ban.target, address.parse::<std::net::IpAddr>()) {
            (BanTarget::Network(network), Ok(address)) => network.contains(&address),
            _ => false,
        }),
    ];
}

fn named(names: &[Name], name: &str) -> bool {
    names.iter().any(|found| found.as_str() == name)
}

fn page<S: Shape>(view: &View, selection: &Selection) -> Page {
    let mut page = Page::default();
    let mut last: Option<&str> = None;
    let after = S::shelf(view).behind(selection.after.as_ref(), |name| selection.names(name));
    for (looked_at, (name, object)) in after.enumerate() {
        if page.objects.len() == selection.limit || looked_at == limits::LIST_LOOKED_AT_MAX {
            page.next = last.and_then(|name| Name::parse(name).ok());
            break;
        }
        last = Some(name);
        if let Some(object) = object.filter(|object| selection.takes(name, &object.spec, S::FILTERS)) {
            page.objects.push(envelope(S::KIND, &object, S::show));
        }
    }
    page
}

fn changed<S: Shape>(before: &View, after: &View) -> Vec<Changed> {
    S::shelf(before).changed(S::shelf(after))
}
