//! The file manager: pages for people, whole without a script where that is cheap, and better with the scripts in
//! `assets`.
//!
//! | Path | What is there |
//! |---|---|
//! | `/files/...` | a folder; the path of a file leads to the file |
//! | `/sign-in`, `/sign-out` | a cookie given and taken away |
//! | `/account` | the account's own page |
//! | `/assets/...` | scripts and styles |
//!
//! The cookie is left to `web_session`; what scripts ask for, to the file API.

mod account;
mod assets;
mod folder;
mod gather;
pub mod html;
mod sign_in;

use std::sync::Arc;

use http::request::Parts;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::answer::{self, Answer};
use super::connection::Connection;
use super::kept::Live;
use super::limits::FORM_BYTES_MAX;
use super::sign_in::NoSession;
use super::target::Query;
use super::web_session::{self, WebSession};
use html::{Page, escape};

/// Answers one request for a page.
pub async fn answer(connection: &Arc<Connection>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let looks = web_session::only_looks(&head.method);
    let path = head.uri.path();
    if !looks && !web_session::is_ours(connection, &head) {
        let text = "A change must be asked for by a page of this server; this one was not.";
        return said(StatusCode::FORBIDDEN, "Not done", text);
    }
    let allowed = match path {
        "/sign-in" | "/account" => "GET, HEAD, POST",
        "/sign-out" | "/account/sessions" => "POST",
        _ => "GET, HEAD",
    };
    if !allowed.split(", ").any(|method| method == head.method.as_str()) {
        return answer::not_allowed(allowed);
    }
    let mut answer = match path {
        "/sign-in" if looks => sign_in::page(connection, &head),
        "/sign-in" => sign_in::post(connection, body).await,
        "/sign-out" => sign_in::out(connection, &head).await,
        "/" => to("/files/"),
        "/account" if looks => account::page(connection, &head),
        "/account" => account::password(connection, &head, body).await,
        "/account/sessions" => account::end_session(connection, &head, body).await,
        _ => match (assets::answer(path), path.strip_prefix("/files")) {
            (Some(answer), _) => answer,
            (None, Some(rest)) if rest.is_empty() || rest.starts_with('/') => {
                folder::page(connection, &head, rest).await
            }
            _ => said(StatusCode::NOT_FOUND, "Not here", "There is no page of this name."),
        },
    };
    if connection.is_secure() {
        // Browsers complain of it where it comes by plain HTTP.
        let opener = http::HeaderName::from_static("cross-origin-opener-policy");
        answer::set(&mut answer, opener, "same-origin");
    }
    match head.method {
        Method::HEAD => answer.map(|_| answer::nothing()),
        _ => answer,
    }
}

/// To another page, by GET (303).
fn to(place: &str) -> Answer {
    let mut answer = answer::empty(StatusCode::SEE_OTHER);
    answer::set(&mut answer, header::LOCATION, place);
    answer::set(&mut answer, header::CACHE_CONTROL, "no-store");
    answer
}

/// A page that says one thing; `text` is plain.
fn said(status: StatusCode, title: &str, text: &str) -> Answer {
    let body = format!(
        "<main id=\"main\" class=\"gate\"><h1>{}</h1><p>{}</p><p><a href=\"/files/\">To your files</a></p></main>",
        escape(title),
        escape(text)
    );
    Page {
        title,
        account: None,
        goes_to: None,
        body: &body,
    }
    .answer(status)
}

/// Who asks for a page; an error is what is shown instead.
fn signed_in(connection: &Connection, head: &Parts) -> Result<(WebSession, Arc<Live>), Box<Answer>> {
    let refused = match web_session::by_cookie(connection, &head.headers) {
        Ok(found) => return Ok(found),
        Err(refused) => refused,
    };
    let place = head.uri.path_and_query().map_or("/files/", |place| place.as_str());
    let from_elsewhere = head
        .headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site" || site == "same-site");
    Err(Box::new(match refused {
        // Browsers do not send the cookie along with a link on a page of somebody else; from a page of ours they do.
        NoSession::Nothing if from_elsewhere && head.method == Method::GET => Page {
            title: "One moment",
            account: None,
            goes_to: Some(place),
            body: "<main id=\"main\" class=\"gate\"><p>One moment.</p></main>",
        }
        .answer(StatusCode::OK),
        NoSession::TooMany(text) => said(StatusCode::TOO_MANY_REQUESTS, "Not now", text),
        NoSession::Nothing => sign_in::Form::new(place).answer(StatusCode::UNAUTHORIZED),
        NoSession::Refused | NoSession::Over | NoSession::Forged => {
            let mut form = sign_in::Form::new(place);
            form.says = "You are signed in no more. Sign in again to go on.";
            let mut answer = form.answer(StatusCode::UNAUTHORIZED);
            web_session::clear(connection, &mut answer);
            answer
        }
    }))
}

/// The fields of a form; `None`: it is too long, or no form.
async fn fields(body: Incoming) -> Option<Query> {
    let body = Limited::new(body, FORM_BYTES_MAX).collect().await.ok()?;
    let bytes = zeroize::Zeroizing::new(body.to_bytes().to_vec());
    Query::parse(Some(std::str::from_utf8(&bytes).ok()?)).ok()
}

/// A field as text.
fn field(fields: &Query, name: &str) -> String {
    String::from_utf8_lossy(fields.get(name).unwrap_or_default()).into_owned()
}
