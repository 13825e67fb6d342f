//! Writing: a body becomes a file, whole or not at all.

use std::pin::Pin;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use futures_util::stream::{FuturesOrdered, StreamExt};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use super::{Asked, Refusal, bad_request, href};
use crate::protocols::http::answer::{self, Answer};
use crate::protocols::http::conditions;
use crate::protocols::http::limits::{TRANSFER_BYTES, WRITES_BEHIND_MAX};
use crate::protocols::http::status;
use crate::session::Session;
use crate::vfs::{Hash, OpenFile, OpenOptions, RunningHash, VfsError};

/// Why a body did not become a file.
pub enum Stop {
    /// The storage refused.
    Storage(VfsError),
    /// The body broke off, or was not what it said.
    Body(StatusCode, &'static str, String),
}

impl From<VfsError> for Stop {
    fn from(error: VfsError) -> Self {
        Self::Storage(error)
    }
}

impl Stop {
    /// As an answer.
    pub fn answer(&self, session: &Session) -> Answer {
        match self {
            Self::Storage(error) => status::refusal(error, session),
            Self::Body(status, word, detail) => answer::problem(*status, word, detail),
        }
    }
}

/// PUT.
pub(super) async fn put(
    asked: &Asked<'_>,
    head: &http::request::Parts,
    body: &mut Incoming,
) -> Result<Answer, Refusal> {
    asked.only(&[])?;
    if asked.target.as_folder {
        return Err(bad_request(
            "the path names a folder; make one by POST with `?make-folder`",
        ));
    }
    if head.headers.contains_key(header::CONTENT_RANGE) {
        // RFC 9110, 14.5: who does not do it must not take it for the whole.
        return Err(bad_request("a part cannot be put; send the whole, or upload in steps"));
    }
    asked.conditions(head, true).await?;
    let existed = asked.attributes().await.is_ok();
    let only_new = head.headers.get(header::IF_NONE_MATCH).is_some_and(|tag| tag == "*");
    let options = OpenOptions {
        write: true,
        create: true,
        truncate: !only_new,
        exclusive: only_new,
        ..OpenOptions::default()
    };
    let refused = |error| match error {
        VfsError::Exists if only_new => Box::new(answer::problem(
            StatusCode::PRECONDITION_FAILED,
            "stale",
            "something has this name already",
        )),
        error => asked.refusal(&error),
    };
    let file = asked
        .vfs()
        .open(asked.session(), asked.path(), &options)
        .await
        .map_err(refused)?;
    let limit = asked.connection.spoken().body_bytes_max;
    let taken = take(&file, head, body, limit, asked.session()).await;
    taken.map_err(|stop| Box::new(stop.answer(asked.session())))?;
    let _working = asked.connection.work();
    file.commit().await.map_err(refused)?;
    let status = if existed {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::CREATED
    };
    let mut answer = answer::empty(status);
    if let Ok(attributes) = asked.attributes().await {
        answer::set(&mut answer, header::ETAG, &conditions::etag(&attributes));
    }
    answer::set(&mut answer, header::LOCATION, &href(asked.path(), false));
    Ok(answer)
}

/// A checksum that the client sent with the body (RFC 9530): the hash and what it must be.
fn promised(headers: &HeaderMap) -> Result<Option<(RunningHash, Vec<u8>)>, Stop> {
    let malformed = || {
        let detail = "the checksum must be of the form `sha-256=:BASE64:` or `sha-512=:BASE64:`";
        Stop::Body(StatusCode::BAD_REQUEST, "malformed", detail.to_owned())
    };
    let sent = headers.get("repr-digest").or_else(|| headers.get("content-digest"));
    let Some(sent) = sent else { return Ok(None) };
    for one in sent.to_str().map_err(|_| malformed())?.split(',') {
        let (algorithm, value) = one.trim().split_once('=').ok_or_else(malformed)?;
        let value = value.strip_prefix(':').and_then(|value| value.strip_suffix(':'));
        let value = value
            .and_then(|value| STANDARD.decode(value).ok())
            .ok_or_else(malformed)?;
        let hash = match algorithm {
            "sha-256" => Hash::Sha256,
            "sha-512" => Hash::Sha512,
            _ => continue,
        };
        return Ok(Some((RunningHash::new(hash), value)));
    }
    Ok(None)
}

/// Takes the body into the file, from its first byte; what the client said of it must hold. Nothing is published.
pub async fn take(
    file: &OpenFile,
    head: &http::request::Parts,
    body: &mut Incoming,
    limit: u64,
    session: &Session,
) -> Result<u64, Stop> {
    let mut promised = promised(&head.headers)?;
    let over = || {
        let detail = format!("the body has more than the {limit} bytes that this service takes");
        Stop::Body(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
    };
    if let Some(length) = body.size_hint().exact() {
        if limit > 0 && length > limit {
            return Err(over());
        }
        file.announce(length).await?;
    }
    let mut upload = Upload::new(file, 0);
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            reason = session.closed() => return Err(VfsError::Revoked(reason).into()),
        };
        let frame = match frame {
            None => break,
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                let detail = format!("the body broke off: {error}");
                return Err(Stop::Body(StatusCode::BAD_REQUEST, "broken-body", detail));
            }
        };
        let Ok(data) = frame.into_data() else { continue };
        if let Some((hash, _)) = &mut promised {
            hash.update(&data);
        }
        upload.put(data).await?;
        if limit > 0 && upload.at > limit {
            return Err(over());
        }
    }
    upload.finish().await?;
    if let Some((hash, expected)) = promised {
        let mut found = Vec::new();
        hash.finish(&mut found);
        if verify_slices_are_equal(&found, &expected).is_err() {
            let detail = "the body does not have the checksum that was sent with it";
            return Err(Stop::Body(StatusCode::BAD_REQUEST, "checksum", detail.to_owned()));
        }
    }
    Ok(upload.at)
}

