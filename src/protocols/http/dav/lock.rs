//! LOCK and UNLOCK (RFC 4918, 9.10 and 9.11): locks that hold on every node, until their time is over.
//!
//! Keeping them is left to the cluster; what they forbid, to `guard`.

use http::{StatusCode, header};
use hyper::body::Incoming;

use super::guard::{self, Change, If};
use super::xml::Element;
use super::{Asked, DECLARATION, Depth, Refusal, bad_request, condition, depth, read_xml, xml_answer};
use crate::catalog::limits::LOCK_OWNER_BYTES_MAX;
use crate::catalog::{Lock, Place};
use crate::clock::UnixMillis;
use crate::protocols::held::NotLocked;
use crate::protocols::http::answer::{self, Answer};
use crate::protocols::http::limits::{LOCK_SECONDS, LOCK_SECONDS_MAX, XML_BYTES_MAX};
use crate::vfs::{OpenOptions, VfsError};

/// A token as clients see it: a UUID (RFC 9562).
pub fn show_token(token: u128) -> String {
    let hex = format!("{token:032x}");
    format!(
        "urn:uuid:{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// A token as a client sends it back; `None`: none of ours.
pub fn parse_token(text: &str) -> Option<u128> {
    let uuid = text.trim().strip_prefix("urn:uuid:")?;
    let plain = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    if uuid.len() != 36 || !uuid.bytes().all(plain) {
        return None;
    }
    let token = u128::from_str_radix(&uuid.replace('-', ""), 16).ok()?;
    show_token(token).ends_with(&uuid.to_ascii_lowercase()).then_some(token)
}

/// A random UUID of version 4.
fn new_token() -> Option<u128> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).ok()?;
    random[6] = random[6] & 0x0f | 0x40;
    random[8] = random[8] & 0x3f | 0x80;
    Some(u128::from_be_bytes(random))
}

/// A lock as `DAV:activelock`; `root` is the address of what it is on.
pub fn write_active(lock: &Lock, root: &str, now: UnixMillis, out: &mut String) {
    let scope = if lock.exclusive { "exclusive" } else { "shared" };
    let depth = if lock.infinite { "infinity" } else { "0" };
    let left = (lock.until.0 - now.0).max(0).div_euclid(1000);
    out.push_str(&format!(
        "<D:activelock><D:locktype><D:write/></D:locktype><D:lockscope><D:{scope}/></D:lockscope>\
         <D:depth>{depth}</D:depth>"
    ));
    // As it was read: well-formed, and with its own namespaces.
    out.push_str(&lock.owner);
    out.push_str(&format!(
        "<D:timeout>Second-{left}</D:timeout><D:locktoken><D:href>{}</D:href></D:locktoken><D:lockroot><D:href>{root}\
         </D:href></D:lockroot></D:activelock>",
        show_token(lock.token)
    ));
}

/// What a client wants to lock.
struct Wanted {
    exclusive: bool,
    owner: String,
}

fn wanted(body: &Element) -> Result<Wanted, Refusal> {
    let scope = body.dav("lockscope");
    let exclusive = scope.and_then(|scope| scope.dav("exclusive")).is_some();
    let shared = scope.and_then(|scope| scope.dav("shared")).is_some();
    let write = body.dav("locktype").and_then(|kind| kind.dav("write")).is_some();
    if !body.name.is_dav("lockinfo") || exclusive == shared || !write {
        return Err(bad_request(
            "the body must be `DAV:lockinfo` with a scope, exclusive or shared, and the type write",
        ));
    }
    let mut owner = String::new();
    if let Some(element) = body.dav("owner") {
        element.write(&mut owner);
    }
    if owner.len() > LOCK_OWNER_BYTES_MAX {
        return Err(bad_request(&format!(
            "the owner of a lock may have at most {LOCK_OWNER_BYTES_MAX} bytes"
        )));
    }
    Ok(Wanted { exclusive, owner })
}

/// How many seconds the client wants; the first of its wishes that we understand, within our bounds.
fn seconds(headers: &http::HeaderMap) -> u32 {
    let text = headers
        .get("timeout")
        .and_then(|text| text.to_str().ok())
        .unwrap_or_default();
    let one = |wish: &str| {
        let wish = wish.trim();
        if wish.eq_ignore_ascii_case("infinite") {
            return Some(LOCK_SECONDS_MAX);
        }
        let number = wish.get(..7).filter(|word| word.eq_ignore_ascii_case("second-"));
        let number = number.and_then(|_| wish[7..].parse::<u64>().ok());
        number.map(|number| u32::try_from(number).unwrap_or(u32::MAX).clamp(1, LOCK_SECONDS_MAX))
    };
    text.split(',').find_map(one).unwrap_or(LOCK_SECONDS)
}

