//! The table of kinds: for each, its shelf, its way in and out, its filters and fields. A new kind is one `impl` and
//! one row.
//!
//! What the fields mean is left to the file of each kind; their JSON Schema, to `schema`.

use std::ops::Bound;

use serde_json::Value;

use super::fields::Fields;
use super::schema::{self, Property};
use super::{Border, Built, account, administrator, api_token, envelope, host_key, service, settings, storage};
use crate::admin::limits;
use crate::admin::problem::Problem;
use crate::admin::select::{Filter, Page, Selection, Takes};
use crate::catalog::view::Shelf;
use crate::catalog::{Account, Administrator, ApiToken, HostKey, Kind, Service, Settings, Storage, View};
use crate::ids::Name;

/// What the API knows of one kind; implemented by the kind's content.
pub trait Shape: PartialEq + Sized + 'static {
    /// The kind.
    const KIND: Kind;
    /// What a list can be filtered by, besides the name.
    const FILTERS: &'static [Filter<Self>];
    /// Where a view keeps the objects.
    fn shelf(view: &View) -> &Shelf<Self>;
    /// The way in.
    fn build(name: &Name, fields: &mut Fields, border: &Border<'_>) -> Result<Built, Problem>;
    /// The way out.
    fn show(spec: &Self) -> Value;
    /// The fields of the content.
    fn properties() -> Vec<Property>;
}

/// A [`Shape`] without its type.
pub struct Row {
    /// The kind.
    pub kind: Kind,
    /// [`Shape::build`].
    pub build: fn(&Name, &mut Fields, &Border<'_>) -> Result<Built, Problem>,
    /// The object of this name as JSON with its envelope.
    pub show: fn(&View, &Name) -> Option<Value>,
    /// One page of the objects that a selection takes.
    pub page: fn(&View, &Selection) -> Page,
    /// What differs in the second view: names, and the revision of the change where the object is there.
    pub changed: fn(&View, &View) -> Vec<(Name, Option<u64>)>,
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
                S::shelf(view)
                    .get(name)
                    .map(|object| envelope(S::KIND, object, S::show))
            },
            page: page::<S>,
            changed: changed::<S>,
            filters: || S::FILTERS.iter().map(|filter| (filter.name, filter.takes)).collect(),
            properties: S::properties,
        }
    }
}

/// The row of a kind.
pub fn row(kind: Kind) -> &'static Row {
    static ACCOUNT: Row = Row::of::<Account>();
    static ADMINISTRATOR: Row = Row::of::<Administrator>();
    static API_TOKEN: Row = Row::of::<ApiToken>();
    static SERVICE: Row = Row::of::<Service>();
    static HOST_KEY: Row = Row::of::<HostKey>();
    static STORAGE: Row = Row::of::<Storage>();
    static SETTINGS: Row = Row::of::<Settings>();
    match kind {
        Kind::Account => &ACCOUNT,
        Kind::Administrator => &ADMINISTRATOR,
        Kind::ApiToken => &API_TOKEN,
        Kind::Service => &SERVICE,
        Kind::HostKey => &HOST_KEY,
        Kind::Storage => &STORAGE,
        Kind::Settings => &SETTINGS,
    }
}

impl Shape for Account {
    const KIND: Kind = Kind::Account;
    const FILTERS: &'static [Filter<Self>] = &[
        Filter::flag("enabled", |account, enabled| account.enabled == enabled),
        Filter::text("storage", |account, storage| {
            let mounts = account.home.iter().chain(&account.mounts);
            mounts.into_iter().any(|mount| mount.storage.as_str() == storage)
        }),
    ];
    fn shelf(view: &View) -> &Shelf<Self> {
        &view.accounts
    }
    fn build(name: &Name, fields: &mut Fields, border: &Border<'_>) -> Result<Built, Problem> {
        account::build(name, fields, border)
    }
    fn show(spec: &Self) -> Value {
        account::show(spec)
    }
    fn properties() -> Vec<Property> {
        schema::account()
    }
}

impl Shape for Administrator {
    const KIND: Kind = Kind::Administrator;
    const FILTERS: &'static [Filter<Self>] = &[
        Filter::flag("enabled", |administrator, enabled| administrator.enabled == enabled),
        Filter::word("role", schema::ROLES, |administrator, role| {
            administrator.role.word() == role
        }),
    ];
    fn shelf(view: &View) -> &Shelf<Self> {
        &view.administrators
    }
    fn build(name: &Name, fields: &mut Fields, border: &Border<'_>) -> Result<Built, Problem> {
        administrator::build(name, fields, border)
    }
    fn show(spec: &Self) -> Value {
        administrator::show(spec)
    }
    fn properties() -> Vec<Property> {
        schema::administrator()
    }
}

