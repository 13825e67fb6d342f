//! The session of a person with a browser: a sealed cookie that any node opens and judges by itself, with or without
//! a quorum.
//!
//! The cookie says who proved what; whether that still lets anybody in is judged at each request by `auth`. Forms and
//! pages are left to `pages`, proofs sent with each request to `sign_in`.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use http::{HeaderMap, Method, header};

use super::answer::{self, Answer};
use super::connection::Connection;
use super::kept::{Live, Mark};
use super::limits::COOKIE_BYTES_MAX;
use super::sign_in::{self, Failed, NoSession};
use crate::auth::Joined;
use crate::clock::UnixMillis;
use crate::ids::Name;
use crate::listener::tls::SharedSecret;
use crate::session::{CloseReason, Credential, Principal};

const CONTEXT: &[u8] = b"web session 1";
const NONCE_BYTES: usize = 12;

/// How the certificate of the connection stands to what was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// It was a proof.
    Proof,
    /// It lets nobody in by itself, but must stay trusted.
    Beside,
}

/// What the cookie holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSession {
    /// 128 random bits.
    pub id: u128,
    /// Whose.
    pub account: Name,
    /// When it was begun.
    pub issued: UnixMillis,
    /// When it ends.
    pub until: UnixMillis,
    /// SHA-256 of the stored hash that the password matched.
    password: Option<[u8; 32]>,
    /// The fingerprint of the client certificate that must be shown with it.
    certificate: Option<(Part, [u8; 32])>,
}

impl WebSession {
    /// One that begins now from what was proven; `None`: it was proven by something that no browser has, or the random
    /// generator failed.
    pub fn begin(connection: &Connection, principal: &Principal) -> Option<Self> {
        let mut id = [0; 16];
        aws_lc_rs::rand::fill(&mut id).ok()?;
        let issued = connection.service.node.clock.now();
        let seconds = i64::from(connection.spoken().web_session_seconds);
        let mut session = Self {
            id: u128::from_le_bytes(id),
            account: principal.account.clone(),
            issued,
            until: UnixMillis(issued.0.saturating_add(seconds * 1000)),
            password: None,
            certificate: None,
        };
        session.takes(&principal.credential).then_some(session)
    }

    fn takes(&mut self, credential: &Credential) -> bool {
        match credential {
            Credential::Password { hash_digest } => self.password = Some(*hash_digest),
            Credential::ClientCertificate(shown) => self.certificate = Some((Part::Proof, shown.fingerprint)),
            Credential::Within(within) => {
                self.certificate = Some((Part::Beside, within.1.fingerprint));
                return self.takes(&within.0);
            }
            Credential::Both(both) => return self.takes(&both.0) && self.takes(&both.1),
            Credential::Key { .. } | Credential::Certificate(_) => return false,
        }
        true
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.id.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.issued.0.to_be_bytes());
        bytes.extend_from_slice(&self.until.0.to_be_bytes());
        bytes.push(u8::from(self.password.is_some()));
        bytes.extend_from_slice(&self.password.unwrap_or_default());
        bytes.push(match self.certificate {
            None => 0,
            Some((Part::Proof, _)) => 1,
            Some((Part::Beside, _)) => 2,
        });
        bytes.extend_from_slice(&self.certificate.map(|(_, fingerprint)| fingerprint).unwrap_or_default());
        bytes.extend_from_slice(self.account.as_str().as_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        let (issued, rest) = rest.split_first_chunk::<8>()?;
        let (until, rest) = rest.split_first_chunk::<8>()?;
        let (has_password, rest) = rest.split_first()?;
        let (password, rest) = rest.split_first_chunk::<32>()?;
        let (part, rest) = rest.split_first()?;
        let (fingerprint, account) = rest.split_first_chunk::<32>()?;
        Some(Self {
            id: u128::from_be_bytes(*id),
            account: Name::parse(std::str::from_utf8(account).ok()?).ok()?,
            issued: UnixMillis(i64::from_be_bytes(*issued)),
            until: UnixMillis(i64::from_be_bytes(*until)),
            password: (*has_password == 1).then_some(*password),
            certificate: match part {
                0 => None,
                1 => Some((Part::Proof, *fingerprint)),
                2 => Some((Part::Beside, *fingerprint)),
                _ => return None,
            },
        })
    }

