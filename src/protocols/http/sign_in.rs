//! Who asks: the proof of a request becomes a session, by the same code and with the same events as everywhere.
//!
//! Proofs are judged by `auth`; sessions between requests are kept by `kept`.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use zeroize::Zeroizing;

use super::answer::{self, Answer};
use super::connection::Connection;
use super::kept::Live;
use crate::auth::{self, Beside, Joined, Proven};
use crate::events::Event;
use crate::protocols::node::{Arrival, NotBegun};
use crate::session::{LimitReached, Principal};

/// A name and a password (RFC 7617).
struct Basic {
    user: String,
    password: Zeroizing<String>,
}

/// Why there is no session.
pub enum NoSession {
    /// Nothing was shown.
    Nothing,
    /// What was shown is no proof, or is refused; why is for the journal.
    Refused,
    /// The proof was good and a limit was not: that is told.
    TooMany(&'static str),
    /// A cookie whose web session is over, or that never was one of ours.
    Over,
    /// A change that a page of somebody else has made the browser ask for.
    Forged,
}

impl NoSession {
    /// As an answer to a program or to a script of ours: a browser is not told to ask for a password by itself.
    pub fn to(&self, head: &http::request::Parts) -> Answer {
        let mut answer = self.answer();
        if matches!(self, Self::Over) || head.headers.contains_key("sec-fetch-dest") {
            answer.headers_mut().remove(header::WWW_AUTHENTICATE);
        }
        answer
    }

