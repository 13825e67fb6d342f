//! Changes other than writing: remove, make a folder, move, copy, set attributes.

use http::{StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::Value;

use super::tree::Walker;
use super::{Asked, Refusal, bad_request, bad_target, entry, href};
use crate::clock::UnixMillis;
use crate::path::VirtualPath;
use crate::protocols::http::answer::{self, Answer};
use crate::protocols::http::conditions::{self, Current, Verdict};
use crate::protocols::http::limits::JSON_BYTES_MAX;
use crate::protocols::http::target::BadTarget;
use crate::vfs::{AttributeChange, FileType, VfsError};

impl<'a> Asked<'a> {
    fn walker(&'a self) -> Walker<'a> {
        Walker {
            vfs: self.vfs(),
            session: self.session(),
        }
    }

    /// Refuses what the conditions of the request refuse; `follow`: they are about what a link leads to.
    pub(super) async fn conditions(&self, head: &http::request::Parts, follow: bool) -> Result<(), Refusal> {
        if !conditions::any(&head.headers) {
            return Ok(());
        }
        let attributes = match self.vfs().attributes(self.session(), self.path(), follow).await {
            Ok(attributes) => Some(attributes),
            Err(VfsError::NotFound) => None,
            Err(error) => return Err(self.refusal(&error)),
        };
        let etag = attributes.as_ref().map(conditions::etag);
        let current = attributes
            .as_ref()
            .zip(etag.as_ref())
            .map(|(attributes, etag)| Current {
                etag,
                modified: attributes.modified,
            });
        match conditions::judge(&head.method, &head.headers, current) {
            Verdict::Go => Ok(()),
            _ => {
                let detail = match current {
                    Some(_) => "what is there is not what the condition names; read it again",
                    None => "nothing is there, and the condition names something",
                };
                Err(Box::new(answer::problem(
                    StatusCode::PRECONDITION_FAILED,
                    "stale",
                    detail,
                )))
            }
        }
    }
}

/// DELETE.
pub(super) async fn delete(asked: &Asked<'_>, head: &http::request::Parts) -> Result<Answer, Refusal> {
    asked.only(&["recursive"])?;
    if asked.path().is_root() {
        // All that an account has must not go by one path too short.
        let detail = "the topmost folder may not be removed; name what is to go";
        return Err(Box::new(answer::problem(StatusCode::FORBIDDEN, "denied", detail)));
    }
    asked.conditions(head, false).await?;
    let refused = |error| asked.refusal(&error);
    let found = asked.vfs().attributes(asked.session(), asked.path(), false).await;
    let found = found.map_err(refused)?;
    let _working = asked.connection.work();
    let done = match found.file_type {
        FileType::Folder if asked.query.is_set("recursive") => asked.walker().remove(asked.path()).await,
        FileType::Folder => asked.vfs().remove_folder(asked.session(), asked.path()).await,
        _ if asked.target.as_folder => Err(VfsError::NotFolder),
        _ => asked.vfs().remove(asked.session(), asked.path()).await,
    };
    done.map_err(refused)?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// POST: one of `make-folder`, `move-to` and `copy-to`.
pub(super) async fn post(asked: &Asked<'_>, head: &http::request::Parts) -> Result<Answer, Refusal> {
    asked.only(&["make-folder", "move-to", "copy-to", "overwrite"])?;
    let (moves, copies) = (asked.query.get("move-to"), asked.query.get("copy-to"));
    match (asked.query.is_set("make-folder"), moves, copies) {
        (true, None, None) => {
            let made = asked.vfs().make_folder(asked.session(), asked.path(), None).await;
            made.map_err(|error| asked.refusal(&error))?;
            Ok(created(asked.path(), true))
        }
        (false, Some(to), None) => {
            asked.conditions(head, false).await?;
            relocate(asked, to, true).await
        }
        (false, None, Some(to)) => {
            asked.conditions(head, true).await?;
            relocate(asked, to, false).await
        }
        _ => Err(bad_request(
            "say one of `make-folder`, `move-to=PATH` and `copy-to=PATH`",
        )),
    }
}

fn created(path: &VirtualPath, folder: bool) -> Answer {
    let mut answer = answer::empty(StatusCode::CREATED);
    answer::set(&mut answer, header::LOCATION, &href(path, folder));
    answer
}

async fn relocate(asked: &Asked<'_>, to: &[u8], moves: bool) -> Result<Answer, Refusal> {
    if to.first() != Some(&b'/') {
        return Err(bad_request("the place to go to must be a path that begins with `/`"));
    }
    let to = VirtualPath::parse(to).map_err(|error| bad_target(&BadTarget::Path(error)))?;
    let overwrite = asked.query.is_set("overwrite");
    let refused = |error| asked.refusal(&error);
    let found = asked.vfs().attributes(asked.session(), asked.path(), !moves).await;
    let folder = found.map_err(refused)?.file_type == FileType::Folder;
    let _working = asked.connection.work();
    let done = match (moves, folder) {
        (true, _) => asked.vfs().rename(asked.session(), asked.path(), &to, overwrite).await,
        (false, true) => asked.walker().copy(asked.path(), &to).await,
        (false, false) => asked.walker().copy_file(asked.path(), &to, overwrite).await,
    };
    done.map_err(refused)?;
    Ok(created(&to, folder))
}

/// PATCH: `{"modified": "2026-11-24T12:00:00Z", "mode": "0644"}`.
pub(super) async fn patch(asked: &Asked<'_>, body: &mut Incoming) -> Result<Answer, Refusal> {
    asked.only(&[])?;
    let body = Limited::new(body, JSON_BYTES_MAX).collect().await;
    let body = body.map_err(|_| bad_request("the body could not be read, or is too long"))?;
    let change = change(&body.to_bytes()).map_err(|reason| bad_request(&reason))?;
    let refused = |error| asked.refusal(&error);
    let set = asked.vfs().set_attributes(asked.session(), asked.path(), &change).await;
    set.map_err(refused)?;
    let attributes = asked.attributes().await.map_err(refused)?;
    let name = asked.path().file_name().unwrap_or_default();
    Ok(answer::json(StatusCode::OK, &entry(asked.path(), name, &attributes)))
}

fn change(body: &[u8]) -> Result<AttributeChange, String> {
    let parsed = serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    let Value::Object(fields) = parsed else {
        return Err("the body must be an object".to_owned());
    };
    let mut change = AttributeChange::default();
    for (name, value) in &fields {
        match (&**name, value.as_str()) {
            ("modified", Some(text)) => {
                let time = UnixMillis::from_rfc3339(text).map_err(|error| format!("`modified`: {error}"))?;
                change.times = Some((time, time));
            }
            ("mode", Some(text)) => {
                let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
                change.mode = Some(mode.ok_or("`mode` must be octal digits from 0000 to 0777")?);
            }
            ("modified" | "mode", None) => return Err(format!("`{name}` must be text")),
            _ => return Err(format!("`{name}` cannot be set; `modified` and `mode` can")),
        }
    }
    Ok(change)
}
