//! Changes: PUT, MKCOL, DELETE, COPY and MOVE (RFC 4918, 9.3 to 9.9).
//!
//! How a body becomes a file and how a tree is walked is the file API's; which locks are in the way is left to `guard`.

use http::{StatusCode, header};
use hyper::body::{Body, Incoming};
use tokio::time::Instant;

use super::guard::{self, Change};
use super::{Asked, DECLARATION, Depth, Elsewhere, Refusal, bad_request, depth, href, place_of, status_of, xml_answer};
use crate::clock::UnixMillis;
use crate::path::VirtualPath;
use crate::protocols::http::answer::{self, Answer};
use crate::protocols::http::conditions;
use crate::protocols::http::files::{Failure, Walker, take};
use crate::protocols::http::limits::UPLOAD_LONG;
use crate::vfs::{AttributeChange, Attributes, FileType, OpenFile, OpenOptions, VfsError};

fn problem(status: StatusCode, word: &str, detail: &str) -> Refusal {
    Box::new(answer::problem(status, word, detail))
}

fn not_here() -> Refusal {
    Box::new(answer::not_allowed(
        "OPTIONS, GET, HEAD, PROPFIND, PROPPATCH, LOCK, UNLOCK",
    ))
}

/// PUT.
pub async fn put(asked: &Asked<'_>, body: &mut Incoming) -> Result<Answer, Refusal> {
    let headers = &asked.head.headers;
    if headers.contains_key(header::CONTENT_RANGE) {
        return Err(bad_request("a part cannot be put; send the whole"));
    }
    let path = asked.path();
    let found = asked.found(path).await?;
    if asked.target.as_folder || found.as_ref().is_some_and(|found| found.file_type == FileType::Folder) {
        return Err(not_here());
    }
    asked.has_folder(path).await?;
    let existed = found.is_some();
    let changes = Change {
        path,
        below: false,
        name: !existed,
    };
    guard::permit(asked, &[changes]).await?;
    let only_new = headers.get(header::IF_NONE_MATCH).is_some_and(|tag| tag == "*");
    let options = OpenOptions {
        write: true,
        create: true,
        truncate: !only_new,
        exclusive: only_new,
        ..OpenOptions::default()
    };
    let refused = |error| match error {
        VfsError::Exists if only_new => problem(
            StatusCode::PRECONDITION_FAILED,
            "stale",
            "something has this name already",
        ),
        error => asked.refusal(&error),
    };
    let file = asked.vfs.open(asked.session(), path, &options).await.map_err(refused)?;
    let limit = asked.connection.spoken().body_bytes_max;
    let begun = Instant::now();
    let taken = take(&file, asked.head, body, limit, asked.session()).await;
    taken.map_err(|stop| Box::new(stop.answer(asked.session())))?;
    let _working = asked.connection.work();
    if begun.elapsed() > UPLOAD_LONG {
        guard::still(asked, &changes).await?;
    }
    let dated = date(asked, &file).await;
    file.commit().await.map_err(refused)?;
    let status = if existed {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::CREATED
    };
    let mut answer = answer::empty(status);
    if let Ok(attributes) = asked.attributes(path).await {
        answer::set(&mut answer, header::ETAG, &conditions::etag(&attributes));
    }
    if dated {
        answer::set(&mut answer, MTIME, "accepted");
    }
    Ok(answer)
}

const MTIME: header::HeaderName = header::HeaderName::from_static("x-oc-mtime");

/// The time that ownCloud's clients and those like them send with a file, in Unix seconds; whether it was set.
async fn date(asked: &Asked<'_>, file: &OpenFile) -> bool {
    let sent = asked.head.headers.get(MTIME).and_then(|text| text.to_str().ok());
    let whole = sent.and_then(|text| text.trim().split('.').next()?.parse::<i64>().ok());
    let Some(millis) = whole.and_then(|seconds| seconds.checked_mul(1000)) else {
        return false;
    };
    let change = AttributeChange {
        times: Some((UnixMillis(millis), UnixMillis(millis))),
        ..AttributeChange::default()
    };
    file.set_attributes(&change).await.is_ok()
}

/// MKCOL.
pub async fn make_folder(asked: &Asked<'_>, body: &Incoming) -> Result<Answer, Refusal> {
    if !body.is_end_stream() {
        let detail = "a folder is made without a body";
        return Err(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "body", detail));
    }
    let path = asked.path();
    if asked.found(path).await?.is_some() {
        return Err(not_here());
    }
    asked.has_folder(path).await?;
    let changes = Change {
        path,
        below: false,
        name: true,
    };
    guard::permit(asked, &[changes]).await?;
    match asked.vfs.make_folder(asked.session(), path, None).await {
        Ok(()) => Ok(answer::empty(StatusCode::CREATED)),
        Err(VfsError::Exists) => Err(not_here()),
        Err(error) => Err(asked.refusal(&error)),
    }
}

