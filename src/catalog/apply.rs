//! Apply: the one place where the catalog changes. Pure and total: every command has an outcome.
//!
//! Values were validated at the border; here only what needs the other objects is judged: expectations, references,
//! authority, contradictions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use argosy_cluster::{Applied, ApplyContext, Change, CodecError, RestoreError, StateMachine, StoredRow};

use super::account::Account;
use super::administrator::Role;
use super::coherence::{Put, Touched, coherent};
use super::command::{Actor, Command, Expected, Outcome, Refusal, Transaction, role_needed};
use super::held::{HeldKey, Holding};
use super::history::{self, Record};
use super::limits;
use super::stored;
use super::view::{Kind, Object, ObjectKey, Spec, View};
use crate::clock::UnixMillis;
use crate::ids::Name;

/// The replicated catalog.
#[derive(Debug, Default)]
pub struct Catalog {
    view: View,
    /// How many history rows each kept revision has.
    history: BTreeMap<u64, u32>,
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

    fn kept_on_disk(key: &[u8]) -> bool {
        key.starts_with(history::ROW_PREFIX)
    }

    fn restore(rows: &mut dyn Iterator<Item = StoredRow<'_>>) -> Result<Self, RestoreError> {
        let mut catalog = Self::default();
        for (key, value) in rows {
            if let Some((revision, _)) = history::parse_row_key(key) {
                *catalog.history.entry(revision).or_default() += 1;
                continue;
            }
            if let Some(account) = stored::parse_seen_key(key) {
                catalog.view.seen.insert(account, stored::decode_day(value)?);
                continue;
            }
            if let Some(held) = stored::parse_held_key(key) {
                stored::restore_held(&mut catalog.view.held, held, value)?;
                continue;
            }
            let key = stored::parse_row_key(key)?;
            let object = stored::decode_row(value)?;
            if object.spec.kind() != key.kind || object.name != key.name {
                return Err(CodecError {
                    what: "object row",
                    reason: format!("the row of {key} holds another object"),
                });
            }
            catalog.view.put(object, value);
        }
        Ok(catalog)
    }

    fn apply(&mut self, context: ApplyContext, command: &Command) -> Applied<Outcome> {
        let refused = |refusal| Applied {
            outcome: Outcome::Refused(refusal),
            changes: Vec::new(),
        };
        let refusal = self
            .authorize(command)
            .err()
            .or_else(|| self.expectations(command).err());
        if let Some(refusal) = refusal {
            return refused(refusal);
        }
        // Cheap: the shelves share their structure. Nothing of a refused change is ever seen.
        let mut next = self.view.clone();
        let mut touched = Touched::new();
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
            let row: Arc<[u8]> = stored::encode_row(&object).into();
            next.put(object.clone(), &row);
            touched.insert(key, Some(Put { object, row }));
        }
        if let Err(refusal) = coherent(&next, &touched) {
            return refused(refusal);
        }
        let held = match hold(&mut next, command, &touched) {
            Ok(held) => held,
            Err(refusal) => return refused(refusal),
        };
        let before = std::mem::replace(&mut self.view, next);
        let mut changes = self.forget_days(&touched);
        changes.extend(held.into_iter().map(|key| Change {
            key: stored::held_key(key),
            value: stored::encode_held(&self.view.held, key).map(Into::into),
        }));
        changes.extend(self.remember(context.revision, command, &before, touched));
        changes.extend(self.see(&command.transaction.seen));
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

/// Changes what is held; gives what of it is to be written or removed.
fn hold(next: &mut View, command: &Command, touched: &Touched) -> Result<BTreeSet<HeldKey>, Refusal> {
    let mut changed = BTreeSet::new();
    for holding in &command.transaction.held {
        changed.extend(next.held.change(holding, command.at)?);
    }
    if !changed.is_empty() {
        changed.extend(next.held.forget(command.at, limits::FORGOTTEN_AT_ONCE));
    }
    for (key, put) in touched {
        if key.kind == Kind::Account && put.is_none() {
            changed.extend(next.held.release_all(&key.name));
        }
    }
    Ok(changed)
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root { node } => write!(f, "root@{node}"),
            Self::Administrator { name, .. } => write!(f, "{name}"),
            Self::Account { name } => write!(f, "account {name}"),
        }
    }
}

