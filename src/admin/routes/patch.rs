//! `PATCH /api/v1/KIND/NAME`: a JSON merge patch (RFC 7396) of one object, in one transaction.
//!
//! With `If-Match` the patch is made to that revision or refused; without it, to whatever is there, and repeated a few
//! times when somebody else was faster.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, header};

use super::object::{Wanted, build, take};
use crate::admin::caller::Caller;
use crate::admin::problem::{Problem, ProblemKind};
use crate::admin::query::{self, Options, PathPart, WriteQuery};
use crate::admin::shapes::kinds;
use crate::admin::tries::Tries;
use crate::admin::{AdminApi, etag, limits, merge};
use crate::catalog::command::role_needed;
use crate::catalog::{Expected, Kind, ObjectKey, Transaction};

/// The media types of a patch.
pub const MEDIA_TYPES: [&str; 2] = ["application/merge-patch+json", "application/json"];

pub(super) async fn patch(
    State(api): State<Arc<AdminApi>>,
    Extension(kind): Extension<Kind>,
    Extension(caller): Extension<Caller>,
    part: PathPart,
    Options(options): Options<WriteQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.need(role_needed(kind))?;
    let key = ObjectKey {
        kind,
        name: part.name()?,
    };
    let wait = options.wait()?;
    media_type(&headers)?;
    let precondition = etag::expected(&headers)?;
    let body = query::body(body).await?;
    let request = query::asked(&api, &caller, &format!("patch {key}"), &headers, &body).await?;
    let patch = merge::of_spec(query::json(&body)?, &(kinds::row(kind).properties)())?;
    let mut tries = Tries::new(request, wait, precondition, limits::PATCH_TRIES_MAX);
    if body.len() <= limits::QUICK_BYTES_MAX {
        let wanted = Wanted::Patch(patch.clone());
        if let Some(answer) = tries.at_once(&api, &caller, &key, wanted, precondition).await {
            return answer;
        }
    }
    loop {
        let wanted = Wanted::Patch(patch.clone());
        let built = build(&api, &caller, vec![(key.clone(), wanted, "spec".to_owned())]).await?;
        let present = built.first().and_then(|(_, _, present)| *present);
        let expected = match precondition {
            None | Some(Expected::Present) => present.map_or(Expected::Absent, Expected::Revision),
            Some(named) => named,
        };
        let mut transaction = Transaction {
            expected: vec![(key.clone(), expected)],
            ..Transaction::default()
        };
        let secrets = take(&mut transaction, built);
        if let Some(answer) = tries.make(&api, &caller, transaction, secrets).await {
            return answer;
        }
    }
}

fn media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let given = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if MEDIA_TYPES.iter().any(|known| known.eq_ignore_ascii_case(given)) {
        return Ok(());
    }
    let detail = format!("a patch must be sent as {}", MEDIA_TYPES.join(" or "));
    Err(Problem::new(ProblemKind::UnsupportedMediaType, detail))
}
