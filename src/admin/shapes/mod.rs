//! JSON shapes of objects, apart from the catalog's types: one file a kind, each with the way in and the way out.
//!
//! The way in is the border: what passes is valid, passwords are hashed, keys parsed and sealed. Whether the caller
//! may do it is left to `caller` and the catalog; references between objects to the catalog.

pub mod account;
pub mod administrator;
pub mod api_token;
pub mod authority;
pub mod ban;
pub mod certificate;
pub mod fields;
pub mod ftp;
pub mod group;
pub mod host_key;
pub mod http;
pub mod kinds;
pub mod mount;
pub mod properties;
pub mod restrictions;
pub mod role;
pub mod schema;
pub mod service;
pub mod settings;
pub mod ssh;
pub mod storage;
pub mod tls;

use std::cell::Cell;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use self::fields::Fields;
use super::port::ClusterPort;
use super::problem::{Problem, ProblemKind};
use super::{border, limits};
use crate::auth::rules;
use crate::catalog::{Account, Kind, Object, ObjectKey, PasswordHash, Spec, View};
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
    /// Whether an owner asks, who may take over password hashes.
    pub owner: bool,
    /// Whether only what is cheap and depends on nothing but the JSON and the present object is built; the rest is
    /// refused, with a reason that nobody is shown.
    pub quick: bool,
}

impl<'a> Border<'a> {
    /// A border over `view`.
    pub fn new(view: &'a View, cluster: &'a dyn ClusterPort, now: UnixMillis) -> Self {
        Self {
            view,
            cluster,
            now,
            hashes: Cell::new(0),
            owner: false,
            quick: false,
        }
    }

    /// The same border, where only what is [`quick`](Self::quick) passes.
    #[must_use]
    pub fn only_quick(mut self) -> Self {
        self.quick = true;
        self
    }

    /// The same border, as an owner comes to it or not.
    #[must_use]
    pub fn for_owner(mut self, owner: bool) -> Self {
        self.owner = owner;
        self
    }