    /// As the value of a cookie that only nodes of this cluster open, for this service alone; `None`: this node does
    /// not hold the key.
    fn seal(&self, secret: &SharedSecret, service: &Name) -> Option<String> {
        let mut body = self.encode();
        let nonce = key(secret)?
            .seal_in_place_append_tag(Aad::from(service.as_str().as_bytes()), &mut body)
            .ok()?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.extend_from_slice(&body);
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What [`seal`](Self::seal) made. Of a data key that was replaced nothing is opened: who was removed from the
    /// cluster could have made it.
    fn open(sealed: &str, secret: &SharedSecret, service: &Name) -> Option<Self> {
        if sealed.len() > COOKIE_BYTES_MAX {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, body) = sealed.split_at_checked(NONCE_BYTES)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = body.to_vec();
        let plain = key(secret)?
            .open_in_place(nonce, Aad::from(service.as_str().as_bytes()), &mut body)
            .ok()?;
        Self::decode(plain)
    }

    /// Who it is, judged anew.
    fn principal(&self, connection: &Connection) -> Result<Principal, String> {
        let (service, from) = (&connection.service, connection.peer.ip());
        let authenticator = &service.node.authenticator;
        let shown = match (&self.certificate, &connection.certificate) {
            (None, shown) => shown.as_ref(),
            (Some((_, fingerprint)), Some(shown)) if shown.fingerprint == *fingerprint => Some(shown),
            (Some(_), _) => return Err("the certificate that it began with is not shown".to_owned()),
        };
        let mut proven = None;
        if let (Some((Part::Proof, _)), Some(shown)) = (&self.certificate, shown) {
            let one = authenticator.client_certificate(self.account.as_str(), shown, &service.name, from);
            proven = Some(one.map_err(|refused| refused.reason)?);
        }
        if let Some(hash_digest) = self.password {
            let password = Principal {
                account: self.account.clone(),
                credential: Credential::Password { hash_digest },
            };
            proven = match authenticator.join(proven.as_ref(), password, &service.name, from) {
                Ok(Joined::Enough(principal) | Joined::Partly(principal, _)) => Some(principal),
                Err(refused) => return Err(refused.reason),
            };
        }
        let principal = proven.ok_or("it proves nothing")?;
        Ok(match shown {
            Some(shown) => principal.within(shown),
            None => principal,
        })
    }

    /// Whether it is over at `now`, also by the settings of today.
    fn is_over(&self, seconds: u32, now: UnixMillis) -> bool {
        let most = self.issued.0.saturating_add(i64::from(seconds) * 1000);
        now >= self.until || now.0 >= most
    }
}

fn key(secret: &SharedSecret) -> Option<RandomizedNonceKey> {
    RandomizedNonceKey::new(&AES_256_GCM, &secret(CONTEXT)?[..]).ok()
}

/// The cookie's name: over TLS one that browsers keep apart from other hosts and paths.
fn cookie_name(connection: &Connection) -> &'static str {
    if connection.is_secure() {
        "__Host-argosy"
    } else {
        "argosy"
    }
}

/// The value of our cookie.
fn cookie<'a>(connection: &Connection, headers: &'a HeaderMap) -> Option<&'a str> {
    let name = cookie_name(connection);
    let all = headers.get_all(header::COOKIE).iter();
    let mut pairs = all
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// Whether a request came with our cookie and without another proof.
pub fn is_shown(connection: &Connection, headers: &HeaderMap) -> bool {
    !headers.contains_key(header::AUTHORIZATION) && cookie(connection, headers).is_some()
}

