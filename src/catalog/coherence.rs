//! What must hold between objects: references, circles, contradictions. Judged in apply, after the change.
//!
//! What must hold within one object was judged at the border.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::administrator::Role;
use super::command::Refusal;
use super::inherit;
use super::limits::{BANS_MAX, INHERITED_MAX};
use super::service_tls;
use super::settings::SETTINGS_NAME;
use super::view::{Kind, Object, ObjectKey, Shelf, Spec, View};
use super::{AccessRole, Account, ApiToken, Group, Mount, Service};
use crate::ids::Name;

/// What a change puts.
pub(super) struct Put {
    /// The object.
    pub object: Object<Spec>,
    /// The row in which it is stored.
    pub row: Arc<[u8]>,
}

/// What a change puts, and what it removes.
pub(super) type Touched = BTreeMap<ObjectKey, Option<Put>>;

/// What must hold between objects, whatever was changed.
pub(super) fn coherent(next: &View, touched: &Touched) -> Result<(), Refusal> {
    for (key, put) in touched {
        match put {
            Some(put) => refers_to_what_is_there(next, key, &put.object.spec)?,
            None => {
                if let Some(by) = referrer(next, key) {
                    return Err(Refusal::InUse { key: key.clone(), by });
                }
            }
        }
    }
    for (key, put) in touched {
        if let Some(Put { object, .. }) = put
            && let Spec::Account(account) = &object.spec
            && !inherit::is_bounded(next, account)
        {
            let reason = format!("{key} would inherit from more than {INHERITED_MAX} groups or roles; name fewer");
            return Err(Refusal::Invalid { reason });
        }
    }
    if touched.keys().any(|key| key.kind == Kind::Service) {
        ports_differ(next)?;
    }
    if touched
        .keys()
        .any(|key| matches!(key.kind, Kind::Service | Kind::Certificate | Kind::Authority))
    {
        service_tls::coherent(next)?;
    }
    if touched
        .keys()
        .any(|key| key.kind == Kind::Settings && key.name.as_str() != SETTINGS_NAME)
    {
        let reason = format!("there is one settings object, and its name is `{SETTINGS_NAME}`");
        return Err(Refusal::Invalid { reason });
    }
    if touched.keys().any(|key| matches!(key.kind, Kind::Group | Kind::Role)) {
        circles(next)?;
        members_bounded(next)?;
    }
    if next.bans.len() > BANS_MAX {
        let reason = format!("more than {BANS_MAX} bans at one time are not kept; remove some, or ban networks");
        return Err(Refusal::Invalid { reason });
    }
    let owners_touched = touched.keys().any(|key| key.kind == Kind::Administrator);
    if owners_touched
        && !next
            .administrators
            .values()
            .any(|who| who.spec.enabled && who.spec.role == Role::Owner)
    {
        let reason = "no enabled administrator with the role `owner` would be left; make another owner first";
        return Err(Refusal::Invalid {
            reason: reason.to_owned(),
        });
    }
    Ok(())
}

/// Takes kind and name of each object that is referred to.
type Each<'e> = &'e mut dyn FnMut(Kind, &Name);

fn refers_to_what_is_there(next: &View, key: &ObjectKey, spec: &Spec) -> Result<(), Refusal> {
    let mut missing = None;
    references(spec, &mut |kind, name| {
        if missing.is_none() && !next.contains(kind, name) {
            let name = name.clone();
            missing = Some(ObjectKey { kind, name });
        }
    });
    missing.map_or(Ok(()), |to| Err(Refusal::Dangling { from: key.clone(), to }))
}

/// What an object refers to.
fn references(spec: &Spec, each: Each<'_>) {
    match spec {
        Spec::Account(account) => of_account(account, each),
        Spec::Group(group) => of_group(group, each),
        Spec::Role(role) => of_role(role, each),
        Spec::ApiToken(token) => of_token(token, each),
        Spec::Service(service) => of_service(service, each),
        Spec::Administrator(_)
        | Spec::HostKey(_)
        | Spec::Storage(_)
        | Spec::Settings(_)
        | Spec::Authority(_)
        | Spec::Ban(_)
        | Spec::Certificate(_) => {}
    }
}

fn all(kind: Kind, names: &[Name], each: Each<'_>) {
    names.iter().for_each(|name| each(kind, name));
}

fn mounts<'a>(mounts: impl IntoIterator<Item = &'a Mount>, each: Each<'_>) {
    mounts.into_iter().for_each(|mount| each(Kind::Storage, &mount.storage));
}

fn of_account(account: &Account, each: Each<'_>) {
    mounts(account.mounts.iter().chain(&account.home), each);
    all(Kind::Group, &account.groups, each);
    all(Kind::Role, &account.roles, each);
}

fn of_group(group: &Group, each: Each<'_>) {
    mounts(&group.mounts, each);
    all(Kind::Group, &group.groups, each);
    all(Kind::Role, &group.roles, each);
}

fn of_role(role: &AccessRole, each: Each<'_>) {
    all(Kind::Role, &role.roles, each);
}

fn of_token(token: &ApiToken, each: Each<'_>) {
    each(Kind::Administrator, &token.administrator);
}

