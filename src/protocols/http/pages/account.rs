//! The account's own page: its password, and where it is signed in.
//!
//! Proving and changing the password is left to `auth`; ending a web session everywhere, to the node.

use std::fmt::Write;

use http::StatusCode;
use http::request::Parts;
use hyper::body::Incoming;
use zeroize::Zeroizing;

use super::html::{Page, escape, named};
use super::{field, fields, said, sign_in, signed_in, to};
use crate::auth::NotChanged;
use crate::ids::SessionId;
use crate::protocols::http::answer::Answer;
use crate::protocols::http::connection::Connection;
use crate::protocols::http::limits::SESSIONS_SHOWN_MAX;
use crate::protocols::http::sign_in::Failed;
use crate::protocols::http::web_session::WebSession;
use crate::session::{CloseReason, Session};

/// GET.
pub(super) fn page(connection: &Connection, head: &Parts) -> Answer {
    match signed_in(connection, head) {
        Ok((web, live)) => shown(connection, &web, live.session(), StatusCode::OK, ""),
        Err(answer) => *answer,
    }
}

fn shown(connection: &Connection, web: &WebSession, session: &Session, status: StatusCode, says: &str) -> Answer {
    let account = session.account();
    let mut body = format!(
        "<main id=\"main\" tabindex=\"-1\" class=\"own\"><h1>{}</h1>",
        named(account.as_str().as_bytes())
    );
    if !says.is_empty() {
        let _ = write!(body, "<p class=\"said\" role=\"alert\">{}</p>", escape(says));
    }
    let _ = write!(
        body,
        "<section aria-labelledby=\"password-is\"><h2 id=\"password-is\">Password</h2>\
         <form method=\"post\" action=\"/account\" class=\"fields\">\
         <input type=\"hidden\" autocomplete=\"username\" name=\"name\" value=\"{}\">\
         <label for=\"password\">Present password</label><input id=\"password\" name=\"password\" type=\"password\" \
         autocomplete=\"current-password\" required>\
         <label for=\"new\">New password</label><input id=\"new\" name=\"new\" type=\"password\" \
         autocomplete=\"new-password\" required>\
         <label for=\"again\">The new password again</label><input id=\"again\" name=\"again\" type=\"password\" \
         autocomplete=\"new-password\" required><button>Change the password</button></form>\
         <p class=\"note\">All other sessions of yours end when the password changes.</p></section>",
        escape(account.as_str())
    );
    sessions(connection, web, session, &mut body);
    body.push_str("</main>");
    Page {
        title: "Your account",
        account: Some(account),
        goes_to: None,
        body: &body,
    }
    .answer(status)
}

fn sessions(connection: &Connection, web: &WebSession, session: &Session, body: &mut String) {
    let node = &connection.service.node;
    let mut own = node.registry.list();
    own.retain(|one| one.account() == session.account());
    own.sort_by_key(|one| std::cmp::Reverse(one.started_at));
    let _ = write!(
        body,
        "<section aria-labelledby=\"sessions-are\"><h2 id=\"sessions-are\">Sessions</h2>\
         <p class=\"note\">Where you are signed in through the server {}.</p>\
         <table class=\"list\"><thead><tr><th scope=\"col\">By</th><th scope=\"col\">From</th>\
         <th scope=\"col\">Since</th><th scope=\"col\"><span class=\"hid\">What to do</span></th></tr></thead><tbody>",
        named(node.name.as_bytes())
    );
    for one in own.iter().take(SESSIONS_SHOWN_MAX) {
        let is_this = one.id == session.id
            || connection
                .service
                .kept
                .web_of(one.id)
                .is_some_and(|(id, _)| id == web.id);
        let time = one.started_at.to_rfc3339();
        let (day, clock) = (time.get(..10).unwrap_or_default(), time.get(11..16).unwrap_or_default());
        let end = if is_this {
            "this one".to_owned()
        } else {
            format!(
                "<form method=\"post\" action=\"/account/sessions\"><input type=\"hidden\" name=\"id\" value=\"{}\">\
                 <button aria-label=\"End the session from {}\">End</button></form>",
                one.id,
                one.peer.ip()
            )
        };
        let _ = write!(
            body,
            "<tr><td>{}</td><td>{}</td><td><time datetime=\"{time}\">{day} {clock}</time></td>\
             <td class=\"end\">{end}</td></tr>",
            one.protocol(),
            one.peer.ip()
        );
    }
    body.push_str("</tbody></table></section>");
}

/// POST: a new password for the old one. The web session goes on with the new one; all others end.
pub(super) async fn password(connection: &Connection, head: &Parts, body: Incoming) -> Answer {
    let (web, live) = match signed_in(connection, head) {
        Ok(found) => found,
        Err(answer) => return *answer,
    };
    let Some(sent) = fields(body).await else {
        return said(StatusCode::BAD_REQUEST, "Not done", "The form could not be read.");
    };
    let _working = connection.work();
    let account = live.session().account().clone();
    let again = |says: &str| shown(connection, &web, live.session(), StatusCode::UNPROCESSABLE_ENTITY, says);
    let new = Zeroizing::new(field(&sent, "new"));
    if *new != field(&sent, "again") {
        return again("The new password was not written twice alike. It was not changed.");
    }
    let old = Zeroizing::new(field(&sent, "password"));
    let principal = match sign_in::change(connection, account.as_str(), old, new).await {
        Ok(principal) => principal,
        Err(NotChanged::Refused(refused)) => {
            crate::protocols::http::sign_in::refused(connection, account.as_str(), refused.reason);
            return again("The present password is wrong. It was not changed.");
        }
        Err(NotChanged::Rules(complaints)) => {
            return again(&format!(
                "The new password {}. It was not changed.",
                complaints.join("; it ")
            ));
        }
        Err(NotChanged::Unavailable(reason)) => {
            tracing::warn!(%account, reason, "a password was not changed");
            let text = "It is not known whether the password was changed. Try to sign in with the new one.";
            return said(StatusCode::SERVICE_UNAVAILABLE, "Not known", text);
        }
    };
    match sign_in::begin(connection, &principal, "password", "/account") {
        Ok(answer) => answer,
        Err(Failed::TooMany(_) | Failed::Because(_)) => to("/sign-in"),
    }
}

/// POST: ends a session of the account on this node; one of a browser, on all.
pub(super) async fn end_session(connection: &Connection, head: &Parts, body: Incoming) -> Answer {
    let (_, live) = match signed_in(connection, head) {
        Ok(found) => found,
        Err(answer) => return *answer,
    };
    let sent = fields(body).await.unwrap_or_default();
    let node = &connection.service.node;
    let wanted = u128::from_str_radix(&field(&sent, "id"), 16).map(SessionId);
    let own = node
        .registry
        .list()
        .into_iter()
        .find(|one| Ok(one.id) == wanted && one.account() == live.session().account());
    let Some(own) = own else {
        // It ended meanwhile, or never was the account's own.
        return to("/account");
    };
    if let Some((id, until)) = connection.service.kept.web_of(own.id) {
        let ended = node.ended.end(id, own.account().clone(), until).await;
        if let Err(reason) = ended {
            tracing::warn!(reason, "a web session could not be ended everywhere");
            let text = "The cluster could not be told to end the session everywhere. Try again in a moment.";
            return said(StatusCode::SERVICE_UNAVAILABLE, "Not ended", text);
        }
    }
    own.close(CloseReason::Revoked("ended by its account".to_owned()));
    to("/account")
}
