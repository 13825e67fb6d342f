//! Uploads in steps by tus 1.0: core, creation, creation-with-upload, creation-defer-length, expiration, checksum and
//! termination.
//!
//! | Request | What it does |
//! |---|---|
//! | `OPTIONS` | tells version, extensions and the largest upload |
//! | `POST /uploads` | begins one; `Upload-Metadata` has `path`, and `overwrite` where a file there is replaced |
//! | `HEAD /uploads/ID` | how many bytes are there |
//! | `PATCH /uploads/ID` | the bytes that follow; the last one publishes the file |
//! | `DELETE /uploads/ID` | ends it |
//!
//! Where an upload is kept, and how another node goes on with it, is left to the Vfs.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use super::write::Upload;
use super::{PREFIX, Refusal, bad_request, bad_target, href};
use crate::path::VirtualPath;
use crate::protocols::http::answer::{self, Answer};
use crate::protocols::http::conditions;
use crate::protocols::http::connection::Connection;
use crate::protocols::http::kept::Live;
use crate::protocols::http::limits::{NOTE_BYTES_MAX, UPLOAD_KEPT};
use crate::protocols::http::target::BadTarget;
use crate::protocols::http::{status, web_session};
use crate::session::Session;
use crate::vfs::{Hash, NewUpload, RunningHash, StepUpload, UploadState, Vfs, VfsError};

/// Where uploads are.
pub(super) const PLACE: &str = "/uploads";
/// What a body of bytes is called.
const OFFSET_BYTES: &str = "application/offset+octet-stream";
const ON_ALL: &str = "OPTIONS, POST";
const ON_ONE: &str = "OPTIONS, HEAD, PATCH, DELETE";

/// One request by somebody who is signed in.
struct Asked<'a> {
    connection: &'a Connection,
    live: Arc<Live>,
    head: &'a http::request::Parts,
}

impl Asked<'_> {
    fn vfs(&self) -> &Vfs {
        &self.connection.service.node.vfs
    }

    fn session(&self) -> &Arc<Session> {
        self.live.session()
    }

    fn refusal(&self, error: &VfsError) -> Refusal {
        Box::new(status::refusal(error, self.session()))
    }

    /// The most bytes of an upload; `None`: as many as the storage takes.
    fn bytes_max(&self) -> Option<u64> {
        let max = self.connection.spoken().body_bytes_max;
        (max > 0).then_some(max)
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.head.headers.get(name) else {
            return Ok(None);
        };
        let digits = text
            .to_str()
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        match digits.and_then(|text| text.parse().ok()) {
            Some(number) => Ok(Some(number)),
            None => Err(bad_request(&format!("`{name}` must be a number of bytes"))),
        }
    }
}

/// Answers one request for `place`: empty, or `/ID`.
pub(super) async fn answer(
    connection: &Connection,
    head: &http::request::Parts,
    body: &mut Incoming,
    place: &str,
) -> Answer {
    // Some clients cannot send all methods.
    let named = head.headers.get("x-http-method-override").map(|name| name.as_bytes());
    let method = match named.and_then(|name| Method::from_bytes(name).ok()) {
        Some(method) if head.method == Method::POST => method,
        _ => head.method.clone(),
    };
    let mut answer = if method == Method::OPTIONS {
        options(connection, place)
    } else if head
        .headers
        .get("tus-resumable")
        .is_none_or(|version| version != "1.0.0")
    {
        let detail = "the request must say `Tus-Resumable: 1.0.0`, the only version that is spoken here";
        let mut answer = answer::problem(StatusCode::PRECONDITION_FAILED, "tus-version", detail);
        put(&mut answer, "tus-version", "1.0.0");
        answer
    } else {
        match web_session::session(connection, head).await {
            Err(refused) => refused.answer(),
            Ok(live) => {
                let asked = Asked { connection, live, head };
                let done = ask(&asked, &method, place, body).await;
                done.unwrap_or_else(|refused| *refused)
            }
        }
    };
    put(&mut answer, "tus-resumable", "1.0.0");
    answer
}

fn put(answer: &mut Answer, name: &'static str, value: &str) {
    answer::set(answer, header::HeaderName::from_static(name), value);
}

fn options(connection: &Connection, place: &str) -> Answer {
    let mut answer = answer::empty(StatusCode::NO_CONTENT);
    let allowed = if place.is_empty() { ON_ALL } else { ON_ONE };
    answer::set(&mut answer, header::ALLOW, allowed);
    put(&mut answer, "tus-version", "1.0.0");
    let extensions = "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination";
    put(&mut answer, "tus-extension", extensions);
    put(&mut answer, "tus-checksum-algorithm", "sha256,sha512,sha1,md5");
    let max = connection.spoken().body_bytes_max;
    if max > 0 {
        put(&mut answer, "tus-max-size", &max.to_string());
    }
    answer
}

