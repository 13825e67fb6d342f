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
use crate::auth::{self, Joined};
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
}

impl NoSession {
    /// As an answer of the file API and of WebDAV.
    pub fn answer(&self) -> Answer {
        let detail = match self {
            Self::TooMany(text) => {
                let mut answer = answer::problem(StatusCode::TOO_MANY_REQUESTS, "too-many-sessions", text);
                answer::set(&mut answer, header::RETRY_AFTER, "5");
                return answer;
            }
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
    let live = match prove(connection, &basic).await {
        Ok((principal, method)) => begin(connection, principal, method),
        Err(reason) => Err(Failed::Because(reason)),
    };
    match live {
        Ok(live) => {
            connection.signed_in();
            Ok(kept.keep(mark, live))
        }
        Err(Failed::TooMany(text)) => Err(NoSession::TooMany(text)),
        Err(Failed::Because(reason)) => {
            connection.failed();
            connection.service.node.journal.record(Event::LoginRefused {
                account: auth::shown_claim(&basic.user),
                peer: connection.peer,
                service: connection.service.name.clone(),
                protocol: connection.protocol(),
                method: "password",
                reason,
            });
            Err(NoSession::Refused)
        }
    }
}

enum Failed {
    Because(String),
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
async fn prove(connection: &Connection, basic: &Basic) -> Result<(Principal, &'static str), String> {
    let service = &connection.service;
    let (authenticator, from) = (&service.node.authenticator, connection.peer.ip());
    let mut before = None;
    if let Some(certificate) = &connection.certificate {
        let proven = authenticator.client_certificate(&basic.user, certificate, &service.name, from);
        let joined = proven.and_then(|principal| authenticator.join(None, principal, &service.name, from));
        match joined {
            Ok(Joined::Enough(principal)) => return Ok((principal, "certificate")),
            Ok(Joined::Partly(principal, _)) => before = Some(principal),
            Err(refused) if basic.password.is_empty() => return Err(refused.reason),
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
        .password(&basic.user, basic.password.clone(), from)
        .await
        .map_err(|refused| refused.reason)?;
    match authenticator.join(before.as_ref(), proven, &service.name, from) {
        Ok(Joined::Enough(principal)) => Ok((
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

fn begin(connection: &Connection, principal: Principal, method: &'static str) -> Result<Live, Failed> {
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
