//! JSON shapes of objects, apart from the catalog's types: one file a kind, each with the way in and the way out.
//!
//! The way in is the border: what passes is valid, passwords are hashed, keys parsed and sealed. Whether the caller
//! may do it is left to `caller` and the catalog; references between objects to the catalog.

pub mod account;
pub mod administrator;
pub mod api_token;
pub mod authority;
pub mod ban;
pub mod fields;
pub mod group;
pub mod host_key;
pub mod mount;
pub mod restrictions;
pub mod role;
pub mod service;
pub mod settings;
pub mod ssh;
pub mod storage;

use std::cell::Cell;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use self::fields::Fields;
use super::limits;
use super::port::ClusterPort;
use super::problem::{Problem, ProblemKind};
use crate::catalog::{Kind, Object, ObjectKey, PasswordHash, Spec, View};
use crate::clock::UnixMillis;
use crate::ids::Name;

/// What the way in needs besides the JSON.
pub struct Border<'a> {
    /// The present state: what a write leaves out of secrets is kept from here.
    pub view: &'a View,
    /// Seals secrets.
    pub cluster: &'a dyn ClusterPort,
    /// Now.
    pub now: UnixMillis,
    /// Passwords and key pairs so far; at most [`limits::HASHES_MAX`].
    pub hashes: Cell<usize>,
}

impl<'a> Border<'a> {
    /// A border over `view`.
    pub fn new(view: &'a View, cluster: &'a dyn ClusterPort, now: UnixMillis) -> Self {
        Self {
            view,
            cluster,
            now,
            hashes: Cell::new(0),
        }
    }

    /// Counts one costly step, and refuses one too many.
    fn costly(&self) -> Result<(), Problem> {
        self.hashes.set(self.hashes.get() + 1);
        if self.hashes.get() > limits::HASHES_MAX {
            return Err(Problem::new(
                ProblemKind::TooLarge,
                format!(
                    "one change may bring at most {} passwords and keys to make; split it",
                    limits::HASHES_MAX
                ),
            ));
        }
        Ok(())
    }

    /// Reads the field `password`: a text becomes its hash, null removes it, absent keeps `present`.
    /// The flag says whether the present one was kept.
    fn password(
        &self,
        fields: &mut Fields,
        present: Option<&PasswordHash>,
    ) -> Result<(Option<PasswordHash>, bool), Problem> {
        fields.read_only("password_set");
        let path = fields.at("password");
        let removed = fields.is_null("password");
        let Some(password) = fields.secret("password")? else {
            return Ok(match present {
                Some(present) if !removed => (Some(present.clone()), true),
                _ => (None, false),
            });
        };
        let bounds = limits::PASSWORD_BYTES_MIN..=limits::PASSWORD_BYTES_MAX;
        if !bounds.contains(&password.len()) {
            return Err(Problem::invalid(
                &path,
                format!(
                    "must have from {} to {} bytes",
                    limits::PASSWORD_BYTES_MIN,
                    limits::PASSWORD_BYTES_MAX
                ),
            ));
        }
        if password.contains(['\0', '\n', '\r']) {
            return Err(Problem::invalid(
                &path,
                "holds a line break or a NUL, which no client could send",
            ));
        }
        self.costly()?;
        let hash =
            crate::auth::hash_password(&password).map_err(|reason| Problem::new(ProblemKind::Internal, reason))?;
        Ok((Some(hash), false))
    }
}

/// What came in.
pub struct Built {
    /// The object's content.
    pub spec: Spec,
    /// A secret that was made here and is shown once.
    pub secret: Option<Zeroizing<String>>,
    /// Whether something secret was kept from the present object, so that the change must expect its revision.
    pub kept: bool,
}

impl Built {
    fn plain(spec: Spec) -> Self {
        Self {
            spec,
            secret: None,
            kept: false,
        }
    }
}

/// The way in: the JSON of a spec, standing at `path`, becomes the object `key`'s content.
pub fn build(key: &ObjectKey, spec: Value, path: &str, border: &Border<'_>) -> Result<Built, Problem> {
    let mut fields = Fields::of(spec, path)?;
    let built = match key.kind {
        Kind::Account => account::build(&key.name, &mut fields, border),
        Kind::Administrator => administrator::build(&key.name, &mut fields, border),
        Kind::ApiToken => api_token::build(&key.name, &mut fields, border),
        Kind::Service => service::build(&mut fields, border).map(Built::plain),
        Kind::HostKey => host_key::build(&key.name, &mut fields, border),
        Kind::Storage => storage::build(&mut fields).map(Built::plain),
        Kind::Settings => settings::build(&key.name, &mut fields).map(Built::plain),
        Kind::Group => group::build(&mut fields).map(Built::plain),
        Kind::Role => role::build(&mut fields).map(Built::plain),
        Kind::Authority => authority::build(&mut fields).map(Built::plain),
        Kind::Ban => ban::build(&mut fields).map(Built::plain),
    };
    // An unknown field explains more than what follows from it.
    match (fields.done(), built) {
        (Err(unknown), Ok(_)) => Err(unknown),
        (_, built) => built,
    }
}

/// The way out: the object `key` as JSON with its revision, or `None` where it does not exist.
pub fn show(view: &View, key: &ObjectKey) -> Option<Value> {
    view.object(key).as_ref().map(show_object)
}

/// An object as JSON with its revision; no secret stands in it.
pub fn show_object(object: &Object<Spec>) -> Value {
    let spec = match &object.spec {
        Spec::Account(spec) => account::show(spec),
        Spec::Administrator(spec) => administrator::show(spec),
        Spec::ApiToken(spec) => api_token::show(spec),
        Spec::Service(spec) => service::show(spec),
        Spec::HostKey(spec) => host_key::show(spec),
        Spec::Storage(spec) => storage::show(spec),
        Spec::Settings(spec) => settings::show(spec),
        Spec::Group(spec) => group::show(spec),
        Spec::Role(spec) => role::show(spec),
        Spec::Authority(spec) => authority::show(spec),
        Spec::Ban(spec) => ban::show(spec),
    };
    json!({
        "kind": object.spec.kind().word(),
        "name": object.name,
        "revision": object.revision,
        "changed_by": object.changed_by,
        "changed_at": object.changed_at.to_rfc3339(),
        "spec": spec,
    })
}

/// The names of all objects of `kind` after `after`, in order, at most `max`.
pub fn names(view: &View, kind: Kind, after: Option<&Name>, max: usize) -> Vec<Name> {
    fn page<T>(shelf: &crate::catalog::view::Shelf<T>, after: Option<&Name>, max: usize) -> Vec<Name> {
        use std::ops::Bound;
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.clone()));
        shelf
            .range((from, Bound::Unbounded))
            .take(max)
            .map(|(name, _)| name.clone())
            .collect()
    }
    match kind {
        Kind::Account => page(&view.accounts, after, max),
        Kind::Administrator => page(&view.administrators, after, max),
        Kind::ApiToken => page(&view.api_tokens, after, max),
        Kind::Service => page(&view.services, after, max),
        Kind::HostKey => page(&view.host_keys, after, max),
        Kind::Storage => page(&view.storages, after, max),
        Kind::Settings => page(&view.settings, after, max),
        Kind::Group => page(&view.groups, after, max),
        Kind::Role => page(&view.roles, after, max),
        Kind::Authority => page(&view.authorities, after, max),
        Kind::Ban => page(&view.bans, after, max),
    }
}

fn moment(moment: Option<UnixMillis>) -> Value {
    moment.map_or(Value::Null, |moment| moment.to_rfc3339().into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