async fn ask(asked: &Asked<'_>, method: &Method, place: &str, body: &mut Incoming) -> Result<Answer, Refusal> {
    if matches!(place, "" | "/") {
        return match *method {
            Method::POST => create(asked, body).await,
            _ => Err(Box::new(answer::not_allowed(ON_ALL))),
        };
    }
    let id = place.strip_prefix('/').filter(|id| id.len() == 32);
    let id = id.and_then(|id| u128::from_str_radix(id, 16).ok());
    let Some(id) = id else {
        return Err(asked.refusal(&VfsError::NotFound));
    };
    match *method {
        Method::HEAD => look(asked, id).await,
        Method::PATCH => patch(asked, id, body).await,
        Method::DELETE => end(asked, id).await,
        _ => Err(Box::new(answer::not_allowed(ON_ONE))),
    }
}

/// What `Upload-Metadata` says.
struct Metadata {
    path: VirtualPath,
    overwrite: bool,
    note: String,
}

fn metadata(headers: &HeaderMap) -> Result<Metadata, Refusal> {
    let said = headers.get("upload-metadata").and_then(|said| said.to_str().ok());
    let said = said.ok_or_else(|| bad_request("`Upload-Metadata` must say `path` with the file's path in base64"))?;
    if said.len() > NOTE_BYTES_MAX {
        return Err(bad_request("`Upload-Metadata` is too long"));
    }
    let (mut path, mut overwrite) = (None, false);
    for pair in said.split(',') {
        let (key, value) = pair.trim().split_once(' ').unwrap_or((pair.trim(), ""));
        let value = STANDARD
            .decode(value.trim())
            .map_err(|_| bad_request(&format!("the value of `{key}` in `Upload-Metadata` is no base64")))?;
        match key {
            "path" => {
                let dots = value
                    .split(|byte| *byte == b'/')
                    .any(|part| matches!(part, b"." | b".."));
                if dots || value.first() != Some(&b'/') || value.last() == Some(&b'/') {
                    return Err(bad_request(
                        "`path` must be the absolute path of a file, without `.` and `..`",
                    ));
                }
                path = Some(VirtualPath::parse(&value).map_err(|error| bad_target(&BadTarget::Path(error)))?);
            }
            "overwrite" => overwrite = !matches!(&*value, b"false" | b"0"),
            _ => {}
        }
    }
    Ok(Metadata {
        path: path.ok_or_else(|| bad_request("`Upload-Metadata` must say `path`"))?,
        overwrite,
        note: said.to_owned(),
    })
}

/// POST.
async fn create(asked: &Asked<'_>, body: &mut Incoming) -> Result<Answer, Refusal> {
    let length = asked.number("upload-length")?;
    let deferred = asked.head.headers.get("upload-defer-length");
    match (length, deferred) {
        (None, None) => return Err(bad_request("say `Upload-Length`, or `Upload-Defer-Length: 1`")),
        (_, Some(one)) if length.is_some() || one != "1" => {
            return Err(bad_request("`Upload-Defer-Length` is `1`, and stands alone"));
        }
        _ => {}
    }
    fits(asked, length)?;
    let Metadata { path, overwrite, note } = metadata(&asked.head.headers)?;
    let with_bytes = asked
        .head
        .headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == OFFSET_BYTES);
    let new = NewUpload {
        path,
        length,
        overwrite,
        note,
        keep: UPLOAD_KEPT,
    };
    let id = asked.vfs().begin_steps(asked.session(), &new).await;
    let id = id.map_err(|error| asked.refusal(&error))?;
    let place = format!("{PREFIX}{PLACE}/{id:032x}");
    let mut answer = if with_bytes || length == Some(0) {
        let mut answer = match take(asked, id, None, body).await {
            Ok(answer) => answer,
            // The upload exists: the client learns where, and goes on from what came.
            Err(refused) if with_bytes && length != Some(0) => {
                let mut refused = *refused;
                answer::set(&mut refused, header::LOCATION, &place);
                return Err(Box::new(refused));
            }
            Err(refused) => return Err(refused),
        };
        *answer.status_mut() = StatusCode::CREATED;
        answer
    } else {
        let mut answer = answer::empty(StatusCode::CREATED);
        expires(&mut answer, asked.connection.service.node.clock.now().0, UPLOAD_KEPT);
        answer
    };
    answer::set(&mut answer, header::LOCATION, &place);
    Ok(answer)
}

