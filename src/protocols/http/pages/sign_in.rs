//! Signing in and out with a form.
//!
//! Proofs are judged by the room's `sign_in`, as those of programs are.

use http::StatusCode;
use http::request::Parts;
use hyper::body::Incoming;
use zeroize::Zeroizing;

use super::html::{Page, escape};
use super::{assets, field, fields, said, to};
use crate::auth::NotChanged;
use crate::protocols::http::answer::Answer;
use crate::protocols::http::connection::Connection;
use crate::protocols::http::sign_in::{self, Failed, Proved, before, beside};
use crate::protocols::http::target::Query;
use crate::protocols::http::web_session;
use crate::session::Principal;

/// One answer for all refusals.
const WRONG: &str = "The name or the password is wrong, or you may not sign in here.";

/// The form.
pub(super) struct Form<'a> {
    /// Where to go on afterwards.
    next: &'a str,
    /// What is said above it.
    pub(super) says: &'a str,
    /// The name that was given.
    name: &'a str,
    /// A new password is asked for too.
    changes: bool,
}

impl<'a> Form<'a> {
    pub(super) fn new(next: &'a str) -> Self {
        Self {
            next,
            says: "",
            name: "",
            changes: false,
        }
    }

    pub(super) fn answer(&self, status: StatusCode) -> Answer {
        let said = match self.says {
            "" => String::new(),
            text => format!("<p class=\"said\" role=\"alert\">{}</p>", escape(text)),
        };
        let (name, next) = (escape(self.name), escape(self.next));
        let (first, second) = if self.name.is_empty() {
            ("autofocus", "")
        } else {
            ("", "autofocus")
        };
        let (heading, old, more, button) = if self.changes {
            let more = "<label for=\"new\">New password</label>\
                <input id=\"new\" name=\"new\" type=\"password\" autocomplete=\"new-password\" required>\
                <label for=\"again\">The new password again</label>\
                <input id=\"again\" name=\"again\" type=\"password\" autocomplete=\"new-password\" required>";
            ("Choose a new password", "Present password", more, "Change and sign in")
        } else {
            ("Sign in", "Password", "", "Sign in")
        };
        let icon = assets::href("icon.svg");
        let body = format!(
            "<main id=\"main\" class=\"gate\"><img src=\"{icon}\" alt=\"\" width=\"40\" height=\"40\">\
             <h1>{heading}</h1>{said}<form method=\"post\" action=\"/sign-in\">\
             <label for=\"name\">Name</label><input id=\"name\" name=\"name\" value=\"{name}\" \
             autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" required {first}>\
             <label for=\"password\">{old}</label><input id=\"password\" name=\"password\" type=\"password\" \
             autocomplete=\"current-password\" {second}>{more}\
             <input type=\"hidden\" name=\"next\" value=\"{next}\"><button class=\"main\">{button}</button></form></main>"
        );
        Page {
            title: heading,
            account: None,
            goes_to: None,
            body: &body,
        }
        .answer(status)
    }
}

/// Where to go on: a page of ours, never another host's.
fn next(sent: &str) -> &str {
    let ours = ["/files/", "/account"].iter().any(|ours| sent.starts_with(ours));
    let plain = sent.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if ours && plain { sent } else { "/files/" }
}

/// GET.
pub(super) fn page(connection: &Connection, head: &Parts) -> Answer {
    let query = Query::parse(head.uri.query()).unwrap_or_default();
    let place = field(&query, "next");
    if web_session::by_cookie(connection, &head.headers).is_ok() {
        return to(next(&place));
    }
    Form::new(next(&place)).answer(StatusCode::OK)
}

