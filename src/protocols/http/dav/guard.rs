//! What stands in the way of a change: locks whose tokens were not sent, and conditions of the `If` header that do not
//! hold (RFC 4918, 7 and 10.4).
//!
//! Taking locks is left to `lock`; keeping them, to the cluster.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use http::StatusCode;

use super::lock::{parse_token, show_token};
use super::{Asked, Refusal, bad_request, condition, href, place_of};
use crate::catalog::{Lock, Place};
use crate::path::VirtualPath;
use crate::protocols::http::answer;
use crate::protocols::http::conditions::{self, Current, Verdict};
use crate::protocols::http::limits::IF_CONDITIONS_MAX;
use crate::vfs::VfsError;

/// One place that a request changes.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// The place.
    pub path: &'a VirtualPath,
    /// All that is under it changes too.
    pub below: bool,
    /// Its name appears in its folder or goes away, which is a change of the folder.
    pub name: bool,
}

/// A condition of an `If` header.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Is {
    /// A lock of this token is on the resource.
    Locked(u128),
    /// A state that nothing has.
    Never,
    /// The resource has this validator.
    Etag(String),
}

/// Conditions that hold together, each perhaps negated, of a resource: that of the request where none is named.
#[derive(Debug, Clone, PartialEq, Eq)]
struct List {
    resource: Option<String>,
    conditions: Vec<(bool, Is)>,
}

/// An `If` header: at least one of its lists must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct If(Vec<List>);

impl If {
    /// Reads the header; `None`: not well-formed.
    fn parse(text: &str) -> Option<Self> {
        let (mut lists, mut resource, mut rest, mut count) = (Vec::new(), None, text.trim(), 0);
        while !rest.is_empty() {
            if let Some(tag) = rest.strip_prefix('<') {
                let (address, after) = tag.split_once('>')?;
                resource = Some(address.to_owned());
                rest = after.trim_start();
                if !rest.starts_with('(') {
                    return None;
                }
            }
            rest = rest.strip_prefix('(')?.trim_start();
            let mut conditions = Vec::new();
            while !rest.starts_with(')') {
                let not = rest.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("not"));
                if not {
                    rest = rest[3..].trim_start();
                }
                let (is, after) = if let Some(token) = rest.strip_prefix('<') {
                    let (token, after) = token.split_once('>')?;
                    (parse_token(token).map_or(Is::Never, Is::Locked), after)
                } else {
                    let (tag, after) = rest.strip_prefix('[')?.split_once(']')?;
                    (Is::Etag(tag.trim().to_owned()), after)
                };
                conditions.push((not, is));
                count += 1;
                if count > IF_CONDITIONS_MAX {
                    return None;
                }
                rest = after.trim_start();
            }
            rest = rest[1..].trim_start();
            if conditions.is_empty() {
                return None;
            }
            lists.push(List {
                resource: resource.clone(),
                conditions,
            });
        }
        (!lists.is_empty()).then_some(Self(lists))
    }

    /// Of a request; none: an empty one.
    pub fn of(asked: &Asked<'_>) -> Result<Self, Refusal> {
        let Some(header) = asked.head.headers.get("if") else {
            return Ok(Self::default());
        };
        let parsed = header.to_str().ok().and_then(Self::parse);
        parsed.ok_or_else(|| bad_request("the `If` header is not well-formed, or has too many conditions"))
    }

    /// All tokens in it.
    pub fn tokens(&self) -> impl Iterator<Item = u128> {
        let all = self.0.iter().flat_map(|list| &list.conditions);
        all.filter_map(|(_, is)| match is {
            Is::Locked(token) => Some(*token),
            _ => None,
        })
    }

    fn has(&self, lock: &Lock, asked: &Asked<'_>) -> bool {
        lock.account == *asked.session().account() && self.tokens().any(|token| token == lock.token)
    }

    /// Whether one of its lists holds; an empty one does.
    async fn holds(&self, asked: &Asked<'_>) -> Result<bool, Refusal> {
        let mut known = HashMap::new();
        for list in &self.0 {
            let resource = match &list.resource {
                None => Some(asked.path().clone()),
                Some(address) => place_of(asked.head, address).ok().map(|target| target.path),
            };
            if !known.contains_key(&resource) {
                let state = State::of(asked, resource.as_ref()).await?;
                known.insert(resource.clone(), state);
            }
            let Some(state) = known.get(&resource) else { continue };
            if list.conditions.iter().all(|(not, is)| state.is(is) != *not) {
                return Ok(true);
            }
        }
        Ok(self.0.is_empty())
    }
}