/// The accounts that a service names are no references: deleting an account must not wait for them.
fn of_service(service: &Service, each: Each<'_>) {
    all(Kind::HostKey, &service.host_keys, each);
    all(Kind::Group, &service.groups, each);
    all(Kind::Authority, &service.user_authorities, each);
    all(Kind::Authority, &service.tls.authorities, each);
    all(Kind::Certificate, &service.tls.certificates, each);
}

/// An object that refers to `key`, if any.
fn referrer(view: &View, key: &ObjectKey) -> Option<ObjectKey> {
    let named_by = |kind: Kind, name: &Name| ObjectKey {
        kind,
        name: name.clone(),
    };
    let group = || first(&view.groups, of_group, key).map(|name| named_by(Kind::Group, name));
    let role = || first(&view.roles, of_role, key).map(|name| named_by(Kind::Role, name));
    let service = || first(&view.services, of_service, key).map(|name| named_by(Kind::Service, name));
    let token = || first(&view.api_tokens, of_token, key).map(|name| named_by(Kind::ApiToken, name));
    let account = || {
        let mut naming = view.accounts.naming(&key.name);
        let by = naming.find(|account| is_named(key, |each| of_account(&account.spec, each)))?;
        Some(named_by(Kind::Account, &by.name))
    };
    match key.kind {
        Kind::Storage => group().or_else(account),
        Kind::Group => service().or_else(group).or_else(account),
        Kind::Role => role().or_else(group).or_else(account),
        Kind::Administrator => token(),
        Kind::HostKey | Kind::Authority | Kind::Certificate => service(),
        Kind::Account | Kind::ApiToken | Kind::Service | Kind::Settings | Kind::Ban => None,
    }
}

/// The first object of a shelf that refers to `key`.
fn first<'a, T>(shelf: &'a Shelf<T>, of: fn(&T, Each<'_>), key: &ObjectKey) -> Option<&'a Name> {
    let found = |object: &&Arc<Object<T>>| is_named(key, |each| of(&object.spec, each));
    shelf.values().find(found).map(|object| &object.name)
}

/// Whether `key` is among what is referred to.
fn is_named(key: &ObjectKey, references: impl FnOnce(Each<'_>)) -> bool {
    let mut found = false;
    references(&mut |kind, name| found |= kind == key.kind && *name == key.name);
    found
}

/// No group is a member of itself, no role includes itself, however far round; and none inherits without end.
fn circles(view: &View) -> Result<(), Refusal> {
    for start in view.groups.keys() {
        reached(Kind::Group, start, |name| {
            view.groups.get(name).map_or(&[][..], |group| &group.spec.groups)
        })?;
    }
    for start in view.roles.keys() {
        reached(Kind::Role, start, |name| {
            view.roles.get(name).map_or(&[][..], |role| &role.spec.roles)
        })?;
    }
    Ok(())
}

/// Follows `next` from `start` to its end.
fn reached<'a>(kind: Kind, start: &'a Name, next: impl Fn(&'a Name) -> &'a [Name]) -> Result<(), Refusal> {
    let mut seen: BTreeSet<&Name> = BTreeSet::new();
    let mut open: Vec<&'a Name> = vec![start];
    while let Some(name) = open.pop() {
        for reached in next(name) {
            if reached == start {
                let (kind, through) = (kind.word(), if name == start { "itself" } else { name.as_str() });
                let reason =
                    format!("{kind} `{start}` would inherit from itself, through `{through}`; break the circle");
                return Err(Refusal::Invalid { reason });
            }
            if seen.insert(reached) {
                open.push(reached);
            }
        }
        if seen.len() > INHERITED_MAX {
            let kind = kind.word();
            let reason = format!("{kind} `{start}` would inherit from more than {INHERITED_MAX} others");
            return Err(Refusal::Invalid { reason });
        }
    }
    Ok(())
}

/// A group or role that was changed brings no account above what may be inherited: it would be denied everything.
fn members_bounded(view: &View) -> Result<(), Refusal> {
    if view.groups.len() <= INHERITED_MAX && view.roles.len() <= INHERITED_MAX {
        return Ok(());
    }
    // Many accounts name the same ones: each combination is judged once.
    for account in view.accounts.one_of_each_membership() {
        if inherit::is_bounded(view, &account.spec) {
            continue;
        }
        let reason = format!(
            "account `{}` would inherit from more than {INHERITED_MAX} groups or roles, and so be denied everything; \
             take it out of some first, or name fewer here",
            account.name
        );
        return Err(Refusal::Invalid { reason });
    }
    Ok(())
}

/// Two enabled services never share a port: which of them would answer could not be said.
fn ports_differ(view: &View) -> Result<(), Refusal> {
    let mut ports: BTreeMap<u16, &Name> = BTreeMap::new();
    for service in view.services.values().filter(|service| service.spec.enabled) {
        if let Some(other) = ports.insert(service.spec.port, &service.name) {
            let reason = format!(
                "services `{other}` and `{}` both want port {}",
                service.name, service.spec.port
            );
            return Err(Refusal::Invalid { reason });
        }
    }
    Ok(())
}