/// Begins the web session of who was proven, by the code by which all sessions begin, and gives the browser its cookie.
pub fn begin(
    connection: &Connection,
    principal: &Principal,
    method: &'static str,
    answer: &mut Answer,
) -> Result<(), Failed> {
    let because = |text: &str| Failed::Because(text.to_owned());
    let service = &connection.service;
    let web = WebSession::begin(connection, principal);
    let web = web.ok_or_else(|| because("no web session can begin from this proof"))?;
    let sealed = web.seal(&service.node.secret, &service.name);
    let sealed = sealed.ok_or_else(|| because("this node does not hold the cluster's key yet"))?;
    let live = sign_in::begin(connection, principal.clone(), method)?;
    connection.signed_in();
    let mark = mark(connection, &sealed);
    service.kept.keep(mark, live.of_web(web.id, web.until));
    let seconds = web.until.0.saturating_sub(web.issued.0) / 1000;
    set(connection, &sealed, seconds, answer);
    Ok(())
}

/// By what the session of a cookie is kept.
fn mark(connection: &Connection, sealed: &str) -> Mark {
    let shown = connection.certificate.as_ref().map(|one| one.fingerprint_hex());
    let shown = shown.unwrap_or_default();
    let parts = [&b"cookie"[..], sealed.as_bytes(), shown.as_bytes()];
    connection.service.kept.mark(connection.peer, &parts)
}

/// Takes the cookie away.
pub fn clear(connection: &Connection, answer: &mut Answer) {
    set(connection, "", 0, answer);
}

fn set(connection: &Connection, value: &str, seconds: i64, answer: &mut Answer) {
    let secure = if connection.is_secure() { "; Secure" } else { "" };
    let name = cookie_name(connection);
    let cookie = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    answer::set(answer, header::SET_COOKIE, &cookie);
}

/// Whether a request that changes something was sent by a page of ours: browsers say so, and nothing else counts.
/// Where they do not say it (plain HTTP), `Origin` must name the place that the request was sent to.
pub fn is_ours(connection: &Connection, head: &Parts) -> bool {
    let said = |name: &str| head.headers.get(name).map(http::HeaderValue::as_bytes);
    if let Some(site) = said("sec-fetch-site") {
        return site == b"same-origin";
    }
    let host = match head.uri.authority() {
        Some(authority) => Some(authority.as_str().as_bytes()),
        None => said("host"),
    };
    let (Some(origin), Some(host)) = (said("origin"), host) else {
        return false;
    };
    let scheme = format!("{}://", connection.protocol());
    origin
        .strip_prefix(scheme.as_bytes())
        .is_some_and(|named| named.eq_ignore_ascii_case(host))
}

/// Whether a method only looks.
pub fn only_looks(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The session of a request that may come from a browser or from a program.
pub async fn session(connection: &Connection, head: &Parts) -> Result<Arc<Live>, NoSession> {
    if !is_shown(connection, &head.headers) {
        // A browser that was once asked for a password sends it along, whoever made the request.
        let foreign = head.headers.get("sec-fetch-site").is_some_and(|site| {
            let site = site.as_bytes();
            site != b"same-origin" && site != b"none"
        });
        if foreign && !only_looks(&head.method) {
            return Err(NoSession::Forged);
        }
        return sign_in::session(connection, &head.headers).await;
    }
    if !only_looks(&head.method) && !is_ours(connection, head) {
        return Err(NoSession::Forged);
    }
    by_cookie(connection, &head.headers).map(|(_, live)| live)
}

/// The web session of a cookie, if it is one and goes on; and the cookie.
fn opened<'a>(connection: &Connection, headers: &'a HeaderMap) -> Result<(WebSession, &'a str), NoSession> {
    let sealed = cookie(connection, headers).ok_or(NoSession::Nothing)?;
    let (service, node) = (&connection.service, &connection.service.node);
    let web = WebSession::open(sealed, &node.secret, &service.name).ok_or(NoSession::Over)?;
    let seconds = connection.spoken().web_session_seconds;
    if web.is_over(seconds, node.clock.now()) || node.ended.has(web.id) {
        if let Some(live) = service.kept.find(&mark(connection, sealed)) {
            live.session().close(signed_out());
        }
        return Err(NoSession::Over);
    }
    Ok((web, sealed))
}

