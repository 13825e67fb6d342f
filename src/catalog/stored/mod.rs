//! The stored form of catalog types: what stands in the log, in rows and in snapshots.
//!
//! A byte of format version, then postcard of the types of that version. A version's types are never changed once
//! released; a new shape is a new version, with a conversion from the one before.

mod v1;

use argosy_cluster::CodecError;

use super::Account;
use super::command::{Command, Outcome};
use super::held::{Held, HeldKey, Lock, SignedOut};
use super::history::Record;
use super::view::{Kind, Object, ObjectKey, Spec};
use crate::ids::Name;

/// The format version that this build writes.
const VERSION: u8 = 1;

/// An object of any kind, as it stands in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The object; its kind is its spec's.
    pub object: Object<Spec>,
}

/// The row key of an object: `KIND/NAME`.
pub fn row_key(key: &ObjectKey) -> Vec<u8> {
    format!("{}/{}", key.kind.word(), key.name).into_bytes()
}

/// The reverse of [`row_key`].
pub fn parse_row_key(bytes: &[u8]) -> Result<ObjectKey, CodecError> {
    let error = |reason: String| CodecError {
        what: "object row key",
        reason,
    };
    let text = std::str::from_utf8(bytes).map_err(|cause| error(cause.to_string()))?;
    let (kind, name) = text
        .split_once('/')
        .ok_or_else(|| error(format!("`{text}` has no kind")))?;
    let kind = Kind::from_word(kind).ok_or_else(|| error(format!("`{kind}` is no kind that this build knows")))?;
    let name = Name::parse(name).map_err(|cause| error(cause.to_string()))?;
    Ok(ObjectKey { kind, name })
}

/// The row of an object.
pub fn encode_row(object: &Object<Spec>) -> Vec<u8> {
    encode(&v1::ObjectV1::from(object))
}

/// The reverse of [`encode_row`].
pub fn decode_row(bytes: &[u8]) -> Result<Object<Spec>, CodecError> {
    decode::<v1::ObjectV1>("object row", bytes)?
        .try_into()
        .map_err(|reason| CodecError {
            what: "object row",
            reason,
        })
}

/// The account of a row; a row of another kind is an error.
pub fn decode_account(bytes: &[u8]) -> Result<Object<Account>, CodecError> {
    decode_row(bytes)?.try_with(|spec| match spec {
        Spec::Account(account) => Ok(account),
        other => Err(CodecError {
            what: "account row",
            reason: format!("it holds an object of the kind `{}`", other.kind().word()),
        }),
    })
}

/// The name of the object in a row, as bytes, without reading more of it. `None`: it is no row of this build.
pub fn row_name(row: &[u8]) -> Option<&[u8]> {
    match row.split_first()? {
        (&VERSION, rest) => postcard::take_from_bytes(rest).ok().map(|(name, _)| name),
        _ => None,
    }
}

/// A name as it stands wherever a row holds it.
pub fn name_in_rows(name: &Name) -> Vec<u8> {
    postcard::to_extend(name.as_str(), Vec::new()).unwrap_or_default()
}

/// The bytes of an account's row that say which groups and roles it names: two are equal where these are the same, in
/// the same order. `None`: it is no account's row of this build.
pub fn memberships(row: &[u8]) -> Option<&[u8]> {
    match row.split_first()? {
        (&VERSION, rest) => v1::memberships(rest),
        _ => None,
    }
}

/// What the row key of the day on which an account was last used begins with; then the account's name.
const SEEN_PREFIX: &str = "seen/";

/// The row key of the day on which `account` was last used.
pub fn seen_key(account: &Name) -> Vec<u8> {
    format!("{SEEN_PREFIX}{account}").into_bytes()
}

/// The account of a row key of [`seen_key`]; `None`: the key is another row's.
pub fn parse_seen_key(key: &[u8]) -> Option<Name> {
    let name = key.strip_prefix(SEEN_PREFIX.as_bytes())?;
    Name::parse(std::str::from_utf8(name).ok()?).ok()
}

/// What the row keys of locks begin with; then the token as hexadecimal digits.
const LOCK_PREFIX: &str = "lock/";
/// What the row keys of ended web sessions begin with; then the session as hexadecimal digits.
const SIGNED_OUT_PREFIX: &str = "signed-out/";

/// The row key of something that is held.
pub fn held_key(key: HeldKey) -> Vec<u8> {
    match key {
        HeldKey::Lock(token) => format!("{LOCK_PREFIX}{token:032x}"),
        HeldKey::SignedOut(session) => format!("{SIGNED_OUT_PREFIX}{session:032x}"),
    }
    .into_bytes()
}