/// POST: name, password, where to go on; with a new password where it must be changed.
pub(super) async fn post(connection: &Connection, body: Incoming) -> Answer {
    let Some(sent) = fields(body).await else {
        return said(StatusCode::BAD_REQUEST, "Not done", "The form could not be read.");
    };
    let _working = connection.work();
    let (name, place) = (field(&sent, "name"), field(&sent, "next"));
    let password = Zeroizing::new(field(&sent, "password"));
    let mut form = Form::new(next(&place));
    form.name = &name;
    let proven = if sent.get("new").is_some() {
        form.changes = true;
        let new = Zeroizing::new(field(&sent, "new"));
        if *new != field(&sent, "again") {
            form.says = "The new password was not written twice alike.";
            return form.answer(StatusCode::UNPROCESSABLE_ENTITY);
        }
        match change(connection, &name, password, new).await {
            Ok(principal) => Ok((principal, "password")),
            Err(NotChanged::Rules(complaints)) => {
                let text = format!("The new password {}.", complaints.join("; it "));
                form.says = &text;
                return form.answer(StatusCode::UNPROCESSABLE_ENTITY);
            }
            Err(NotChanged::Unavailable(reason)) => {
                tracing::warn!(account = %crate::auth::shown_claim(&name), reason, "a password was not changed");
                form.says = "The password could not be changed now. Try again in a moment.";
                return form.answer(StatusCode::SERVICE_UNAVAILABLE);
            }
            Err(NotChanged::Refused(refused)) => {
                form.changes = false;
                Err(refused.reason)
            }
        }
    } else {
        match sign_in::prove(connection, &name, &password).await {
            Ok(Proved::Enough(principal, method)) => Ok((principal, method)),
            Ok(Proved::MustChange(reason)) => {
                let text = format!("Before you go on, choose a new password: {reason}.");
                form.changes = true;
                form.says = &text;
                return form.answer(StatusCode::OK);
            }
            Err(reason) => Err(reason),
        }
    };
    let begun = proven
        .map_err(Failed::Because)
        .and_then(|(principal, method)| begin(connection, &principal, method, form.next));
    match begun {
        Ok(answer) => answer,
        Err(Failed::TooMany(text)) => {
            form.says = text;
            form.answer(StatusCode::TOO_MANY_REQUESTS)
        }
        Err(Failed::Because(reason)) => {
            sign_in::refused(connection, &name, reason);
            form.says = WRONG;
            form.answer(StatusCode::UNAUTHORIZED)
        }
    }
}

/// Gives an account a new password.
pub(super) async fn change(
    connection: &Connection,
    name: &str,
    old: Zeroizing<String>,
    new: Zeroizing<String>,
) -> Result<Principal, NotChanged> {
    let before = before(connection, name);
    let authenticator = &connection.service.node.authenticator;
    let changed = authenticator
        .change_password(name, old, new, beside(connection, before.as_ref()))
        .await?;
    Ok(match (before, &connection.certificate) {
        (Some(before), _) => Principal {
            account: changed.account,
            credential: crate::session::Credential::Both(Box::new((before.credential, changed.credential))),
        },
        (None, Some(shown)) => changed.within(shown),
        (None, None) => changed,
    })
}

/// Begins a web session and goes on to `place`.
pub(super) fn begin(
    connection: &Connection,
    principal: &Principal,
    method: &'static str,
    place: &str,
) -> Result<Answer, Failed> {
    let mut answer = to(place);
    web_session::begin(connection, principal, method, &mut answer)?;
    Ok(answer)
}

/// POST: ends the web session on all nodes.
pub(super) async fn out(connection: &Connection, head: &Parts) -> Answer {
    let mut answer = match web_session::end(connection, &head.headers).await {
        Ok(()) => to("/sign-in"),
        Err(reason) => {
            tracing::warn!(reason, "a web session could not be ended everywhere");
            let text = "This browser has forgotten you, but the cluster could not be told to end the session \
                        everywhere. It ends by itself later; if somebody could have copied it, change your password.";
            said(StatusCode::SERVICE_UNAVAILABLE, "Signed out here only", text)
        }
    };
    web_session::clear(connection, &mut answer);
    answer
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn signing_in_leads_to_no_other_host() {
        for (sent, goes_to) in [
            ("/files/a/?sort=size", "/files/a/?sort=size"),
            ("/account", "/account"),
            ("//evil.example", "/files/"),
            ("https://evil.example/files/", "/files/"),
            ("/\\evil.example", "/files/"),
            ("/files/\r\nX: y", "/files/"),
            ("", "/files/"),
        ] {
            assert_eq!(next(sent), goes_to);
        }
    }
}