fn expires(answer: &mut Answer, now: i64, keep: std::time::Duration) {
    let at = now.saturating_add(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX));
    put(
        answer,
        "upload-expires",
        &conditions::show_date(crate::clock::UnixMillis(at)),
    );
}

/// Refuses a length above the service's own limit.
fn fits(asked: &Asked<'_>, length: Option<u64>) -> Result<(), Refusal> {
    match (length, asked.bytes_max()) {
        (Some(length), Some(max)) if length > max => Err(too_large(&format!(
            "the upload has more than the {max} bytes that this service takes"
        ))),
        _ => Ok(()),
    }
}

fn too_large(detail: &str) -> Refusal {
    Box::new(answer::problem(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail))
}

fn locked() -> Refusal {
    let detail = "another request goes on with this upload; try again when it is done";
    let mut answer = answer::problem(StatusCode::LOCKED, "locked", detail);
    answer::set(&mut answer, header::RETRY_AFTER, "1");
    Box::new(answer)
}

/// HEAD. An upload whose last byte came and which nobody published is published now.
async fn look(asked: &Asked<'_>, id: u128) -> Result<Answer, Refusal> {
    let _working = asked.connection.work();
    let state = asked.vfs().steps(asked.session(), id).await;
    let state = state.map_err(|error| asked.refusal(&error))?.ok_or_else(locked)?;
    let mut answer = answer::empty(StatusCode::OK);
    if state.length == Some(state.offset) {
        let upload = asked.vfs().go_on_with_steps(asked.session(), id).await;
        let upload = upload.map_err(|error| asked.refusal(&error))?.ok_or_else(locked)?;
        upload.publish().await.map_err(|error| asked.refusal(&error))?;
    }
    stands(&mut answer, &state);
    match state.length {
        Some(length) => put(&mut answer, "upload-length", &length.to_string()),
        None => put(&mut answer, "upload-defer-length", "1"),
    }
    put(&mut answer, "upload-metadata", &state.note);
    answer::set(&mut answer, header::CACHE_CONTROL, "no-store");
    Ok(answer)
}

fn stands(answer: &mut Answer, state: &UploadState) {
    put(answer, "upload-offset", &state.offset.to_string());
    put(answer, "upload-expires", &conditions::show_date(state.expires_at));
}

/// DELETE.
async fn end(asked: &Asked<'_>, id: u128) -> Result<Answer, Refusal> {
    match asked.vfs().end_steps(asked.session(), id).await {
        Ok(true) => Ok(answer::empty(StatusCode::NO_CONTENT)),
        Ok(false) => Err(locked()),
        Err(error) => Err(asked.refusal(&error)),
    }
}

/// PATCH.
async fn patch(asked: &Asked<'_>, id: u128, body: &mut Incoming) -> Result<Answer, Refusal> {
    if asked
        .head
        .headers
        .get(header::CONTENT_TYPE)
        .is_none_or(|kind| kind != OFFSET_BYTES)
    {
        let detail = "the bytes of an upload are sent as `application/offset+octet-stream`";
        let answer = answer::problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", detail);
        return Err(Box::new(answer));
    }
    let offset = asked.number("upload-offset")?;
    let offset = offset.ok_or_else(|| bad_request("`Upload-Offset` must say where the bytes go"))?;
    take(asked, id, Some(offset), body).await
}

/// A checksum that was sent with the bytes: the hash and what it must be.
fn promised(headers: &HeaderMap) -> Result<Option<(RunningHash, Vec<u8>)>, Refusal> {
    let Some(sent) = headers.get("upload-checksum") else {
        return Ok(None);
    };
    let malformed = || bad_request("`Upload-Checksum` must be sha256, sha512, sha1 or md5, a space, and base64");
    let (algorithm, value) = sent
        .to_str()
        .ok()
        .and_then(|sent| sent.split_once(' '))
        .ok_or_else(malformed)?;
    let hash = match algorithm {
        "sha256" | "sha-256" => Hash::Sha256,
        "sha512" | "sha-512" => Hash::Sha512,
        "sha1" => Hash::Sha1,
        "md5" => Hash::Md5,
        _ => return Err(malformed()),
    };
    let value = STANDARD.decode(value).map_err(|_| malformed())?;
    Ok(Some((RunningHash::new(hash), value)))
}

/// What became of a body.
enum Came {
    /// All of it.
    Whole,
    /// It broke off, or was stopped; why.
    Broken(Refusal),
    /// It has another checksum than it should.
    Differs,
}