/// What a condition is held against.
struct State {
    locks: Vec<Arc<Lock>>,
    etag: Option<String>,
}

impl State {
    async fn of(asked: &Asked<'_>, path: Option<&VirtualPath>) -> Result<Self, Refusal> {
        let nothing = Self {
            locks: Vec::new(),
            etag: None,
        };
        let Some(path) = path else { return Ok(nothing) };
        let locks = match located(asked, path).await? {
            Some(place) => asked.node().locks.held(&place, false),
            None => Vec::new(),
        };
        let etag = match asked.attributes(path).await {
            Ok(attributes) => Some(conditions::etag(&attributes)),
            Err(_) => None,
        };
        Ok(Self { locks, etag })
    }

    fn is(&self, is: &Is) -> bool {
        match is {
            Is::Locked(token) => self.locks.iter().any(|lock| lock.token == *token),
            Is::Never => false,
            Is::Etag(tag) => self.etag.as_ref() == Some(tag),
        }
    }
}

/// Where a path lies, as far as anybody may know; `None`: nowhere that locks could be.
pub async fn located(asked: &Asked<'_>, path: &VirtualPath) -> Result<Option<Place>, Refusal> {
    match asked.vfs.location(asked.session(), path, false).await {
        Ok(place) => Ok(place),
        Err(VfsError::NotFound | VfsError::NotFolder | VfsError::OutOfMount | VfsError::Denied(_)) => Ok(None),
        Err(error) => Err(asked.refusal(&error)),
    }
}

/// Refuses what a lock, a condition of WebDAV or one of HTTP forbids.
pub async fn permit(asked: &Asked<'_>, changes: &[Change<'_>]) -> Result<(), Refusal> {
    let sent = If::of(asked)?;
    asked.node().locks.catch_up().await;
    for change in changes {
        locks_of(asked, change, &sent).await?;
    }
    if !sent.holds(asked).await? {
        let detail = "no list of conditions in the `If` header holds; look again";
        return Err(Box::new(answer::problem(
            StatusCode::PRECONDITION_FAILED,
            "stale",
            detail,
        )));
    }
    plain_conditions(asked).await
}

/// Refuses what a lock forbids that was taken since the request began.
pub async fn still(asked: &Asked<'_>, change: &Change<'_>) -> Result<(), Refusal> {
    asked.node().locks.catch_up().await;
    locks_of(asked, change, &If::of(asked)?).await
}

/// The conditions of HTTP itself.
async fn plain_conditions(asked: &Asked<'_>) -> Result<(), Refusal> {
    let headers = &asked.head.headers;
    let names = ["if-match", "if-none-match", "if-unmodified-since"];
    if !names.iter().any(|name| headers.contains_key(*name)) {
        return Ok(());
    }
    let found = asked.found(asked.path()).await?;
    let etag = found.as_ref().map(conditions::etag);
    let current = found.as_ref().zip(etag.as_ref()).map(|(found, etag)| Current {
        etag,
        modified: found.modified,
    });
    match conditions::judge(&asked.head.method, headers, current) {
        Verdict::Go => Ok(()),
        _ => {
            let detail = "what is there is not what the condition names; read it again";
            Err(Box::new(answer::problem(
                StatusCode::PRECONDITION_FAILED,
                "stale",
                detail,
            )))
        }
    }
}

