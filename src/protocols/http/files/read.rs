//! Reading: a file's bytes, whole or in ranges, and what is known of it.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{FuturesOrdered, StreamExt};
use futures_util::{FutureExt, Stream};
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::json;

use super::{Asked, Refusal, bad_request, entry, list};
use crate::protocols::http::answer::{self, Answer, Body};
use crate::protocols::http::conditions::{self, Current, Ranges, Verdict};
use crate::protocols::http::kept::Live;
use crate::protocols::http::limits::{CHECKSUM_BYTES_MAX, READS_AHEAD, TRANSFER_BYTES};
use crate::vfs::{Attributes, FileType, Hash, Hashing, OpenFile, OpenOptions, VfsError};
use crate::x509::hex;

/// GET and HEAD.
pub(super) async fn get(asked: &Asked<'_>, head: &http::request::Parts) -> Result<Answer, Refusal> {
    asked.only(&["stat", "checksum", "limit", "after"])?;
    let about = asked.query.is_set("stat") || asked.query.get("checksum").is_some();
    // Most requests are for a file: it is opened without looking at it twice.
    let mut unread = None;
    if !about && !asked.target.as_folder {
        match content(asked, head).await {
            Ok(answer) => return Ok(answer),
            Err(error) => unread = Some(error),
        }
    }
    let attributes = asked.attributes().await.map_err(|error| asked.refusal(&error))?;
    let answer = if about {
        stat(asked, &attributes).await?
    } else if attributes.file_type == FileType::Folder {
        list::folder(asked, head).await?
    } else {
        return Err(asked.refusal(&unread.unwrap_or(VfsError::NotFolder)));
    };
    Ok(match head.method {
        Method::HEAD => answer.map(|_| answer::nothing()),
        _ => answer,
    })
}

async fn stat(asked: &Asked<'_>, attributes: &Attributes) -> Result<Answer, Refusal> {
    let name = asked.path().file_name().unwrap_or_default();
    let mut shown = entry(asked.path(), name, attributes);
    if let Some(word) = asked.query.get("checksum") {
        let hash = match word {
            b"sha-256" => Hash::Sha256,
            b"sha-512" => Hash::Sha512,
            b"sha-1" => Hash::Sha1,
            b"md5" => Hash::Md5,
            _ => return Err(bad_request("`checksum` must be sha-256, sha-512, sha-1 or md5")),
        };
        let _working = asked.connection.work();
        let hashing = Hashing {
            hash,
            start: 0,
            length: None,
            piece: None,
            answer_bytes_max: CHECKSUM_BYTES_MAX,
        };
        let hashed = asked.vfs().hashes(asked.session(), asked.path(), hashing).await;
        let hashed = hashed.map_err(|error| asked.refusal(&error))?;
        shown["checksum"] = json!({ "algorithm": String::from_utf8_lossy(word), "value": hex(&hashed) });
    }
    Ok(answer::json(StatusCode::OK, &shown))
}

async fn content(asked: &Asked<'_>, head: &http::request::Parts) -> Result<Answer, VfsError> {
    let options = OpenOptions {
        read: true,
        ..OpenOptions::default()
    };
    let file = asked.vfs().open(asked.session(), asked.path(), &options).await?;
    let attributes = file.found().await?;
    let name = asked.path().file_name().unwrap_or_default();
    Ok(send(file, asked.live.clone(), name, &attributes, head))
}

/// The bytes of an open file as an answer to GET or HEAD. Nothing that a user uploaded is shown in a page of ours: it
/// is an attachment without a type, and where it is opened all the same it is in a sandbox.
pub fn send(
    file: OpenFile,
    live: Arc<Live>,
    name: &[u8],
    attributes: &Attributes,
    head: &http::request::Parts,
) -> Answer {
    let etag = conditions::etag(attributes);
    let current = Current {
        etag: &etag,
        modified: attributes.modified,
    };
    let verdict = conditions::judge(&head.method, &head.headers, Some(current));
    let mut answer = match verdict {
        Verdict::NotModified => answer::empty(StatusCode::NOT_MODIFIED),
        Verdict::Failed => return answer::problem(StatusCode::PRECONDITION_FAILED, "stale", "the file has changed"),
        Verdict::Go => {
            let ranges = match head.method {
                Method::GET => conditions::ranges(&head.headers, attributes.size, current),
                _ => Ranges::Whole,
            };
            pieces(file, live, attributes.size, ranges, head.method == Method::HEAD)
        }
    };
    answer::set(&mut answer, header::ETAG, &etag);
    answer::set(
        &mut answer,
        header::LAST_MODIFIED,
        &conditions::show_date(attributes.modified),
    );
    answer::set(&mut answer, header::ACCEPT_RANGES, "bytes");
    answer::set(&mut answer, header::CACHE_CONTROL, "private, no-cache");
    answer::set(
        &mut answer,
        header::CONTENT_SECURITY_POLICY,
        "sandbox; default-src 'none'",
    );
    answer::set(&mut answer, header::CONTENT_DISPOSITION, &disposition(name));
    answer
}

/// RFC 6266: a plain name for the old, the exact one for the others.
fn disposition(name: &[u8]) -> String {
    let plain: String = name
        .iter()
        .map(|byte| match byte {
            b' '..=b'~' if !b"\"\\%".contains(byte) => char::from(*byte),
            _ => '_',
        })
        .collect();
    let exact = crate::protocols::http::target::encode(name).replace('/', "%2F");
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}")
}

const OCTETS: &str = "application/octet-stream";