fn walker<'a>(asked: &'a Asked<'_>) -> Walker<'a> {
    Walker {
        vfs: &asked.vfs,
        session: asked.session(),
    }
}

/// Some of a tree was done and some not: 207 with what was not (RFC 4918, 9.6.1).
fn partly(failures: &[Failure]) -> Answer {
    let mut text = format!("{DECLARATION}<D:multistatus xmlns:D=\"DAV:\">\n");
    for Failure { path, error } in failures {
        let status = status_of(error);
        let reason = status.canonical_reason().unwrap_or_default();
        text.push_str(&format!(
            "<D:response><D:href>{}</D:href><D:status>HTTP/1.1 {} {reason}</D:status></D:response>\n",
            href(path, false),
            status.as_u16()
        ));
    }
    text.push_str("</D:multistatus>\n");
    xml_answer(StatusCode::MULTI_STATUS, text)
}

/// A refusal of the place itself is the answer; those of what is under it are listed.
fn ended(asked: &Asked<'_>, top: &VirtualPath, failures: &[Failure]) -> Result<(), Refusal> {
    match failures {
        [] => Ok(()),
        [one] if one.path == *top => Err(asked.refusal(&one.error)),
        many => Err(Box::new(partly(many))),
    }
}

/// Removes whatever is there, itself and not what a link leads to.
async fn remove(asked: &Asked<'_>, path: &VirtualPath) -> Result<(), Refusal> {
    let refused = |error| asked.refusal(&error);
    let there = asked
        .vfs
        .attributes(asked.session(), path, false)
        .await
        .map_err(refused)?;
    let place = guard::located(asked, path).await?;
    match there.file_type {
        FileType::Folder => {
            let failures = walker(asked).remove_each(path).await.map_err(refused)?;
            ended(asked, path, &failures)?;
        }
        _ => asked.vfs.remove(asked.session(), path).await.map_err(refused)?,
    }
    guard::forget(asked, place.as_ref()).await;
    Ok(())
}