/// Refuses with 423 where a lock forbids the change and its token was not sent by its account. Of the locks that cover
/// one place together, which are shared then, one is enough.
async fn locks_of(asked: &Asked<'_>, change: &Change<'_>, sent: &If) -> Result<(), Refusal> {
    let parent = change.path.parent().filter(|_| change.name);
    let places = [(Some(change.path), change.below), (parent.as_ref(), false)];
    for (path, below) in places {
        let Some(path) = path else { continue };
        let Some(place) = located(asked, path).await? else {
            continue;
        };
        let mut groups: BTreeMap<VirtualPath, Vec<Arc<Lock>>> = BTreeMap::new();
        for lock in asked.node().locks.held(&place, below) {
            let above = place.path.is_within(&lock.place.path);
            let covered = if above { &place.path } else { &lock.place.path };
            groups.entry(covered.clone()).or_default().push(lock);
        }
        for held in groups
            .values()
            .filter(|held| !held.iter().any(|lock| sent.has(lock, asked)))
        {
            let Some(first) = held.first() else { continue };
            let root = root_of(first, &place, path);
            let inner = format!("<D:lock-token-submitted><D:href>{root}</D:href></D:lock-token-submitted>");
            return Err(condition(StatusCode::LOCKED, &inner));
        }
    }
    Ok(())
}

/// The address of what a lock is on, as an account sees it that sees `place` as `path`.
pub fn root_of(lock: &Lock, place: &Place, path: &VirtualPath) -> String {
    if let Some(rest) = lock.place.path.below(&place.path) {
        let at = if rest.is_empty() {
            Ok(path.clone())
        } else {
            path.join(rest)
        };
        return href(&at.unwrap_or_else(|_| path.clone()), false);
    }
    let up = place
        .path
        .components()
        .count()
        .saturating_sub(lock.place.path.components().count());
    let mut at = path.clone();
    for _ in 0..up {
        at = at.parent().unwrap_or_else(VirtualPath::root);
    }
    href(&at, false)
}

/// Forgets the locks on something that is gone, and on all that was under it.
pub async fn forget(asked: &Asked<'_>, place: Option<&Place>) {
    let Some(place) = place else { return };
    let locks = &asked.node().locks;
    for lock in locks.held(place, true) {
        if lock.place.path.is_within(&place.path)
            && let Err(error) = locks.release(lock.token, lock.account.clone()).await
        {
            tracing::debug!(token = show_token(lock.token), %error, "a lock outlives what it was on");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_if_header_is_read_as_the_rfc_writes_it() {
        let token = "urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bf2";
        let number = 0x181d_4fae_7d8c_11d0_a765_00a0_c91e_6bf2;
        let one = |resource: Option<&str>, conditions: &[(bool, Is)]| List {
            resource: resource.map(str::to_owned),
            conditions: conditions.to_vec(),
        };
        let locked = |not| (not, Is::Locked(number));
        let etag = |not, tag: &str| (not, Is::Etag(tag.to_owned()));
        for (text, expected) in [
            (format!("(<{token}>)"), vec![one(None, &[locked(false)])]),
            (
                format!("(<{token}> [\"I am an ETag\"]) ([\"another\"])"),
                vec![
                    one(None, &[locked(false), etag(false, "\"I am an ETag\"")]),
                    one(None, &[etag(false, "\"another\"")]),
                ],
            ),
            (
                format!("(Not <{token}> <DAV:no-lock>)"),
                vec![one(None, &[locked(true), (false, Is::Never)])],
            ),
            (
                format!("</dav/a> (<{token}>)(Not [W/\"x\"]) <http://h/dav/b>([\"y\"])"),
                vec![
                    one(Some("/dav/a"), &[locked(false)]),
                    one(Some("/dav/a"), &[etag(true, "W/\"x\"")]),
                    one(Some("http://h/dav/b"), &[etag(false, "\"y\"")]),
                ],
            ),
        ] {
            assert_eq!(If::parse(&text), Some(If(expected)), "{text}");
        }
        let many = format!("({})", "[\"x\"]".repeat(IF_CONDITIONS_MAX + 1));
        for text in [
            "", "()", "(", "(<a)", "<a>", "(x)", "(<a>", "([\"a\")", &many, "(Not)", "(é)", "x (<a>)",
        ] {
            assert_eq!(If::parse(text), None, "{text:.40}");
        }
    }
}