/// Takes the body into the upload and puts it on stable storage; with the last byte the file is published.
async fn take(asked: &Asked<'_>, id: u128, offset: Option<u64>, body: &mut Incoming) -> Result<Answer, Refusal> {
    let refused = |error: VfsError| asked.refusal(&error);
    let promised = promised(&asked.head.headers)?;
    let said = if offset.is_some() {
        asked.number("upload-length")?
    } else {
        None
    };
    fits(asked, said)?;
    let upload = asked.vfs().go_on_with_steps(asked.session(), id).await;
    let mut upload = upload.map_err(refused)?.ok_or_else(locked)?;
    let from = upload.state().offset;
    if offset.is_some_and(|offset| offset != from) {
        let detail = format!("the upload has {from} bytes; go on from there");
        let mut answer = answer::problem(StatusCode::CONFLICT, "offset", &detail);
        put(&mut answer, "upload-offset", &from.to_string());
        upload.rest().await.map_err(refused)?;
        return Err(Box::new(answer));
    }
    if said.is_some() && upload.state().length.is_some_and(|length| Some(length) != said) {
        upload.rest().await.map_err(refused)?;
        return Err(bad_request("the length of the upload was said before, and was another"));
    }
    let room = said
        .or(upload.state().length)
        .or(asked.bytes_max())
        .map(|most| most.saturating_sub(from));
    if let (Some(more), Some(room)) = (body.size_hint().exact(), room)
        && more > room
    {
        upload.rest().await.map_err(refused)?;
        return Err(too_large(&format!("the upload takes {room} bytes more, not {more}")));
    }
    let unchecked = promised.is_some().then_some(from);
    upload.note(said, unchecked).await.map_err(refused)?;
    let came = receive(asked, &upload, promised, room, body).await;
    let _working = asked.connection.work();
    match came {
        Came::Whole if unchecked.is_some() => upload.note(None, None).await.map_err(refused)?,
        Came::Whole => {}
        Came::Broken(refusal) => {
            upload.rest().await.map_err(refused)?;
            return Err(refusal);
        }
        Came::Differs => {
            upload.cut(from).await.map_err(refused)?;
            upload.note(None, None).await.map_err(refused)?;
            upload.rest().await.map_err(refused)?;
            return Err(Box::new(differs()));
        }
    }
    finish(asked, upload).await
}

/// 460 of the checksum extension.
fn differs() -> Answer {
    let detail = "the bytes do not have the checksum that was sent with them; none of them was taken";
    let mut answer = answer::problem(StatusCode::BAD_REQUEST, "checksum", detail);
    *answer.status_mut() = StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST);
    answer
}

async fn finish(asked: &Asked<'_>, upload: StepUpload) -> Result<Answer, Refusal> {
    let mut answer = answer::empty(StatusCode::NO_CONTENT);
    let size = upload
        .file()
        .attributes()
        .await
        .map_err(|error| asked.refusal(&error))?
        .size;
    if upload.state().length == Some(size) {
        let path = upload.state().path.clone();
        upload.publish().await.map_err(|error| asked.refusal(&error))?;
        put(&mut answer, "upload-offset", &size.to_string());
        answer::set(&mut answer, header::CONTENT_LOCATION, &href(&path, false));
    } else {
        let state = upload.rest().await.map_err(|error| asked.refusal(&error))?;
        stands(&mut answer, &state);
    }
    Ok(answer)
}

/// Writes the body behind what is there. What came of one that breaks off stays.
async fn receive(
    asked: &Asked<'_>,
    upload: &StepUpload,
    mut promised: Option<(RunningHash, Vec<u8>)>,
    room: Option<u64>,
    body: &mut Incoming,
) -> Came {
    let refused = |error: VfsError| Came::Broken(asked.refusal(&error));
    let mut writing = Upload::new(upload.file(), upload.state().offset);
    let mut left = room.unwrap_or(u64::MAX);
    let broken = loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            reason = asked.session().closed() => break Some(asked.refusal(&VfsError::Revoked(reason))),
        };
        let data = match frame {
            None => break None,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => data,
                Err(_) => continue,
            },
            Some(Err(error)) => break Some(bad_request(&format!("the body broke off: {error}"))),
        };
        if data.len() as u64 > left {
            break Some(too_large("the body has more bytes than the upload takes"));
        }
        left -= data.len() as u64;
        if let Some((hash, _)) = &mut promised {
            hash.update(&data);
        }
        if let Err(error) = writing.put(data).await {
            return refused(error);
        }
    };
    if let Err(error) = writing.finish().await {
        return refused(error);
    }
    if let Some(refusal) = broken {
        return Came::Broken(refusal);
    }
    let Some((hash, expected)) = promised else {
        return Came::Whole;
    };
    let mut found = Vec::new();
    hash.finish(&mut found);
    match verify_slices_are_equal(&found, &expected) {
        Ok(()) => Came::Whole,
        Err(_) => Came::Differs,
    }
}