/// DELETE.
pub async fn delete(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let path = asked.path();
    if path.is_root() {
        // All that an account has must not go by one path too short.
        let detail = "the top folder cannot be removed; name what is to go";
        return Err(problem(StatusCode::FORBIDDEN, "denied", detail));
    }
    let found = asked.vfs.attributes(asked.session(), path, false).await;
    let found = found.map_err(|error| asked.refusal(&error))?;
    let folder = found.file_type == FileType::Folder;
    if asked.target.as_folder && found.file_type == FileType::File {
        return Err(asked.refusal(&VfsError::NotFound));
    }
    if folder && depth(&asked.head.headers)?.is_some_and(|depth| depth != Depth::Infinity) {
        return Err(bad_request(
            "a folder is removed with all in it: `Depth` must be infinity",
        ));
    }
    let changes = Change {
        path,
        below: true,
        name: true,
    };
    guard::permit(asked, &[changes]).await?;
    let _working = asked.connection.work();
    remove(asked, path).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Where a COPY or MOVE goes to.
fn destination(asked: &Asked<'_>) -> Result<VirtualPath, Refusal> {
    let sent = asked
        .head
        .headers
        .get("destination")
        .and_then(|address| address.to_str().ok());
    let sent = sent.ok_or_else(|| bad_request("`Destination` must say where to"))?;
    match place_of(asked.head, sent) {
        Ok(target) => Ok(target.path),
        Err(Elsewhere::Host) => {
            let detail = "`Destination` is not among the WebDAV folders of this server";
            Err(problem(StatusCode::BAD_GATEWAY, "elsewhere", detail))
        }
        Err(Elsewhere::Malformed(reason)) => Err(bad_request(&format!("`Destination`: {reason}"))),
    }
}

/// COPY and MOVE.
pub async fn relocate(asked: &Asked<'_>, moves: bool) -> Result<Answer, Refusal> {
    let (from, to) = (asked.path(), destination(asked)?);
    let headers = &asked.head.headers;
    let overwrite = match headers.get("overwrite").map(http::HeaderValue::as_bytes) {
        None | Some(b"T" | b"t") => true,
        Some(b"F" | b"f") => false,
        Some(_) => return Err(bad_request("`Overwrite` must be T or F")),
    };
    let deep = match (depth(headers)?, moves) {
        (None | Some(Depth::Infinity), _) => true,
        (Some(Depth::Zero), false) => false,
        _ => return Err(bad_request("`Depth` must be infinity; for COPY it may be 0")),
    };
    let source = asked.vfs.attributes(asked.session(), from, !moves).await;
    let source = source.map_err(|error| asked.refusal(&error))?;
    if from.is_root() && moves || to.is_root() || *from == to {
        return Err(problem(
            StatusCode::FORBIDDEN,
            "denied",
            "this cannot be its own target",
        ));
    }
    let folder = source.file_type == FileType::Folder;
    if from.is_within(&to) || folder && (moves || deep) && to.is_within(from) {
        let detail = "a folder cannot go into itself, nor replace one that it lies in";
        return Err(problem(StatusCode::FORBIDDEN, "denied", detail));
    }
    asked.has_folder(&to).await?;
    let there = asked.found(&to).await?;
    let mut changes = vec![Change {
        path: &to,
        below: true,
        name: there.is_none(),
    }];
    if moves {
        changes.push(Change {
            path: from,
            below: true,
            name: true,
        });
    }
    guard::permit(asked, &changes).await?;
    if there.is_some() && !overwrite {
        let detail = "something is at the target already, and it is not to be replaced";
        return Err(problem(StatusCode::PRECONDITION_FAILED, "exists", detail));
    }
    let _working = asked.connection.work();
    carry_out(asked, (from, &source), (&to, there.as_ref()), (moves, deep)).await?;
    Ok(answer::empty(match there {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::CREATED,
    }))
}

/// Files replace files in one step; whatever else is in the way is removed first, once it is known that what comes can
/// be read.
async fn carry_out(
    asked: &Asked<'_>,
    (from, source): (&VirtualPath, &Attributes),
    (to, there): (&VirtualPath, Option<&Attributes>),
    (moves, deep): (bool, bool),
) -> Result<(), Refusal> {
    let refused = |error| asked.refusal(&error);
    let is_file = |attributes: &Attributes| attributes.file_type != FileType::Folder;
    let in_one_step = is_file(source) && there.is_none_or(is_file);
    let in_the_way = !in_one_step && there.is_some();
    if !moves {
        if in_the_way {
            if !is_file(source) {
                walker(asked).look(from).await.map_err(refused)?;
            }
            remove(asked, to).await?;
        }
        return copy(asked, from, to, is_file(source), (in_one_step, deep)).await;
    }
    let place = guard::located(asked, from).await?;
    let aside = if in_the_way {
        Some(put_aside(asked, to).await?)
    } else {
        None
    };
    let done = match asked.vfs.rename(asked.session(), from, to, in_one_step).await {
        Err(VfsError::CrossesStorages) => {
            let copied = copy(asked, from, to, is_file(source), (in_one_step, true)).await;
            match copied {
                Ok(()) => remove(asked, from).await,
                refused => refused,
            }
        }
        done => done.map_err(refused),
    };
    if let Some(aside) = &aside {
        match &done {
            Ok(()) => {
                guard::forget(asked, guard::located(asked, to).await?.as_ref()).await;
                remove(asked, aside).await?;
            }
            // What came only in part keeps the name, and what was there its new one: nothing is lost.
            Err(_) => drop(asked.vfs.rename(asked.session(), aside, to, false).await),
        }
    }
    done?;
    guard::forget(asked, place.as_ref()).await;
    Ok(())
}

/// Gives what a MOVE replaces another name until what replaces it is there.
async fn put_aside(asked: &Asked<'_>, path: &VirtualPath) -> Result<VirtualPath, Refusal> {
    let mut random = [0; 8];
    if aws_lc_rs::rand::fill(&mut random).is_err() {
        return Err(problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "random",
            "the random generator failed",
        ));
    }
    let name = format!(".replaced-{:016x}", u64::from_le_bytes(random));
    let folder = path.parent().unwrap_or_else(VirtualPath::root);
    let aside = folder
        .join(name.as_bytes())
        .map_err(|error| bad_request(&error.to_string()))?;
    let moved = asked.vfs.rename(asked.session(), path, &aside, false).await;
    moved.map(|()| aside).map_err(|error| asked.refusal(&error))
}

async fn copy(
    asked: &Asked<'_>,
    from: &VirtualPath,
    to: &VirtualPath,
    file: bool,
    (overwrite, deep): (bool, bool),
) -> Result<(), Refusal> {
    let refused = |error| asked.refusal(&error);
    if file {
        return walker(asked).copy_file(from, to, overwrite).await.map_err(refused);
    }
    let failures = walker(asked).copy_each(from, to, deep).await.map_err(refused)?;
    ended(asked, to, &failures)
}