fn not_locked(asked: &Asked<'_>, place: &Place, error: NotLocked) -> Refusal {
    match error {
        NotLocked::Held(lock) => {
            let root = guard::root_of(&lock, place, asked.path());
            let inner = format!("<D:no-conflicting-lock><D:href>{root}</D:href></D:no-conflicting-lock>");
            condition(StatusCode::LOCKED, &inner)
        }
        NotLocked::Gone => condition(StatusCode::LOCKED, "<D:no-conflicting-lock/>"),
        NotLocked::Unavailable(reason) => {
            let detail = format!("the cluster could not take the lock: {reason}");
            let mut answer = answer::problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &detail);
            answer::set(&mut answer, header::RETRY_AFTER, "5");
            Box::new(answer)
        }
        NotLocked::Refused(reason) => {
            Box::new(answer::problem(StatusCode::INSUFFICIENT_STORAGE, "not-locked", &reason))
        }
    }
}

/// LOCK.
pub async fn lock(asked: &Asked<'_>, body: &mut Incoming) -> Result<Answer, Refusal> {
    let infinite = match depth(&asked.head.headers)? {
        None | Some(Depth::Infinity) => true,
        Some(Depth::Zero) => false,
        Some(Depth::One) => return Err(bad_request("a lock has the depth 0 or infinity")),
    };
    let Some(body) = read_xml(body, XML_BYTES_MAX).await? else {
        return renew(asked).await;
    };
    let wanted = wanted(&body)?;
    let existed = asked.found(asked.path()).await?.is_some();
    if !existed {
        asked.has_folder(asked.path()).await?;
        if asked.target.as_folder {
            return Err(asked.refusal(&VfsError::NotFound));
        }
        let creates = Change {
            path: asked.path(),
            below: false,
            name: true,
        };
        guard::permit(asked, &[creates]).await?;
    } else {
        guard::permit(asked, &[]).await?;
    }
    let place = asked.vfs.location(asked.session(), asked.path(), true).await;
    let Some(place) = place.map_err(|error| asked.refusal(&error))? else {
        let detail = "a folder that only leads to others cannot be locked";
        return Err(Box::new(answer::problem(StatusCode::FORBIDDEN, "denied", detail)));
    };
    let Some(token) = new_token() else {
        let detail = "the random generator failed";
        return Err(Box::new(answer::problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "random",
            detail,
        )));
    };
    let now = asked.node().clock.now();
    let lock = Lock {
        token,
        place: place.clone(),
        infinite,
        exclusive: wanted.exclusive,
        account: asked.session().account().clone(),
        owner: wanted.owner,
        until: UnixMillis(now.0.saturating_add(i64::from(seconds(&asked.head.headers)) * 1000)),
    };
    let locks = &asked.node().locks;
    let _working = asked.connection.work();
    let taken = locks.take(lock.clone()).await;
    taken.map_err(|error| not_locked(asked, &place, error))?;
    if !existed && let Err(error) = make_empty(asked).await {
        let _ = locks.release(token, lock.account.clone()).await;
        return Err(asked.refusal(&error));
    }
    let status = if existed { StatusCode::OK } else { StatusCode::CREATED };
    let mut answer = discovery(asked, &place, &lock, status);
    let token = format!("<{}>", show_token(token));
    answer::set(&mut answer, header::HeaderName::from_static("lock-token"), &token);
    Ok(answer)
}

/// An empty file under a name that nothing has (RFC 4918, 7.3).
async fn make_empty(asked: &Asked<'_>) -> Result<(), VfsError> {
    let options = OpenOptions {
        write: true,
        create: true,
        exclusive: true,
        ..OpenOptions::default()
    };
    let file = asked.vfs.open(asked.session(), asked.path(), &options).await?;
    file.commit().await
}

fn discovery(asked: &Asked<'_>, place: &Place, lock: &Lock, status: StatusCode) -> Answer {
    let mut text = format!("{DECLARATION}<D:prop xmlns:D=\"DAV:\"><D:lockdiscovery>");
    let root = guard::root_of(lock, place, asked.path());
    write_active(lock, &root, asked.node().clock.now(), &mut text);
    text.push_str("</D:lockdiscovery></D:prop>");
    xml_answer(status, text)
}

