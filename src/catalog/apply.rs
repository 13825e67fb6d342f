//! Apply: the one place where the catalog changes. Pure and total: every command has an outcome.
//!
//! Values were validated at the border; here only what needs the other objects is judged: expectations, references,
//! authority, contradictions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use argosy_cluster::{Applied, ApplyContext, Change, CodecError, RestoreError, StateMachine};

use super::administrator::Role;
use super::command::{Actor, Command, Expected, Outcome, Refusal, role_needed};
use super::limits;
use super::settings::SETTINGS_NAME;
use super::stored;
use super::view::{Kind, Object, ObjectKey, Spec, View};
use crate::clock::UnixMillis;
use crate::ids::Name;

/// The replicated catalog.
#[derive(Debug, Default)]
pub struct Catalog {
    view: View,
}

impl StateMachine for Catalog {
    type Command = Command;
    type Outcome = Outcome;
    type View = View;

    const FEATURE_LEVEL_MAX: u32 = 1;

    fn encode_command(command: &Command) -> Vec<u8> {
        stored::encode_command(command)
    }

    fn decode_command(bytes: &[u8]) -> Result<Command, CodecError> {
        stored::decode_command(bytes)
    }

    fn encode_outcome(outcome: &Outcome) -> Vec<u8> {
        stored::encode_outcome(outcome)
    }

    fn decode_outcome(bytes: &[u8]) -> Result<Outcome, CodecError> {
        stored::decode_outcome(bytes)
    }

    fn restore(rows: &mut dyn Iterator<Item = (&[u8], &[u8])>) -> Result<Self, RestoreError> {
        let mut catalog = Self::default();
        for (key, value) in rows {
            let key = stored::parse_row_key(key)?;
            let object = stored::decode_row(value)?;
            if object.spec.kind() != key.kind || object.name != key.name {
                return Err(CodecError {
                    what: "object row",
                    reason: format!("the row of {key} holds another object"),
                });
            }
            catalog.view.put(object);
        }
        Ok(catalog)
    }

    fn apply(&mut self, context: ApplyContext, command: &Command) -> Applied<Outcome> {
        let refusal = self
            .authorize(command)
            .err()
            .or_else(|| self.expectations(command).err());
        if let Some(refusal) = refusal {
            return Applied {
                outcome: Outcome::Refused(refusal),
                changes: Vec::new(),
            };
        }
        // Cheap: the shelves share their structure. Nothing of a refused change is ever seen.
        let mut next = self.view.clone();
        let mut touched: BTreeMap<ObjectKey, Option<Vec<u8>>> = BTreeMap::new();
        for key in &command.transaction.deletes {
            if next.remove(key) {
                touched.insert(key.clone(), None);
            }
        }
        for (name, spec) in &command.transaction.puts {
            let object = Object {
                name: name.clone(),
                spec: spec.clone(),
                revision: context.revision,
                changed_by: command.actor.to_string(),
                changed_at: command.at,
            };
            let key = ObjectKey {
                kind: spec.kind(),
                name: name.clone(),
            };
            touched.insert(key, Some(stored::encode_row(&object)));
            next.put(object);
        }
        if let Err(refusal) = coherent(&next, &touched) {
            return Applied {
                outcome: Outcome::Refused(refusal),
                changes: Vec::new(),
            };
        }
        self.view = next;
        let changes = touched
            .into_iter()
            .map(|(key, value)| Change {
                key: stored::row_key(&key),
                value,
            })
            .collect();
        Applied {
            outcome: Outcome::Applied,
            changes,
        }
    }

    fn view(&self, revision: u64) -> View {
        View {
            revision,
            ..self.view.clone()
        }
    }
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root { node } => write!(f, "root@{node}"),
            Self::Administrator { name, .. } => write!(f, "{name}"),
        }
    }
}

/// What an actor may do by `view` at the moment `at`; the reason where it may do nothing.
pub fn authority(view: &View, actor: &Actor, at: UnixMillis) -> Result<Role, String> {
    let Actor::Administrator {
        name,
        token,
        secret_hash,
    } = actor
    else {
        return Ok(Role::Owner);
    };
    let administrator = view
        .administrators
        .get(name)
        .ok_or_else(|| format!("administrator `{name}` does not exist any more"))?;
    if !administrator.spec.enabled {
        return Err(format!("administrator `{name}` is disabled"));
    }
    let token = view
        .api_tokens
        .get(token)
        .ok_or_else(|| format!("token `{token}` was deleted"))?;
    if token.spec.administrator != *name {
        return Err(format!("token `{}` is not one of administrator `{name}`", token.name));
    }
    if token.spec.secret_hash != *secret_hash {
        return Err(format!("the secret of token `{}` was replaced", token.name));
    }
    if token.spec.expires_at.is_some_and(|end| end <= at) {
        return Err(format!("token `{}` has expired", token.name));
    }
    Ok(administrator.spec.role)
}

impl Catalog {
    fn authorize(&self, command: &Command) -> Result<(), Refusal> {
        let forbidden = |reason: String| Refusal::Forbidden { reason };
        let role = authority(&self.view, &command.actor, command.at).map_err(forbidden)?;
        let puts = command.transaction.puts.iter().map(|(_, spec)| spec.kind());
        let deletes = command.transaction.deletes.iter().map(|key| key.kind);
        for kind in puts.chain(deletes) {
            let needed = role_needed(kind);
            if role < needed {
                return Err(forbidden(format!(
                    "changing the kind `{}` needs the role `{}`; {} has `{}`",
                    kind.word(),
                    needed.word(),
                    command.actor,
                    role.word()
                )));
            }
        }
        Ok(())
    }

