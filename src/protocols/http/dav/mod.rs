//! WebDAV, classes 1, 2 and 3 (RFC 4918), under `/dav`: the same files as everywhere, as a drive of Windows, macOS and
//! Linux and for programs that speak it.
//!
//! | Method | Where |
//! |---|---|
//! | `OPTIONS`, `GET`, `HEAD` | here |
//! | `PUT`, `MKCOL`, `DELETE`, `COPY`, `MOVE` | `change` |
//! | `PROPFIND`, `PROPPATCH` | `propfind`, `proppatch` |
//! | `LOCK`, `UNLOCK` | `lock` |
//!
//! Which locks and conditions stand in the way of a change is judged by `guard`. Bytes go in and out by the file API's
//! own path; what is allowed is left to the Vfs.

mod change;
mod guard;
mod lock;
mod properties;
mod propfind;
mod proppatch;
mod xml;

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};

use super::answer::{self, Answer};
use super::connection::Connection;
use super::files::{discard, send};
use super::kept::Live;
use super::target::{Target, encode};
use super::{sign_in, status};
use crate::path::VirtualPath;
use crate::protocols::Node;
use crate::session::Session;
use crate::vfs::{Attributes, FileType, OpenOptions, Vfs, VfsError};

/// Where WebDAV is.
pub const PREFIX: &str = "/dav";
/// What applies to every file and folder.
const ALLOWED: &str = "OPTIONS, GET, HEAD, PUT, DELETE, MKCOL, COPY, MOVE, PROPFIND, PROPPATCH, LOCK, UNLOCK";
/// An answer that says no; boxed, as most requests have none.
type Refusal = Box<Answer>;

/// One request by somebody who is signed in.
struct Asked<'a> {
    connection: &'a Connection,
    live: Arc<Live>,
    vfs: Vfs,
    target: Target,
    head: &'a Parts,
}

impl Asked<'_> {
    fn node(&self) -> &Node {
        &self.connection.service.node
    }

    fn session(&self) -> &Arc<Session> {
        self.live.session()
    }

    fn path(&self) -> &VirtualPath {
        &self.target.path
    }

    fn refusal(&self, error: &VfsError) -> Refusal {
        refusal(error, self.session())
    }

    async fn attributes(&self, path: &VirtualPath) -> Result<Attributes, VfsError> {
        self.vfs.attributes(self.session(), path, true).await
    }

    /// What is there; `None`: nothing.
    async fn found(&self, path: &VirtualPath) -> Result<Option<Attributes>, Refusal> {
        match self.attributes(path).await {
            Ok(attributes) => Ok(Some(attributes)),
            Err(VfsError::NotFound) => Ok(None),
            // A link that leads nowhere good is there all the same, and can go.
            Err(VfsError::OutOfMount) => {
                let link = self.vfs.attributes(self.session(), path, false).await;
                link.map(Some).map_err(|error| self.refusal(&error))
            }
            Err(error) => Err(self.refusal(&error)),
        }
    }

    /// Refuses a path whose folder is missing: 409.
    async fn has_folder(&self, path: &VirtualPath) -> Result<(), Refusal> {
        let Some(parent) = path.parent() else { return Ok(()) };
        match self.attributes(&parent).await {
            Ok(found) if found.file_type == FileType::Folder => Ok(()),
            Ok(_) | Err(VfsError::NotFound | VfsError::NotFolder) => {
                let detail = format!("the folder `{parent}` is missing; make it first");
                Err(Box::new(answer::problem(StatusCode::CONFLICT, "no-folder", &detail)))
            }
            Err(error) => Err(self.refusal(&error)),
        }
    }
}

/// The status of a refusal, in WebDAV's words: what is missing above the place is a conflict.
fn status_of(error: &VfsError) -> StatusCode {
    match error {
        VfsError::NotFolder => StatusCode::CONFLICT,
        other => status::of(other).0,
    }
}