/// Ends the web session of a cookie on all nodes. An error says why it is not known whether it has ended everywhere.
pub async fn end(connection: &Connection, headers: &HeaderMap) -> Result<(), String> {
    let Ok((web, sealed)) = opened(connection, headers) else {
        return Ok(());
    };
    let service = &connection.service;
    let ended = service.node.ended.end(web.id, web.account, web.until).await;
    if let Some(live) = service.kept.find(&mark(connection, sealed)) {
        live.session().close(signed_out());
    }
    ended
}

/// The session of a cookie.
pub fn by_cookie(connection: &Connection, headers: &HeaderMap) -> Result<(WebSession, Arc<Live>), NoSession> {
    let (web, sealed) = opened(connection, headers)?;
    let (service, node) = (&connection.service, &connection.service.node);
    let mark = mark(connection, sealed);
    let kept = service.kept.find(&mark);
    if let Some(live) = kept {
        if let Err(reason) = node.authenticator.judge_new(live.session(), &node.name) {
            live.session().close(reason);
            return Err(NoSession::Over);
        }
        connection.signed_in();
        return Ok((web, live));
    }
    let begun = web
        .principal(connection)
        .map_err(|_| NoSession::Over)
        .and_then(|principal| {
            sign_in::begin(connection, principal, "web session").map_err(|failed| match failed {
                Failed::TooMany(text) => NoSession::TooMany(text),
                Failed::Because(_) => NoSession::Over,
            })
        })?;
    connection.signed_in();
    let live = service.kept.keep(mark, begun.of_web(web.id, web.until));
    Ok((web, live))
}

/// Why sessions of a web session end that has ended.
pub fn signed_out() -> CloseReason {
    CloseReason::Revoked("the person signed out, or the time of the web session is over".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn web() -> WebSession {
        WebSession {
            id: 5,
            account: Name::parse("alice").unwrap(),
            issued: UnixMillis(1_000_000),
            until: UnixMillis(4_600_000),
            password: Some([3; 32]),
            certificate: Some((Part::Beside, [4; 32])),
        }
    }

    fn secret(byte: u8) -> SharedSecret {
        Arc::new(move |_| Some(zeroize::Zeroizing::new([byte; 32])))
    }

    #[test]
    fn a_cookie_opens_as_it_was_sealed_and_by_nobody_else() {
        let service = Name::parse("web").unwrap();
        let sealed = web().seal(&secret(1), &service).unwrap();
        assert_eq!(WebSession::open(&sealed, &secret(1), &service), Some(web()));
        assert_eq!(WebSession::open(&sealed, &secret(2), &service), None, "another key");
        let other = Name::parse("other").unwrap();
        assert_eq!(WebSession::open(&sealed, &secret(1), &other), None, "another service");
        assert_ne!(web().seal(&secret(1), &service).unwrap(), sealed);
        let absent: SharedSecret = Arc::new(|_| None);
        assert_eq!(WebSession::open(&sealed, &absent, &service), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(WebSession::open(&changed, &secret(1), &service), None, "byte {at}");
        }
        assert_eq!(WebSession::open(&"A".repeat(100_000), &secret(1), &service), None);
        assert_eq!(WebSession::open("", &secret(1), &service), None);
    }

    #[test]
    fn it_is_over_by_its_own_time_and_by_the_settings_of_today() {
        for (seconds, now, over) in [
            (3600, 1_000_000, false),
            (3600, 4_599_999, false),
            (3600, 4_600_000, true),
            (60, 1_059_999, false),
            (60, 1_060_000, true),
            (100_000, 4_600_000, true),
        ] {
            assert_eq!(web().is_over(seconds, UnixMillis(now)), over, "{seconds} {now}");
        }
    }
}
