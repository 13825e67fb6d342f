//! The file API: a tree of resources under `/api/files/v1/tree`, one for each file and folder.
//!
//! | Request | What it does |
//! |---|---|
//! | `GET` a file | its bytes; ranges and conditions |
//! | `GET` a folder | a page of its entries, by name; `limit`, `after`; `Accept: application/x-ndjson` streams them all |
//! | `GET ?stat` | what is known of it; with `checksum=sha-256` a file's checksum too |
//! | `HEAD` | the head of the answer to `GET`; 200 for a folder |
//! | `PUT` | writes a file, whole or not at all; conditions |
//! | `DELETE` | removes a file or an empty folder; with `recursive` a folder and what is in it |
//! | `POST ?make-folder` | makes a folder |
//! | `POST ?move-to=PATH`, `?copy-to=PATH` | moves, copies; with `overwrite` in the place of a file there |
//! | `PATCH` | sets the time of the last change, or permission bits |
//!
//! Uploads in steps are under `/api/files/v1/uploads`, by tus 1.0.
//!
//! Signing in is left to `sign_in`; what is allowed, to the Vfs.

mod change;
mod list;
mod read;
mod tree;
mod tus;
mod write;

use std::sync::Arc;

use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

pub(super) use read::send;
pub(super) use tree::{Failure, Walker};
pub(super) use write::take;

use super::answer::{self, Answer};
use super::connection::Connection;
use super::kept::Live;
use super::limits::{DISCARD_BYTES_MAX, DISCARD_WAIT};
use super::target::{BadTarget, Query, Target, encode};
use super::{status, web_session};
use crate::path::{PathError, VirtualPath};
use crate::session::Session;
use crate::vfs::{Attributes, FileType, Vfs, VfsError};

/// Where the API is.
pub const PREFIX: &str = "/api/files/v1";
const TREE: &str = "/tree";
/// An answer that says no; boxed, as most requests have none.
type Refusal = Box<Answer>;

/// What applies to every file and folder.
const ALLOWED: &str = "GET, HEAD, PUT, POST, PATCH, DELETE, OPTIONS";

/// One request by somebody who is signed in.
struct Asked<'a> {
    connection: &'a Connection,
    live: Arc<Live>,
    target: Target,
    query: Query,
}

impl Asked<'_> {
    fn vfs(&self) -> &Vfs {
        &self.connection.service.node.vfs
    }

    fn session(&self) -> &Arc<Session> {
        self.live.session()
    }

    fn path(&self) -> &VirtualPath {
        &self.target.path
    }

    fn refusal(&self, error: &VfsError) -> Refusal {
        Box::new(status::refusal(error, self.session()))
    }

    async fn attributes(&self) -> Result<Attributes, VfsError> {
        self.vfs().attributes(self.session(), self.path(), true).await
    }

    /// A query that holds something unknown is refused: what was meant would not happen.
    fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        match self.query.unknown(known) {
            None => Ok(()),
            Some(name) => Err(bad_request(&format!(
                "the parameter `{name}` is not known here; these are: {}",
                known.join(", ")
            ))),
        }
    }
}

fn bad_request(detail: &str) -> Refusal {
    Box::new(answer::problem(StatusCode::BAD_REQUEST, "malformed", detail))
}

/// A target that names nothing; a name that no file can have is what is wrong with it, not its form.
fn bad_target(bad: &BadTarget) -> Refusal {
    match bad {
        BadTarget::Path(PathError::TooLong | PathError::ComponentTooLong) => {
            let (status, word) = status::of(&VfsError::InvalidName(String::new()));
            Box::new(answer::problem(status, word, &bad.to_string()))
        }
        _ => bad_request(&bad.to_string()),
    }
}

/// Answers one request.
pub async fn answer(connection: &Arc<Connection>, request: Request<Incoming>) -> Answer {
    let (head, mut body) = request.into_parts();
    let waits = head.headers.contains_key(http::header::EXPECT);
    let answer = answer_head(connection, &head, &mut body).await;
    if !waits && (answer.status().is_client_error() || answer.status().is_server_error()) {
        discard(&mut body).await;
    }
    answer
}

async fn answer_head(connection: &Arc<Connection>, head: &http::request::Parts, body: &mut Incoming) -> Answer {
    let rest = head.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let below = |of: &str| {
        rest.strip_prefix(of)
            .filter(|place| place.is_empty() || place.starts_with('/'))
    };
    if let Some(place) = below(tus::PLACE) {
        return tus::answer(connection, head, body, place).await;
    }
    let Some(place) = below(TREE) else {
        return answer::problem(
            StatusCode::NOT_FOUND,
            "not-found",
            "the file API has nothing here; files are under /api/files/v1/tree",
        );
    };
    if head.method == Method::OPTIONS {
        let mut answer = answer::empty(StatusCode::NO_CONTENT);
        answer::set(&mut answer, http::header::ALLOW, ALLOWED);
        return answer;
    }
    let live = match web_session::session(connection, head).await {
        Ok(live) => live,
        Err(refused) => return refused.to(head),
    };
    let (target, query) = match (Target::parse(place), Query::parse(head.uri.query())) {
        (Ok(target), Ok(query)) => (target, query),
        (Err(bad), _) | (_, Err(bad)) => return *bad_target(&bad),
    };
    let asked = Asked {
        connection,
        live,
        target,
        query,
    };
    let done = match head.method {
        Method::GET | Method::HEAD => read::get(&asked, head).await,
        Method::PUT => write::put(&asked, head, body).await,
        Method::DELETE => change::delete(&asked, head).await,
        Method::POST => change::post(&asked, head).await,
        Method::PATCH => change::patch(&asked, body).await,
        _ => return answer::not_allowed(ALLOWED),
    };
    done.unwrap_or_else(|refused| *refused)
}

/// Reads a little of what nobody wants, so that a client that is still sending hears the answer.
pub(super) async fn discard(body: &mut Incoming) {
    let reading = async {
        let mut left = DISCARD_BYTES_MAX;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, |data| data.len());
            left = left.saturating_sub(length);
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(DISCARD_WAIT, reading).await;
}

/// An entry as JSON. A name that is not UTF-8 is shown with replacements; `href` names it exactly.
fn entry(path: &VirtualPath, name: &[u8], attributes: &Attributes) -> Value {
    let file_type = match attributes.file_type {
        FileType::File => "file",
        FileType::Folder => "folder",
        FileType::Link => "link",
        FileType::Other => "other",
    };
    let mut shown = json!({
        "name": String::from_utf8_lossy(name),
        "type": file_type,
        "modified": attributes.modified.to_rfc3339(),
        "mode": format!("{:04o}", attributes.mode),
        "href": href(path, attributes.file_type == FileType::Folder),
    });
    if attributes.file_type == FileType::File {
        shown["size"] = json!(attributes.size);
        shown["etag"] = json!(super::conditions::etag(attributes));
    }
    shown
}

/// Where the API has a path.
fn href(path: &VirtualPath, folder: bool) -> String {
    let end = if folder && !path.is_root() { "/" } else { "" };
    format!("{PREFIX}{TREE}{}{end}", encode(path.as_bytes()))
}