impl Shape for ApiToken {
    const KIND: Kind = Kind::ApiToken;
    const FILTERS: &'static [Filter<Self>] = &[Filter::text("administrator", |token, administrator| {
        token.administrator.as_str() == administrator
    })];
    fn shelf(view: &View) -> &Shelf<Self> {
        &view.api_tokens
    }
    fn build(name: &Name, fields: &mut Fields, border: &Border<'_>) -> Result<Built, Problem> {
        api_token::build(name, fields, border)
    }
    fn show(spec: &Self) -> Value {
        api_token::show(spec)
    }
    fn properties() -> Vec<Property> {
        schema::api_token()
    }
}

impl Shape for Service {
    const KIND: Kind = Kind::Service;
    const FILTERS: &'static [Filter<Self>] = &[
        Filter::flag("enabled", |service, enabled| service.enabled == enabled),
        Filter::text("host_key", |service, key| {
            service.host_keys.iter().any(|name| name.as_str() == key)
        }),
    ];
    fn shelf(view: &View) -> &Shelf<Self> {
        &view.services
    }
    fn build(_name: &Name, fields: &mut Fields, _border: &Border<'_>) -> Result<Built, Problem> {
        service::build(fields).map(Built::plain)
    }
    fn show(spec: &Self) -> Value {
        service::show(spec)
    }
    fn properties() -> Vec<Property> {
        schema::service()
    }
}

impl Shape for HostKey {
    const KIND: Kind = Kind::HostKey;
    const FILTERS: &'static [Filter<Self>] = &[Filter::text("algorithm", |key, algorithm| key.algorithm == algorithm)];
    fn shelf(view: &View) -> &Shelf<Self> {
        &view.host_keys
    }
    fn build(name: &Name, fields: &mut Fields, border: &Border<'_>) -> Result<Built, Problem> {
        host_key::build(name, fields, border)
    }
    fn show(spec: &Self) -> Value {
        host_key::show(spec)
    }
    fn properties() -> Vec<Property> {
        schema::host_key()
    }
}

impl Shape for Storage {
    const KIND: Kind = Kind::Storage;
    const FILTERS: &'static [Filter<Self>] = &[];
    fn shelf(view: &View) -> &Shelf<Self> {
        &view.storages
    }
    fn build(_name: &Name, fields: &mut Fields, _border: &Border<'_>) -> Result<Built, Problem> {
        storage::build(fields).map(Built::plain)
    }
    fn show(spec: &Self) -> Value {
        storage::show(spec)
    }
    fn properties() -> Vec<Property> {
        schema::storage()
    }
}

impl Shape for Settings {
    const KIND: Kind = Kind::Settings;
    const FILTERS: &'static [Filter<Self>] = &[];
    fn shelf(view: &View) -> &Shelf<Self> {
        &view.settings
    }
    fn build(name: &Name, fields: &mut Fields, _border: &Border<'_>) -> Result<Built, Problem> {
        settings::build(name, fields).map(Built::plain)
    }
    fn show(spec: &Self) -> Value {
        settings::show(spec)
    }
    fn properties() -> Vec<Property> {
        schema::settings()
    }
}

fn page<S: Shape>(view: &View, selection: &Selection) -> Page {
    let from = selection
        .after
        .as_ref()
        .map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
    let mut page = Page::default();
    let mut last: Option<&Name> = None;
    for (looked_at, (name, object)) in S::shelf(view).range((from, Bound::Unbounded)).enumerate() {
        if page.objects.len() == selection.limit || looked_at == limits::LIST_LOOKED_AT_MAX {
            page.next = last.cloned();
            break;
        }
        last = Some(name);
        if selection.takes(name.as_str(), &object.spec, S::FILTERS) {
            page.objects.push(envelope(S::KIND, object, S::show));
        }
    }
    page
}

fn changed<S: Shape>(before: &View, after: &View) -> Vec<(Name, Option<u64>)> {
    use imbl::ordmap::DiffItem;
    S::shelf(before)
        .diff(S::shelf(after))
        .map(|difference| match difference {
            DiffItem::Add(name, object)
            | DiffItem::Update {
                new: (name, object), ..
            } => (name.clone(), Some(object.revision)),
            DiffItem::Remove(name, _) => (name.clone(), None),
        })
        .collect()
}