fn refusal(error: &VfsError, session: &Session) -> Refusal {
    let mut answer = status::refusal(error, session);
    *answer.status_mut() = status_of(error);
    Box::new(answer)
}

fn bad_request(detail: &str) -> Refusal {
    Box::new(answer::problem(StatusCode::BAD_REQUEST, "malformed", detail))
}

/// A refusal whose reason is a condition of WebDAV's own (RFC 4918, 16): `inner` stands in `DAV:error`.
fn condition(status: StatusCode, inner: &str) -> Refusal {
    let text = format!("{DECLARATION}<D:error xmlns:D=\"DAV:\">{inner}</D:error>");
    Box::new(xml_answer(status, text))
}

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";
const XML_TYPE: &str = "application/xml; charset=utf-8";

fn xml_answer(status: StatusCode, text: String) -> Answer {
    let mut answer = answer::with(status, answer::whole(text));
    answer::set(&mut answer, header::CONTENT_TYPE, XML_TYPE);
    answer::set(&mut answer, header::CACHE_CONTROL, "no-store");
    answer
}

/// The answer to OPTIONS anywhere: clients ask the top before they sign in, to learn whether this is WebDAV at all.
pub fn options() -> Answer {
    let mut answer = answer::empty(StatusCode::OK);
    answer::set(&mut answer, header::ALLOW, ALLOWED);
    answer::set(&mut answer, header::HeaderName::from_static("dav"), "1, 2, 3");
    answer::set(&mut answer, header::HeaderName::from_static("ms-author-via"), "DAV");
    answer::set(&mut answer, header::CONTENT_LENGTH, "0");
    answer
}

/// Answers one request.
pub async fn answer(connection: &Arc<Connection>, request: Request<Incoming>) -> Answer {
    let (head, mut body) = request.into_parts();
    let waits = head.headers.contains_key(header::EXPECT);
    let answer = answer_head(connection, &head, &mut body).await;
    if !waits && (answer.status().is_client_error() || answer.status().is_server_error()) {
        discard(&mut body).await;
    }
    answer
}

async fn answer_head(connection: &Arc<Connection>, head: &Parts, body: &mut Incoming) -> Answer {
    if head.method == Method::OPTIONS {
        return options();
    }
    let live = match sign_in::session(connection, &head.headers).await {
        Ok(live) => live,
        Err(refused) => return refused.answer(),
    };
    let rest = head.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let target = match Target::parse(rest) {
        Ok(target) => target,
        Err(bad) => return *bad_request(&bad.to_string()),
    };
    let asked = Asked {
        connection,
        live,
        vfs: connection.service.node.vfs.speaking("webdav"),
        target,
        head,
    };
    let done = match head.method.as_str() {
        "GET" | "HEAD" => get(&asked).await,
        "PUT" => change::put(&asked, body).await,
        "DELETE" => change::delete(&asked).await,
        "MKCOL" => change::make_folder(&asked, body).await,
        "COPY" => change::relocate(&asked, false).await,
        "MOVE" => change::relocate(&asked, true).await,
        "PROPFIND" => propfind::answer(&asked, body).await,
        "PROPPATCH" => proppatch::answer(&asked, body).await,
        "LOCK" => lock::lock(&asked, body).await,
        "UNLOCK" => lock::unlock(&asked).await,
        _ => return answer::not_allowed(ALLOWED),
    };
    done.unwrap_or_else(|refused| *refused)
}

async fn get(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let refused = |error| asked.refusal(&error);
    let attributes = asked.attributes(asked.path()).await.map_err(refused)?;
    if attributes.file_type == FileType::Folder {
        let text = "This is a WebDAV folder: open it with a WebDAV client.\n";
        let head = asked.head.method == Method::HEAD;
        let body = if head { answer::nothing() } else { answer::whole(text) };
        let mut answer = answer::with(StatusCode::OK, body);
        answer::set(&mut answer, header::CONTENT_TYPE, "text/plain; charset=utf-8");
        return Ok(answer);
    }
    if asked.target.as_folder {
        return Err(asked.refusal(&VfsError::NotFound));
    }
    let options = OpenOptions {
        read: true,
        ..OpenOptions::default()
    };
    let file = asked.vfs.open(asked.session(), asked.path(), &options).await;
    let file = file.map_err(refused)?;
    let attributes = file.attributes().await.map_err(refused)?;
    let name = asked.path().file_name().unwrap_or_default();
    Ok(send(file, asked.live.clone(), name, &attributes, asked.head))
}