/// LOCK without a body: a lock that is held gets a later end.
async fn renew(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let sent = If::of(asked)?;
    let tokens: Vec<u128> = sent.tokens().collect();
    if tokens.is_empty() {
        return Err(bad_request(
            "a lock to renew is named by its token in `If`; a new one needs a body",
        ));
    }
    guard::permit(asked, &[]).await?;
    let place = asked.vfs.location(asked.session(), asked.path(), false).await;
    let place = place.map_err(|error| asked.refusal(&error))?;
    let locks = &asked.node().locks;
    let held = place.as_ref().map(|place| locks.held(place, false)).unwrap_or_default();
    let own = held.into_iter().find(|lock| tokens.contains(&lock.token));
    let (Some(place), Some(own)) = (place, own.filter(|lock| lock.account == *asked.session().account())) else {
        return Err(condition(
            StatusCode::PRECONDITION_FAILED,
            "<D:lock-token-matches-request-uri/>",
        ));
    };
    let now = asked.node().clock.now();
    let until = UnixMillis(now.0.saturating_add(i64::from(seconds(&asked.head.headers)) * 1000));
    let _working = asked.connection.work();
    let renewed = locks.renew(own.token, own.account.clone(), until).await;
    renewed.map_err(|error| match error {
        NotLocked::Refused(_) => condition(StatusCode::PRECONDITION_FAILED, "<D:lock-token-matches-request-uri/>"),
        other => not_locked(asked, &place, other),
    })?;
    let lock = Lock {
        until,
        ..Lock::clone(&own)
    };
    Ok(discovery(asked, &place, &lock, StatusCode::OK))
}

/// UNLOCK.
pub async fn unlock(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let sent = asked
        .head
        .headers
        .get("lock-token")
        .and_then(|token| token.to_str().ok());
    let token = sent.and_then(|token| token.trim().strip_prefix('<')?.strip_suffix('>'));
    let token = token.ok_or_else(|| bad_request("`Lock-Token` must be a token in angle brackets"))?;
    let place = asked.vfs.location(asked.session(), asked.path(), false).await;
    let place = place.map_err(|error| asked.refusal(&error))?;
    let locks = &asked.node().locks;
    let held = place.map(|place| locks.held(&place, false)).unwrap_or_default();
    let wanted = parse_token(token);
    let Some(lock) = held.into_iter().find(|lock| Some(lock.token) == wanted) else {
        return Err(condition(StatusCode::CONFLICT, "<D:lock-token-matches-request-uri/>"));
    };
    if lock.account != *asked.session().account() {
        let detail = "the lock is another account's";
        return Err(Box::new(answer::problem(StatusCode::FORBIDDEN, "denied", detail)));
    }
    let _working = asked.connection.work();
    let released = locks.release(lock.token, lock.account.clone()).await;
    released.map_err(|error| not_locked(asked, &lock.place, error))?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_nothing_else_is_one() {
        for _ in 0..100 {
            let token = new_token().unwrap();
            assert_eq!(parse_token(&show_token(token)), Some(token));
        }
        for text in [
            "",
            "urn:uuid:",
            "DAV:no-lock",
            "opaquelocktoken:181d4fae-7d8c-11d0-a765-00a0c91e6bf2",
            "urn:uuid:181d4fae7d8c-11d0-a765-00a0c91e6bf2-",
            "urn:uuid:181d4fae-7d8c-11d0-a765-00a0c91e6bfx",
            "urn:uuid:+81d4fae-7d8c-11d0-a765-00a0c91e6bf2",
        ] {
            assert_eq!(parse_token(text), None, "{text}");
        }
    }

    #[test]
    fn a_lock_never_holds_for_longer_than_we_let_it() {
        for (text, expected) in [
            (None, LOCK_SECONDS),
            (Some("Second-60"), 60),
            (Some("Infinite, Second-4100000000"), LOCK_SECONDS_MAX),
            (Some("Second-99999999999999"), LOCK_SECONDS_MAX),
            (Some("Second-0"), 1),
            (Some("Extend-1, second-7"), 7),
            (Some("later"), LOCK_SECONDS),
        ] {
            let mut headers = http::HeaderMap::new();
            if let Some(text) = text {
                headers.insert("timeout", text.parse().unwrap());
            }
            assert_eq!(seconds(&headers), expected, "{text:?}");
        }
    }
}
