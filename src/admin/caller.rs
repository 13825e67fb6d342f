//! Who asks: the guard in front of every route. One value, [`Caller`], or a refusal; nothing in between.
//!
//! What each route needs stands in `roles`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};

use super::border::{TOKEN_PREFIX, sha256};
use super::problem::{Problem, ProblemKind};
use super::roles::{self, Needs};
use super::{AdminApi, limits};
use crate::catalog::apply::authority;
use crate::catalog::{Actor, Role, View};
use crate::clock::UnixMillis;
use crate::events::Event;
use crate::ids::Name;

/// Where a request came in; set by `serve`, never read from the request itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The local socket; the peer was found to be root or the node's own user.
    Local,
    /// The TLS port.
    Remote(SocketAddr),
}

impl Origin {
    /// The caller's address; `None`: on this machine.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Self::Local => None,
            Self::Remote(peer) => Some(peer.ip().to_canonical()),
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local => f.write_str("local socket"),
            Self::Remote(address) => write!(f, "{address}"),
        }
    }
}

/// Who asks, proven.
#[derive(Debug, Clone)]
pub struct Caller {
    /// As it stands in a command.
    pub actor: Actor,
    /// What may be done.
    pub role: Role,
    /// Where the request came in.
    pub origin: Origin,
}

impl Caller {
    /// Refuses a caller whose role is below `role`.
    pub fn need(&self, role: Role) -> Result<(), Problem> {
        if self.role >= role {
            return Ok(());
        }
        Err(Problem::new(
            ProblemKind::Forbidden,
            format!(
                "this needs the role {}, and {self} is {}",
                role.word(),
                self.role.word()
            ),
        )
        .with("role_needed", role.word()))
    }

    /// [`Self::need`] by a confirmed state, for what is done outside the catalog and so is not judged in apply.
    ///
    /// Root needs no confirmation: no state can take its right away. Without a quorum an administrator is refused.
    pub async fn confirm(&self, api: &AdminApi, role: Role) -> Result<(), Problem> {
        if matches!(self.actor, Actor::Root { .. }) {
            return Ok(());
        }
        api.cluster.linearize(limits::READ_DEADLINE).await.map_err(|error| {
            let detail = format!(
                "nothing was done: it cannot be confirmed that {self} may still do this: {error}; \
                 ask another node, or root on the local socket"
            );
            Problem::new(ProblemKind::NotConfirmed, detail)
        })?;
        let forbidden = |reason| Problem::new(ProblemKind::Forbidden, reason);
        let role_now = authority(&api.cluster.view(), &self.actor, api.clock.now()).map_err(forbidden)?;
        let now = Self {
            role: role_now,
            ..self.clone()
        };
        now.need(role)
    }
}

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.actor {
            Actor::Root { node } => write!(f, "root@{node}"),
            Actor::Administrator { name, .. } | Actor::Account { name } => write!(f, "{name}"),
        }
    }
}

/// Authenticates and authorizes a request, bounds its time, and lets it through with a [`Caller`].
pub async fn guard(State(api): State<Arc<AdminApi>>, mut request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let needs = path
        .as_ref()
        .map(|path| roles::needs(request.method().as_str(), path.as_str()));
    let mut response = if needs == Some(Some(Needs::Nothing)) {
        bounded(request, next).await
    } else {
        let origin = request.extensions().get::<Origin>().copied();
        let presented = bearer(request.headers());
        match authenticate(&api, origin, presented).await {
            Err(problem) => problem.into_response(),
            Ok(caller) => match allowed(&caller, needs) {
                Err(problem) => problem.into_response(),
                Ok(()) => {
                    request.extensions_mut().insert(caller);
                    bounded(request, next).await
                }
            },
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// `needs`: `None` for no such path, `Some(None)` for a method that has no row.
fn allowed(caller: &Caller, needs: Option<Option<Needs>>) -> Result<(), Problem> {
    match needs {
        // The router's own answer, 404 or 405, follows.
        None | Some(None) | Some(Some(Needs::Nothing)) => Ok(()),
        Some(Some(Needs::Role(role))) => caller.need(role),
    }
}

async fn bounded(request: Request, next: Next) -> Response {
    match tokio::time::timeout(limits::REQUEST_DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(
            ProblemKind::OutcomeUnknown,
            format!("the request took over {} s", limits::REQUEST_DEADLINE.as_secs()),
        )
        .with("outcome", "unknown")
        .into_response(),
    }
}

async fn authenticate(api: &AdminApi, origin: Option<Origin>, presented: Presented) -> Result<Caller, Problem> {
    let Some(origin) = origin else {
        return Err(refusal());
    };
    if origin == Origin::Local && presented == Presented::Nothing {
        return Ok(Caller {
            actor: Actor::Root { node: api.node.clone() },
            role: Role::Owner,
            origin,
        });
    }
    let found = match &presented {
        Presented::Token(token) => find(&api.cluster.view(), token, api.clock.now()),
        Presented::Nothing | Presented::Other => None,
    };
    if let Some((actor, role)) = found {
        return Ok(Caller { actor, role, origin });
    }
    refuse(api, origin, &presented).await
}

/// The same answer for a missing, malformed, unknown, expired and disabled credential.
fn refusal() -> Problem {
    Problem::new(
        ProblemKind::Unauthorized,
        "send a valid API token as `Authorization: Bearer argosy_...`",
    )
}

async fn refuse(api: &AdminApi, origin: Origin, presented: &Presented) -> Result<Caller, Problem> {
    let Origin::Remote(peer) = origin else {
        return Err(refusal());
    };
    if *presented != Presented::Nothing {
        if let Ok(service) = Name::parse("admin") {
            api.journal.record(Event::LoginRefused {
                account: String::new(),
                peer,
                service,
                protocol: "admin",
                method: "token",
                reason: "no valid API token".to_owned(),
            });
        }
        let address: IpAddr = peer.ip();
        if !api.failures.delay(address, api.clock.now()).await {
            return Err(Problem::new(
                ProblemKind::TooManyFailures,
                "too many requests with invalid tokens; wait a moment",
            ));
        }
    }
    Err(refusal())
}

#[derive(PartialEq, Eq)]
enum Presented {
    Nothing,
    Token(String),
    Other,
}

fn bearer(headers: &HeaderMap) -> Presented {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return if headers.contains_key(header::AUTHORIZATION) {
            Presented::Other
        } else {
            Presented::Nothing
        };
    };
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        (scheme.eq_ignore_ascii_case("bearer") && token.starts_with(TOKEN_PREFIX)).then(|| token.to_owned())
    });
    token.map_or(Presented::Other, Presented::Token)
}

/// Finds the token's row by the hash of its secret, comparing in constant time, and judges it and its administrator.
fn find(view: &View, token: &str, now: UnixMillis) -> Option<(Actor, Role)> {
    let hash = sha256(token.as_bytes());
    let row = view
        .api_tokens
        .values()
        .find(|row| aws_lc_rs::constant_time::verify_slices_are_equal(&row.spec.secret_hash, &hash).is_ok())?;
    if row.spec.expires_at.is_some_and(|expires_at| expires_at <= now) {
        return None;
    }
    let administrator = view.administrators.get(&row.spec.administrator)?;
    let actor = Actor::Administrator {
        name: administrator.name.clone(),
        token: row.name.clone(),
        secret_hash: row.spec.secret_hash,
    };
    administrator.spec.enabled.then_some((actor, administrator.spec.role))
}