type Write<'a> = Pin<Box<dyn Future<Output = Result<(), VfsError>> + Send + 'a>>;

/// Bytes on their way into a file: small ones are gathered, several writes are under way at one time.
pub(super) struct Upload<'a> {
    file: &'a OpenFile,
    gathered: BytesMut,
    /// Where the next byte goes.
    at: u64,
    writes: FuturesOrdered<Write<'a>>,
}

impl<'a> Upload<'a> {
    /// Into `file`, from byte `at` on.
    pub(super) fn new(file: &'a OpenFile, at: u64) -> Self {
        Self {
            file,
            gathered: BytesMut::new(),
            at,
            writes: FuturesOrdered::new(),
        }
    }

    pub(super) async fn put(&mut self, data: Bytes) -> Result<(), VfsError> {
        self.at += data.len() as u64;
        if self.gathered.is_empty() && data.len() >= TRANSFER_BYTES / 4 {
            return self.write(self.at - data.len() as u64, data).await;
        }
        self.gathered.extend_from_slice(&data);
        if self.gathered.len() >= TRANSFER_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), VfsError> {
        let data = self.gathered.split().freeze();
        if data.is_empty() {
            return Ok(());
        }
        self.write(self.at - data.len() as u64, data).await
    }

    async fn write(&mut self, at: u64, data: Bytes) -> Result<(), VfsError> {
        self.writes.push_back(Box::pin(self.file.write_at(at, data)));
        // A write begins when it is polled.
        while let Some(Some(written)) = self.writes.next().now_or_never() {
            written?;
        }
        while self.writes.len() >= WRITES_BEHIND_MAX {
            if let Some(written) = self.writes.next().await {
                written?;
            }
        }
        Ok(())
    }

    pub(super) async fn finish(&mut self) -> Result<(), VfsError> {
        self.flush().await?;
        while let Some(written) = self.writes.next().await {
            written?;
        }
        Ok(())
    }
}