/// What an actor may do by `view` at the moment `at`; the reason where it may do nothing.
pub fn authority(view: &View, actor: &Actor, at: UnixMillis) -> Result<Role, String> {
    let (name, token, secret_hash) = match actor {
        Actor::Root { .. } => return Ok(Role::Owner),
        Actor::Account { .. } => return Err("an account administers nothing".to_owned()),
        Actor::Administrator {
            name,
            token,
            secret_hash,
        } => (name, token, secret_hash),
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
    /// What `command` would come to on `view`, without doing it.
    pub fn judge(view: &View, command: &Command) -> Outcome {
        let mut copy = Self {
            view: view.clone(),
            ..Self::default()
        };
        let context = ApplyContext {
            revision: view.revision + 1,
            feature_level: Self::FEATURE_LEVEL_MAX,
        };
        copy.apply(context, command).outcome
    }

    /// The rows of a change and of its history, and the removal of those of the history that are one too many.
    fn remember(&mut self, revision: u64, command: &Command, before: &View, touched: Touched) -> Vec<Change> {
        let rows = u32::try_from(touched.len()).unwrap_or(u32::MAX);
        let mut changes = Vec::with_capacity(2 * touched.len());
        for (index, (key, put)) in (0..rows).zip(touched) {
            let (after, row) = put.map(|put| (put.object, put.row)).unzip();
            let row_key = stored::row_key(&key);
            let record = Record {
                revision,
                actor: command.actor.to_string(),
                from: command.from,
                at: command.at,
                before: before.object(&key),
                after,
                key,
            };
            changes.push(Change {
                key: history::row_key(revision, index),
                value: Some(stored::encode_record(&record).into()),
            });
            changes.push(Change {
                key: row_key,
                value: row,
            });
        }
        if rows > 0 {
            self.history.insert(revision, rows);
        }
        while self.history.len() > limits::HISTORY_REVISIONS_MAX {
            let Some((oldest, rows)) = self.history.pop_first() else {
                break;
            };
            changes.extend((0..rows).map(|index| Change {
                key: history::row_key(oldest, index),
                value: None,
            }));
        }
        changes
    }

    /// Forgets when accounts were used that are gone.
    fn forget_days(&mut self, touched: &Touched) -> Vec<Change> {
        let mut changes = Vec::new();
        for (key, _) in touched
            .iter()
            .filter(|(key, put)| key.kind == Kind::Account && put.is_none())
        {
            if self.view.seen.remove(&key.name).is_some() {
                changes.push(Change {
                    key: stored::seen_key(&key.name),
                    value: None,
                });
            }
        }
        changes
    }

    /// Takes in who was used on which day.
    fn see(&mut self, seen: &[(Name, u32)]) -> Vec<Change> {
        let mut changes = Vec::new();
        for (account, day) in seen {
            let known = self.view.seen.get(account).copied();
            if self.view.accounts.contains_key(account) && known.is_none_or(|known| known < *day) {
                self.view.seen.insert(account.clone(), *day);
                changes.push(Change {
                    key: stored::seen_key(account),
                    value: Some(stored::encode_day(*day).into()),
                });
            }
        }
        changes
    }

    /// What an account may do for itself: give itself a new password, in exchange for the one that it has, and take and
    /// release what it holds.
    fn authorize_account(&self, name: &Name, transaction: &Transaction) -> Result<(), Refusal> {
        let forbidden = |reason: &str| Refusal::Forbidden {
            reason: format!("account `{name}` {reason}"),
        };
        let present = self
            .view
            .accounts
            .get(name)
            .ok_or_else(|| forbidden("does not exist any more"))?;
        if !present.spec.enabled {
            return Err(forbidden("is disabled"));
        }
        if !transaction.held.is_empty() {
            let own = |holding: &Holding| holding.account() == name;
            let alone = transaction.puts.is_empty() && transaction.deletes.is_empty();
            return match alone && transaction.held.iter().all(own) {
                true => Ok(()),
                false => Err(forbidden("may change what it holds itself, nothing beside it")),
            };
        }
        let [(put, Spec::Account(spec))] = transaction.puts.as_slice() else {
            return Err(forbidden("may change its own password, nothing else"));
        };
        let but_for_password = Account {
            password: present.spec.password.clone(),
            password_state: present.spec.password_state.clone(),
            ..spec.clone()
        };
        if put != name || but_for_password != present.spec || !transaction.deletes.is_empty() {
            return Err(forbidden("may change its own password, nothing else"));
        }
        Ok(())
    }

    fn authorize(&self, command: &Command) -> Result<(), Refusal> {
        let forbidden = |reason: String| Refusal::Forbidden { reason };
        let transaction = &command.transaction;
        if !transaction.seen.is_empty() && !matches!(command.actor, Actor::Root { .. }) {
            return Err(forbidden("only the nodes report which accounts were used".to_owned()));
        }
        if let Actor::Account { name } = &command.actor {
            return self.authorize_account(name, transaction);
        }
        let role = authority(&self.view, &command.actor, command.at).map_err(forbidden)?;
        if !transaction.held.is_empty() && role < Role::Operator {
            return Err(forbidden(format!(
                "{} may not change what accounts hold",
                command.actor
            )));
        }
        let puts = transaction.puts.iter().map(|(_, spec)| spec.kind());
        let deletes = transaction.deletes.iter().map(|key| key.kind);
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
        if transaction.seen.len() > limits::SEEN_MAX {
            let reason = format!("a report of more than {} accounts is refused", limits::SEEN_MAX);
            return Err(Refusal::Invalid { reason });
        }
        if transaction.held.len() > limits::HOLDINGS_MAX {
            let reason = format!("more than {} changes of what is held are refused", limits::HOLDINGS_MAX);
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

impl View {
    /// Takes an object; of an account only its row is kept.
    fn put(&mut self, object: Object<Spec>, row: &Arc<[u8]>) {
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
            Spec::Account(_) => self.accounts.put(revision, row.clone()),
            Spec::Administrator(spec) => shelve!(administrators, spec),
            Spec::ApiToken(spec) => shelve!(api_tokens, spec),
            Spec::Service(spec) => shelve!(services, spec),
            Spec::HostKey(spec) => shelve!(host_keys, spec),
            Spec::Storage(spec) => shelve!(storages, spec),
            Spec::Settings(spec) => shelve!(settings, spec),
            Spec::Group(spec) => shelve!(groups, spec),
            Spec::Role(spec) => shelve!(roles, spec),
            Spec::Authority(spec) => shelve!(authorities, spec),
            Spec::Ban(spec) => shelve!(bans, spec),
            Spec::Certificate(spec) => shelve!(certificates, spec),
        }
    }

    fn remove(&mut self, key: &ObjectKey) -> bool {
        let name = &key.name;
        match key.kind {
            Kind::Account => self.accounts.remove(name),
            Kind::Administrator => self.administrators.remove(name).is_some(),
            Kind::ApiToken => self.api_tokens.remove(name).is_some(),
            Kind::Service => self.services.remove(name).is_some(),
            Kind::HostKey => self.host_keys.remove(name).is_some(),
            Kind::Storage => self.storages.remove(name).is_some(),
            Kind::Settings => self.settings.remove(name).is_some(),
            Kind::Group => self.groups.remove(name).is_some(),
            Kind::Role => self.roles.remove(name).is_some(),
            Kind::Authority => self.authorities.remove(name).is_some(),
            Kind::Ban => self.bans.remove(name).is_some(),
            Kind::Certificate => self.certificates.remove(name).is_some(),
        }
    }
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