    /// As an answer of the file API and of WebDAV.
    pub fn answer(&self) -> Answer {
        let detail = match self {
            Self::TooMany(text) => {
                let mut answer = answer::problem(StatusCode::TOO_MANY_REQUESTS, "too-many-sessions", text);
                answer::set(&mut answer, header::RETRY_AFTER, "5");
                return answer;
            }
            Self::Forged => {
                let detail = "a change must be asked for by a page of this server; this one was not";
                return answer::problem(StatusCode::FORBIDDEN, "cross-site", detail);
            }
            Self::Over => "the web session is over; sign in again",
            Self::Nothing => "sign in with a name and a password (Basic)",
            Self::Refused => "the name or the proof is wrong, or the account may not sign in here",
        };
        let mut answer = answer::problem(StatusCode::UNAUTHORIZED, "unauthorized", detail);
        let challenge = HeaderValue::from_static("Basic realm=\"argosy\", charset=\"UTF-8\"");
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        answer
    }
}

/// The session of a request.
pub async fn session(connection: &Connection, headers: &HeaderMap) -> Result<Arc<Live>, NoSession> {
    let Some(shown) = headers.get(header::AUTHORIZATION) else {
        return Err(NoSession::Nothing);
    };
    let certificate = connection.certificate.as_ref();
    let fingerprint = certificate.map(|one| one.fingerprint_hex()).unwrap_or_default();
    let kept = &connection.service.kept;
    let mark = kept.mark(connection.peer, &[b"basic", shown.as_bytes(), fingerprint.as_bytes()]);
    if let Some(live) = kept.find(&mark) {
        connection.signed_in();
        return Ok(live);
    }
    let Some(basic) = basic(shown) else {
        return Err(NoSession::Refused);
    };
    let _turn = kept.turn(&mark).await;
    if let Some(live) = kept.find(&mark) {
        connection.signed_in();
        return Ok(live);
    }
    let proven = match prove(connection, &basic.user, &basic.password).await {
        Ok(Proved::Enough(principal, method)) => begin(connection, principal, method),
        Ok(Proved::MustChange(reason)) | Err(reason) => Err(Failed::Because(reason)),
    };
    match proven {
        Ok(live) => {
            connection.signed_in();
            Ok(kept.keep(mark, live))
        }
        Err(Failed::TooMany(text)) => Err(NoSession::TooMany(text)),
        Err(Failed::Because(reason)) => {
            refused(connection, &basic.user, reason);
            Err(NoSession::Refused)
        }
    }
}

/// Writes down that nobody was let in.
pub fn refused(connection: &Connection, claimed: &str, reason: String) {
    connection.failed();
    connection.service.node.journal.record(Event::LoginRefused {
        account: auth::shown_claim(claimed),
        peer: connection.peer,
        service: connection.service.name.clone(),
        protocol: connection.protocol(),
        method: "password",
        reason,
    });
}

/// What a name and a password came to.
pub enum Proved {
    /// All that the account must prove, and by what.
    Enough(Principal, &'static str),
    /// It would be, but the password must be changed first; why may be shown.
    MustChange(String),
}

/// Why a session was not begun.
pub enum Failed {
    /// For the journal.
    Because(String),
    /// For the peer.
    TooMany(&'static str),
}

fn basic(shown: &HeaderValue) -> Option<Basic> {
    let (scheme, encoded) = shown.to_str().ok()?.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let text = std::str::from_utf8(&decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    Some(Basic {
        user: user.to_owned(),
        password: Zeroizing::new(password.to_owned()),
    })
}

/// Judges the certificate that the connection has shown, and the password; an empty one beside a certificate is none.
pub async fn prove(connection: &Connection, user: &str, password: &Zeroizing<String>) -> Result<Proved, String> {
    let service = &connection.service;
    let (authenticator, from) = (&service.node.authenticator, connection.peer.ip());
    let mut before = None;
    if let Some(certificate) = &connection.certificate {
        let proven = authenticator.client_certificate(user, certificate, &service.name, from);
        let joined = proven.and_then(|principal| authenticator.join(None, principal, &service.name, from));
        match joined {
            Ok(Joined::Enough(principal)) => return Ok(Proved::Enough(principal, "certificate")),
            Ok(Joined::Partly(principal, _)) => before = Some(principal),
            Err(refused) if password.is_empty() => return Err(refused.reason),
            // A certificate that lets nobody in by itself may stand beside a password.
            Err(_) => {}
        }
    }
    let method = if before.is_some() {
        "certificate+password"
    } else {
        "password"
    };
    let proven = authenticator
        .prove_password(user, password.clone(), from)
        .await
        .map_err(|refused| refused.reason)?;
    let proven = match proven {
        Proven::SignedIn(principal) => principal,
        Proven::MustChange { principal, reason } => {
            let beside = beside(connection, before.as_ref());
            let may = authenticator.may_change(&principal, &beside);
            return may
                .map(|()| Proved::MustChange(reason))
                .map_err(|refused| refused.reason);
        }
    };
    match authenticator.join(before.as_ref(), proven, &service.name, from) {
        Ok(Joined::Enough(principal)) => Ok(Proved::Enough(
            match &connection.certificate {
                Some(certificate) => principal.within(certificate),
                None => principal,
            },
            method,
        )),
        Ok(Joined::Partly(..)) => {
            Err("the account needs a further proof, a client certificate for instance".to_owned())
        }
        Err(refused) => Err(refused.reason),
    }
}

/// What the certificate of the connection proves of the account besides a password.
pub fn before(connection: &Connection, user: &str) -> Option<Principal> {
    let certificate = connection.certificate.as_ref()?;
    let (service, from) = (&connection.service, connection.peer.ip());
    let authenticator = &service.node.authenticator;
    let proven = authenticator.client_certificate(user, certificate, &service.name, from);
    match authenticator.join(None, proven.ok()?, &service.name, from) {
        Ok(Joined::Partly(principal, _)) => Some(principal),
        Ok(Joined::Enough(_)) | Err(_) => None,
    }
}

/// What comes with a password that is to be changed.
pub fn beside<'a>(connection: &'a Connection, before: Option<&'a Principal>) -> Beside<'a> {
    Beside {
        before,
        service: &connection.service.name,
        from: connection.peer.ip(),
    }
}

/// Begins the session of who was proven.
pub fn begin(connection: &Connection, principal: Principal, method: &'static str) -> Result<Live, Failed> {
    let service = &connection.service;
    let arrival = Arrival {
        principal,
        peer: connection.peer,
        service: &service.name,
        settings: &connection.settings.spec,
        protocol: connection.protocol(),
        method,
    };
    match service.node.begin(arrival) {
        Ok(registered) => Ok(Live::new(registered, service.node.clone())),
        Err(NotBegun::Refused(reason)) => Err(Failed::Because(reason)),
        Err(NotBegun::TooMany(limit)) => Err(Failed::TooMany(match limit {
            LimitReached::Account => "too many sessions of this account on this node; try again later",
            LimitReached::Service => "too many sessions of this service on this node; try again later",
        })),
    }
}