fn pieces(file: OpenFile, live: Arc<Live>, size: u64, ranges: Ranges, only_head: bool) -> Answer {
    let length = |answer: &mut Answer, length: u64| {
        answer::set(answer, header::CONTENT_LENGTH, &length.to_string());
    };
    match ranges {
        Ranges::Unsatisfiable => {
            let detail = format!("the file has {size} bytes, and none of those that were asked for");
            let mut answer = answer::problem(StatusCode::RANGE_NOT_SATISFIABLE, "range", &detail);
            answer::set(&mut answer, header::CONTENT_RANGE, &format!("bytes */{size}"));
            answer
        }
        Ranges::Whole => {
            let body = if only_head {
                answer::nothing()
            } else {
                bytes(Arc::new(file), live, 0, size)
            };
            let mut answer = answer::with(StatusCode::OK, body);
            answer::set(&mut answer, header::CONTENT_TYPE, OCTETS);
            length(&mut answer, size);
            answer
        }
        Ranges::Some(list) => match list[..] {
            [(first, last)] => {
                let body = bytes(Arc::new(file), live, first, last - first + 1);
                let mut answer = answer::with(StatusCode::PARTIAL_CONTENT, body);
                answer::set(&mut answer, header::CONTENT_TYPE, OCTETS);
                answer::set(
                    &mut answer,
                    header::CONTENT_RANGE,
                    &format!("bytes {first}-{last}/{size}"),
                );
                length(&mut answer, last - first + 1);
                answer
            }
            _ => several(Arc::new(file), &live, size, &list),
        },
    }
}

/// Several ranges as `multipart/byteranges` (RFC 9110, 14.6).
fn several(file: Arc<OpenFile>, live: &Arc<Live>, size: u64, list: &[(u64, u64)]) -> Answer {
    let mut random = [0; 16];
    if aws_lc_rs::rand::fill(&mut random).is_err() {
        return answer::problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "random",
            "the random generator failed",
        );
    }
    let boundary = format!("argosy-{}", hex(&random));
    let mut parts: Vec<Body> = Vec::new();
    let mut total = 0;
    let mut text = |text: String, parts: &mut Vec<Body>| {
        total += text.len() as u64;
        parts.push(answer::whole(text));
    };
    for (first, last) in list {
        let head =
            format!("\r\n--{boundary}\r\nContent-Type: {OCTETS}\r\nContent-Range: bytes {first}-{last}/{size}\r\n\r\n");
        text(head, &mut parts);
        parts.push(bytes(file.clone(), live.clone(), *first, last - first + 1));
    }
    text(format!("\r\n--{boundary}--\r\n"), &mut parts);
    total += list.iter().map(|(first, last)| last - first + 1).sum::<u64>();
    let frames = futures_util::stream::iter(parts).flat_map(BodyExt::into_data_stream);
    let body = StreamBody::new(frames.map(|data| data.map(Frame::data))).boxed_unsync();
    let mut answer = answer::with(StatusCode::PARTIAL_CONTENT, body);
    let content_type = format!("multipart/byteranges; boundary={boundary}");
    answer::set(&mut answer, header::CONTENT_TYPE, &content_type);
    answer::set(&mut answer, header::CONTENT_LENGTH, &total.to_string());
    answer
}

/// `length` bytes from `first`, which the file had a moment ago. If it was cut since, the answer breaks: what was
/// promised cannot be sent.
pub fn bytes(file: Arc<OpenFile>, live: Arc<Live>, first: u64, length: u64) -> Body {
    let stream = chunks(file, first, length).map(move |chunk| {
        // The session lives as long as its answers.
        let _live = &live;
        chunk.map(Frame::data)
    });
    StreamBody::new(stream).boxed_unsync()
}

type Read = std::pin::Pin<Box<dyn Future<Output = Result<Bytes, VfsError>> + Send>>;

/// What runs ahead of the peer.
struct Ahead {
    file: Arc<OpenFile>,
    reads: FuturesOrdered<Read>,
    /// How many reads run at one time: one, until the storage was seen to wait.
    most: usize,
    next: u64,
    end: u64,
}

impl Ahead {
    fn begin(&mut self) {
        while self.reads.len() < self.most && self.next < self.end {
            let left = usize::try_from(self.end - self.next).unwrap_or(TRANSFER_BYTES);
            let (file, at, wanted) = (self.file.clone(), self.next, left.min(TRANSFER_BYTES));
            self.next += wanted as u64;
            self.reads.push_back(Box::pin(async move {
                let bytes = file.read_at(at, wanted).await?;
                if bytes.len() < wanted {
                    return Err(VfsError::Io("the file was cut while it was read".to_owned()));
                }
                Ok(bytes)
            }));
        }
    }
}

fn chunks(file: Arc<OpenFile>, first: u64, length: u64) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let ahead = Ahead {
        file,
        reads: FuturesOrdered::new(),
        most: 1,
        next: first,
        end: first + length,
    };
    futures_util::stream::unfold(Some(ahead), async |state| {
        let mut ahead = state?;
        ahead.begin();
        let read = match ahead.reads.next().now_or_never() {
            Some(read) => read,
            None => {
                ahead.most = READS_AHEAD;
                ahead.reads.next().await
            }
        };
        match read? {
            Err(error) => Some((Err(io::Error::other(error.to_string())), None)),
            Ok(bytes) => Some((Ok(bytes), Some(ahead))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_header_is_plain_for_the_old_and_exact_for_the_others() {
        for (name, expected) in [
            (
                &b"a b.txt"[..],
                "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt",
            ),
            (b"q\"\r\n", "attachment; filename=\"q___\"; filename*=UTF-8''q%22%0D%0A"),
            ("ü".as_bytes(), "attachment; filename=\"__\"; filename*=UTF-8''%C3%BC"),
        ] {
            assert_eq!(disposition(name), expected);
        }
    }
}