/// The reverse of [`held_key`]; `None`: the key is another row's.
pub fn parse_held_key(key: &[u8]) -> Option<HeldKey> {
    let key = std::str::from_utf8(key).ok()?;
    let number = |digits: &str| u128::from_str_radix(digits, 16).ok();
    match key.strip_prefix(LOCK_PREFIX) {
        Some(token) => number(token).map(HeldKey::Lock),
        None => number(key.strip_prefix(SIGNED_OUT_PREFIX)?).map(HeldKey::SignedOut),
    }
}

/// The row of something that is held; `None`: it is not.
pub fn encode_held(held: &Held, key: HeldKey) -> Option<Vec<u8>> {
    match key {
        HeldKey::Lock(token) => held.lock(token).map(|lock| encode(&v1::LockV1::from(&**lock))),
        HeldKey::SignedOut(session) => held
            .signed_out(session)
            .map(|ended| encode(&v1::SignedOutV1::from(ended))),
    }
}

/// Takes in the row of `key`.
pub fn restore_held(held: &mut Held, key: HeldKey, bytes: &[u8]) -> Result<(), CodecError> {
    let what = "row of what is held";
    let invalid = |reason: String| CodecError { what, reason };
    match key {
        HeldKey::Lock(_) => {
            let lock = Lock::try_from(decode::<v1::LockV1>(what, bytes)?).map_err(invalid)?;
            held.insert(lock.into());
        }
        HeldKey::SignedOut(session) => {
            let ended = SignedOut::try_from(decode::<v1::SignedOutV1>(what, bytes)?).map_err(invalid)?;
            held.sign_out(session, ended);
        }
    }
    Ok(())
}

/// The row of such a day, in days since 1970-01-01 UTC.
pub fn encode_day(day: u32) -> Vec<u8> {
    encode(&day)
}

/// The reverse of [`encode_day`].
pub fn decode_day(bytes: &[u8]) -> Result<u32, CodecError> {
    decode("day of last use", bytes)
}

/// A row of the history.
pub fn encode_record(record: &Record) -> Vec<u8> {
    encode(&v1::RecordV1::from(record))
}

/// The reverse of [`encode_record`].
pub fn decode_record(bytes: &[u8]) -> Result<Record, CodecError> {
    decode::<v1::RecordV1>("history row", bytes)?
        .try_into()
        .map_err(|reason| CodecError {
            what: "history row",
            reason,
        })
}

/// See [`argosy_cluster::StateMachine::encode_command`].
pub fn encode_command(command: &Command) -> Vec<u8> {
    encode(&v1::CommandV1::from(command))
}

/// See [`argosy_cluster::StateMachine::decode_command`].
pub fn decode_command(bytes: &[u8]) -> Result<Command, CodecError> {
    decode::<v1::CommandV1>("command", bytes)?
        .try_into()
        .map_err(|reason| CodecError {
            what: "command",
            reason,
        })
}

/// See [`argosy_cluster::StateMachine::encode_outcome`].
pub fn encode_outcome(outcome: &Outcome) -> Vec<u8> {
    encode(&v1::OutcomeV1::from(outcome))
}

/// See [`argosy_cluster::StateMachine::decode_outcome`].
pub fn decode_outcome(bytes: &[u8]) -> Result<Outcome, CodecError> {
    decode::<v1::OutcomeV1>("outcome", bytes)?
        .try_into()
        .map_err(|reason| CodecError {
            what: "outcome",
            reason,
        })
}

fn encode<T: serde::Serialize>(value: &T) -> Vec<u8> {
    // Writing plain data to a growing vector has no way to fail; an empty result would be refused when read.
    postcard::to_extend(value, vec![VERSION]).unwrap_or_default()
}

fn decode<T: serde::de::DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, CodecError> {
    let error = |reason: String| CodecError { what, reason };
    match bytes.split_first() {
        None => Err(error("there are no bytes".to_owned())),
        Some((&VERSION, rest)) => match postcard::take_from_bytes::<T>(rest) {
            Ok((value, [])) => Ok(value),
            Ok((_, left)) => Err(error(format!("{} bytes are left over", left.len()))),
            Err(cause) => Err(error(cause.to_string())),
        },
        Some((version, _)) => Err(error(format!(
            "format version {version} was written by a newer release; this build reads up to {VERSION}: upgrade this node"
        ))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
