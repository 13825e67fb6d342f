//! A folder: pages by name, or all of it as a stream.

use std::collections::BinaryHeap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::json;

use super::{Asked, Refusal, bad_request, entry, href};
use crate::path::VirtualPath;
use crate::protocols::http::answer::{self, Answer};
use crate::protocols::http::kept::Live;
use crate::protocols::http::limits::{ENTRIES_PER_STEP, PAGE_ENTRIES, PAGE_ENTRIES_MAX};
use crate::protocols::http::target::encode;
use crate::vfs::{Attributes, Entry, Listing, VfsError};

/// Lines of JSON.
const LINES: &str = "application/x-ndjson";

/// GET of a folder.
pub(super) async fn folder(asked: &Asked<'_>, head: &http::request::Parts) -> Result<Answer, Refusal> {
    let accepts = head.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let listing = asked.vfs().list(asked.session(), asked.path()).await;
    let listing = listing.map_err(|error| asked.refusal(&error))?;
    if accepts.is_some_and(|accept| accept.contains(LINES)) {
        return Ok(streamed(listing, asked.live.clone(), asked.path().clone()));
    }
    let limit = match asked.query.get("limit") {
        None => PAGE_ENTRIES,
        Some(text) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok())
            .filter(|limit| (1..=PAGE_ENTRIES_MAX).contains(limit))
            .ok_or_else(|| bad_request(&format!("`limit` must be a number from 1 to {PAGE_ENTRIES_MAX}")))?,
    };
    let after = asked.query.get("after");
    let page = page(listing, after, limit)
        .await
        .map_err(|error| asked.refusal(&error))?;
    Ok(shown(asked, &page, limit))
}

/// One page: entries by name, and whether more follow.
struct Page {
    entries: Vec<Entry>,
    more: bool,
}

/// The first `limit` entries by name after `after`. All of the folder is read, only the page is held.
async fn page(mut listing: Listing, after: Option<&[u8]>, limit: usize) -> Result<Page, VfsError> {
    let mut first: BinaryHeap<ByName> = BinaryHeap::with_capacity(limit + 1);
    let mut more = false;
    loop {
        let entries = listing.next(ENTRIES_PER_STEP).await?;
        if entries.is_empty() {
            break;
        }
        for entry in entries {
            if after.is_some_and(|after| &*entry.name <= after) {
                continue;
            }
            if first.len() < limit {
                first.push(ByName(entry.name, entry.attributes));
            } else {
                more = true;
                if first.peek().is_some_and(|last| entry.name < last.0) {
                    first.pop();
                    first.push(ByName(entry.name, entry.attributes));
                }
            }
        }
    }
    let entries = first.into_sorted_vec().into_iter();
    Ok(Page {
        entries: entries
            .map(|ByName(name, attributes)| Entry { name, attributes })
            .collect(),
        more,
    })
}

struct ByName(Bytes, Attributes);

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for ByName {}

impl PartialOrd for ByName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

fn shown(asked: &Asked<'_>, page: &Page, limit: usize) -> Answer {
    let entries: Vec<_> = page.entries.iter().filter_map(|one| line(asked.path(), one)).collect();
    let last = page.entries.last().filter(|_| page.more);
    let next = last.map(|last| {
        format!(
            "{}?limit={limit}&after={}",
            href(asked.path(), true),
            parameter(&last.name)
        )
    });
    let mut answer = answer::json(
        StatusCode::OK,
        &json!({ "path": href(asked.path(), true), "entries": entries, "next": next }),
    );
    if let Some(next) = next {
        answer::set(&mut answer, header::LINK, &format!("<{next}>; rel=\"next\""));
    }
    answer
}

/// A name as the value of a parameter.
fn parameter(name: &[u8]) -> String {
    encode(name).replace('/', "%2F")
}

fn line(folder: &VirtualPath, one: &Entry) -> Option<serde_json::Value> {
    let path = folder.join(&one.name).ok()?;
    Some(entry(&path, &one.name, &one.attributes))
}

/// All entries in the order of the storage, a line of JSON each. A failure in the middle breaks the answer.
fn streamed(listing: Listing, live: Arc<Live>, folder: VirtualPath) -> Answer {
    let steps = stream::unfold(Some((listing, live, folder)), async |state| {
        let (mut listing, live, folder) = state?;
        match listing.next(ENTRIES_PER_STEP).await {
            Err(error) => Some((Err(io::Error::other(error.to_string())), None)),
            Ok(entries) if entries.is_empty() => None,
            Ok(entries) => {
                let mut lines = String::new();
                for shown in entries.iter().filter_map(|one| line(&folder, one)) {
                    lines.push_str(&shown.to_string());
                    lines.push('\n');
                }
                Some((Ok(Bytes::from(lines)), Some((listing, live, folder))))
            }
        }
    });
    let body = StreamBody::new(steps.map(|step| step.map(Frame::data))).boxed_unsync();
    let mut answer = answer::with(StatusCode::OK, body);
    answer::set(&mut answer, header::CONTENT_TYPE, LINES);
    answer::set(&mut answer, header::CACHE_CONTROL, "no-store");
    answer
}