    fn expectations(&self, command: &Command) -> Result<(), Refusal> {
        let transaction = &command.transaction;
        let steps = transaction.puts.len() + transaction.deletes.len();
        if steps > limits::STEPS_MAX {
            let reason = format!("{steps} changes at a time are over the limit of {}", limits::STEPS_MAX);
            return Err(Refusal::Invalid { reason });
        }
        let mut named = BTreeSet::new();
        let puts = transaction.puts.iter().map(|(name, spec)| ObjectKey {
            kind: spec.kind(),
            name: name.clone(),
        });
        for key in puts.chain(transaction.deletes.iter().cloned()) {
            if named.contains(&key) {
                return Err(Refusal::Invalid {
                    reason: format!("{key} is named twice in one change"),
                });
            }
            named.insert(key);
        }
        for (key, expected) in &transaction.expected {
            let current = self.view.revision_of(key);
            let holds = match expected {
                Expected::Absent => current.is_none(),
                Expected::Present => current.is_some(),
                Expected::Revision(revision) => current == Some(*revision),
            };
            if !holds {
                return Err(Refusal::Stale {
                    key: key.clone(),
                    current,
                });
            }
        }
        Ok(())
    }
}

/// What must hold between objects, whatever was changed.
fn coherent(next: &View, touched: &BTreeMap<ObjectKey, Option<Vec<u8>>>) -> Result<(), Refusal> {
    for (key, value) in touched {
        match value {
            Some(_) => {
                if let Some(to) = references(next, key)
                    .into_iter()
                    .find(|to| next.revision_of(to).is_none())
                {
                    return Err(Refusal::Dangling { from: key.clone(), to });
                }
            }
            None => {
                if let Some(by) = referrer(next, key) {
                    return Err(Refusal::InUse { key: key.clone(), by });
                }
            }
        }
    }
    if touched.keys().any(|key| key.kind == Kind::Service) {
        ports_differ(next)?;
    }
    if touched
        .keys()
        .any(|key| key.kind == Kind::Settings && key.name.as_str() != SETTINGS_NAME)
    {
        let reason = format!("there is one settings object, and its name is `{SETTINGS_NAME}`");
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

/// What an object refers to.
fn references(view: &View, key: &ObjectKey) -> Vec<ObjectKey> {
    let to = |kind: Kind, name: &Name| ObjectKey {
        kind,
        name: name.clone(),
    };
    match key.kind {
        Kind::Account => view.accounts.get(&key.name).map_or_else(Vec::new, |account| {
            let mounts = account.spec.mounts.iter().chain(account.spec.home.as_ref());
            mounts.map(|mount| to(Kind::Storage, &mount.storage)).collect()
        }),
        Kind::ApiToken => view.api_tokens.get(&key.name).map_or_else(Vec::new, |token| {
            vec![to(Kind::Administrator, &token.spec.administrator)]
        }),
        Kind::Service => view.services.get(&key.name).map_or_else(Vec::new, |service| {
            service
                .spec
                .host_keys
                .iter()
                .map(|name| to(Kind::HostKey, name))
                .collect()
        }),
        Kind::Administrator | Kind::HostKey | Kind::Storage | Kind::Settings => Vec::new(),
    }
}

/// An object that refers to `key`, if any.
fn referrer(view: &View, key: &ObjectKey) -> Option<ObjectKey> {
    let by = |kind: Kind, name: &Name| ObjectKey {
        kind,
        name: name.clone(),
    };
    let (kind, names): (Kind, Vec<&Name>) = match key.kind {
        Kind::Storage => (Kind::Account, view.accounts.keys().collect()),
        Kind::Administrator => (Kind::ApiToken, view.api_tokens.keys().collect()),
        Kind::HostKey => (Kind::Service, view.services.keys().collect()),
        Kind::Account | Kind::ApiToken | Kind::Service | Kind::Settings => return None,
    };
    names
        .into_iter()
        .map(|name| by(kind, name))
        .find(|candidate| references(view, candidate).contains(key))
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

impl View {
    fn put(&mut self, object: Object<Spec>) {
        let Object {
            name,
            spec,
            revision,
            changed_by,
            changed_at,
        } = object;
        macro_rules! shelve {
            ($shelf:ident, $spec:expr) => {{
                let object = Object {
                    name: name.clone(),
                    spec: $spec,
                    revision,
                    changed_by,
                    changed_at,
                };
                self.$shelf.insert(name, Arc::new(object));
            }};
        }
        match spec {
            Spec::Account(spec) => shelve!(accounts, spec),
            Spec::Administrator(spec) => shelve!(administrators, spec),
            Spec::ApiToken(spec) => shelve!(api_tokens, spec),
            Spec::Service(spec) => shelve!(services, spec),
            Spec::HostKey(spec) => shelve!(host_keys, spec),
            Spec::Storage(spec) => shelve!(storages, spec),
            Spec::Settings(spec) => shelve!(settings, spec),
        }
    }

    fn remove(&mut self, key: &ObjectKey) -> bool {
        let name = &key.name;
        match key.kind {
            Kind::Account => self.accounts.remove(name).is_some(),
            Kind::Administrator => self.administrators.remove(name).is_some(),
            Kind::ApiToken => self.api_tokens.remove(name).is_some(),
            Kind::Service => self.services.remove(name).is_some(),
            Kind::HostKey => self.host_keys.remove(name).is_some(),
            Kind::Storage => self.storages.remove(name).is_some(),
            Kind::Settings => self.settings.remove(name).is_some(),
        }
    }
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