/// Reads a body that must be XML, at most `max` bytes; `None`: there is none.
async fn read_xml(body: &mut Incoming, max: usize) -> Result<Option<xml::Element>, Refusal> {
    if body.size_hint().lower() > max as u64 {
        return Err(too_long(max));
    }
    let bytes = match Limited::new(body, max).collect().await {
        Ok(bytes) => bytes.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => return Err(too_long(max)),
        Err(error) => return Err(bad_request(&format!("the body broke off: {error}"))),
    };
    if bytes.is_empty() {
        return Ok(None);
    }
    xml::parse(&bytes).map(Some).map_err(|error| bad_request(&error.0))
}

fn too_long(max: usize) -> Refusal {
    let detail = format!("the XML has more than {max} bytes");
    Box::new(answer::problem(StatusCode::PAYLOAD_TOO_LARGE, "too-large", &detail))
}

/// How deep a request goes (RFC 4918, 10.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Zero,
    One,
    Infinity,
}

fn depth(headers: &HeaderMap) -> Result<Option<Depth>, Refusal> {
    let Some(text) = headers.get("depth") else {
        return Ok(None);
    };
    match text.as_bytes() {
        b"0" => Ok(Some(Depth::Zero)),
        b"1" => Ok(Some(Depth::One)),
        text if text.eq_ignore_ascii_case(b"infinity") => Ok(Some(Depth::Infinity)),
        _ => Err(bad_request("`Depth` must be 0, 1 or infinity")),
    }
}

/// Where WebDAV has a path.
fn href(path: &VirtualPath, folder: bool) -> String {
    let end = if folder && !path.is_root() { "/" } else { "" };
    format!("{PREFIX}{}{end}", encode(path.as_bytes()))
}

/// Why a resource that a header names is none of ours.
enum Elsewhere {
    /// Another host, or another face of this one.
    Host,
    /// No address at all; why.
    Malformed(String),
}

/// The place that an address in a header names: absolute, on this host and under WebDAV's prefix. The scheme is left
/// out of it, as something before us may speak TLS for us.
fn place_of(head: &Parts, address: &str) -> Result<Target, Elsewhere> {
    let address = address.trim();
    let path = if address.starts_with('/') && !address.starts_with("//") {
        address
    } else {
        let Some((scheme, rest)) = address.split_once("://") else {
            return Err(Elsewhere::Malformed("an address must be absolute".to_owned()));
        };
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(Elsewhere::Host);
        }
        let cut = rest.find('/').unwrap_or(rest.len());
        let (host, path) = rest.split_at(cut);
        let own = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let own = own.or_else(|| head.uri.authority().map(http::uri::Authority::as_str));
        if own.is_none_or(|own| plain_host(own) != plain_host(host)) {
            return Err(Elsewhere::Host);
        }
        path
    };
    if path.contains(['?', '#']) || path.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
        return Err(Elsewhere::Malformed(
            "an address must be a path without a query".to_owned(),
        ));
    }
    let rest = path
        .strip_prefix(PREFIX)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let rest = rest.ok_or(Elsewhere::Host)?;
    Target::parse(rest).map_err(|bad| Elsewhere::Malformed(bad.to_string()))
}

/// A host without the port that is meant anyway.
fn plain_host(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    let plain = host.strip_suffix(":80").or_else(|| host.strip_suffix(":443"));
    plain.unwrap_or(&host).to_owned()
}