    /// Counts one costly step, and refuses one too many.
    fn costly(&self) -> Result<(), Problem> {
        self.refuse_quick()?;
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

    fn refuse_quick(&self) -> Result<(), Problem> {
        match self.quick {
            true => Err(Problem::new(ProblemKind::Internal, "this is not built at once")),
            false => Ok(()),
        }
    }

    /// Reads the field `password_hash`, as an export has it.
    fn password_hash(&self, fields: &mut Fields) -> Result<Option<PasswordHash>, Problem> {
        let path = fields.at("password_hash");
        let Some(hash) = fields.secret("password_hash")? else {
            return Ok(None);
        };
        if !self.owner {
            let detail = format!("`{path}` takes over a password's hash, which only an owner may");
            return Err(Problem::new(ProblemKind::Forbidden, detail));
        }
        if fields.has("password") {
            return Err(Problem::invalid(
                &path,
                "stands next to `password`; give one of the two",
            ));
        }
        let hash = border::password_hash(&hash).map_err(|reason| Problem::invalid(&path, reason))?;
        let _ = fields.raw("password");
        Ok(Some(hash))
    }

    /// Reads the field `password`: a text becomes its hash, null removes it, absent keeps `present`.
    /// The flag says whether the present one was kept.
    fn password(
        &self,
        fields: &mut Fields,
        present: Option<&PasswordHash>,
    ) -> Result<(Option<PasswordHash>, bool), Problem> {
        let path = fields.at("password");
        match self.given(fields, limits::PASSWORD_BYTES_MIN)? {
            Given::Nothing => Ok((present.cloned(), present.is_some())),
            Given::Null => Ok((None, false)),
            Given::Hash(hash) => Ok((Some(hash), false)),
            Given::Text(password) => Ok((Some(self.hash(&password, &path)?), false)),
        }
    }

    /// The same for the account `name`, whose passwords keep the rules of the settings. Where former ones may not come
    /// again, the present one given once more is kept as it is.
    fn account_password(
        &self,
        fields: &mut Fields,
        name: &Name,
        present: Option<&Account>,
    ) -> Result<(Option<PasswordHash>, bool), Problem> {
        let path = fields.at("password");
        let before = present.and_then(|present| present.password.as_ref());
        let password = match self.given(fields, 1)? {
            Given::Nothing => return Ok((before.cloned(), before.is_some())),
            Given::Null => return Ok((None, false)),
            // The rules cannot be asked of a hash: it is taken as it is.
            Given::Hash(hash) => return Ok((Some(hash), false)),
            Given::Text(password) => password,
        };
        let kept = self.view.settings().passwords;
        let mut complaints = rules::complaints(&kept, &password, name.as_str());
        if let (true, Some(present)) = (complaints.is_empty() && kept.former_kept > 0, present) {
            for hash in rules::earlier(&kept, present) {
                self.costly()?;
                if rules::is_hashed_as(&password, hash) {
                    if Some(hash) == before {
                        return Ok((before.cloned(), true));
                    }
                    complaints.push(rules::used_before(&kept));
                    break;
                }
            }
        }
        if !complaints.is_empty() {
            return Err(Problem::invalid(&path, complaints.join("; it ")));
        }
        Ok((Some(self.hash(&password, &path)?), false))
    }

    fn given(&self, fields: &mut Fields, bytes_min: usize) -> Result<Given, Problem> {
        fields.read_only("password_set");
        if fields.has("password") || fields.is_null("password") || fields.has("password_hash") {
            // The settings' rules are asked.
            self.refuse_quick()?;
        }
        if let Some(hash) = self.password_hash(fields)? {
            return Ok(Given::Hash(hash));
        }
        let path = fields.at("password");
        let is_null = fields.is_null("password");
        let Some(password) = fields.secret("password")? else {
            return Ok(if is_null { Given::Null } else { Given::Nothing });
        };
        let bounds = bytes_min..=limits::PASSWORD_BYTES_MAX;
        if !bounds.contains(&password.len()) {
            let reason = format!("must have from {bytes_min} to {} bytes", limits::PASSWORD_BYTES_MAX);
            return Err(Problem::invalid(&path, reason));
        }
        if password.contains(['\0', '\n', '\r']) {
            return Err(Problem::invalid(
                &path,
                "holds a line break or a NUL, which no client could send",
            ));
        }
        Ok(Given::Text(password))
    }

    fn hash(&self, password: &str, path: &str) -> Result<PasswordHash, Problem> {
        self.costly()?;
        crate::auth::hash_password(password)
            .map_err(|reason| Problem::new(ProblemKind::Internal, format!("{path}: {reason}")))
    }
}

/// What a document says of a password.
enum Given {
    Nothing,
    Null,
    Hash(PasswordHash),
    Text(Zeroizing<String>),
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
    let built = (kinds::row(key.kind).build)(&key.name, &mut fields, border);
    // An unknown field explains more than what follows from it.
    match (fields.done(), built) {
        (Err(unknown), Ok(_)) => Err(unknown),
        (_, built) => built,
    }
}

/// The way out: the object `key` as JSON with its revision, or `None` where it does not exist.
pub fn show(view: &View, key: &ObjectKey) -> Option<Value> {
    (kinds::row(key.kind).show)(view, &key.name)
}

/// An object as JSON with its revision; no secret stands in it.
pub fn show_object(object: &Object<Spec>) -> Value {
    let spec = (kinds::row(object.spec.kind()).show_spec)(&object.spec);
    enveloped(object.spec.kind(), object, spec)
}

fn envelope<T>(kind: Kind, object: &Object<T>, show: impl Fn(&T) -> Value) -> Value {
    enveloped(kind, object, show(&object.spec))
}

fn enveloped<T>(kind: Kind, object: &Object<T>, spec: Value) -> Value {
    json!({
        "kind": kind.word(),
        "name": object.name,
        "revision": object.revision,
        "changed_by": object.changed_by,
        "changed_at": object.changed_at.to_rfc3339(),
        "spec": spec,
    })
}

fn moment(moment: Option<UnixMillis>) -> Value {
    moment.map_or(Value::Null, |moment| moment.to_rfc3339().into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod password_tests;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
