//! PROPPATCH (RFC 4918, 9.2): all changes of the request, or none.
//!
//! What is set stays with the file: it lies in the file's note, which the Vfs keeps.

use http::StatusCode;
use hyper::body::Incoming;

use super::guard::{self, Change};
use super::properties::{self, LIVE, QUOTA, WINDOWS};
use super::xml::{self, DAV, Element, QName};
use super::{Asked, DECLARATION, Refusal, bad_request, href, read_xml, status_of, xml_answer};
use crate::clock::UnixMillis;
use crate::protocols::http::answer::Answer;
use crate::protocols::http::conditions::parse_date;
use crate::protocols::http::limits::{PROPERTIES_MAX, XML_CHANGE_BYTES_MAX};
use crate::vfs::{AttributeChange, FileType, VfsError};

/// One change.
enum Instruction {
    Set(Element),
    Remove(QName),
}

impl Instruction {
    fn name(&self) -> &QName {
        match self {
            Self::Set(element) => &element.name,
            Self::Remove(name) => name,
        }
    }
}

fn instructions(body: &Element) -> Result<Vec<Instruction>, Refusal> {
    if !body.name.is_dav("propertyupdate") {
        return Err(bad_request("the body must be `DAV:propertyupdate`"));
    }
    let mut all = Vec::new();
    for change in body.elements() {
        let sets = change.name.is_dav("set");
        if !sets && !change.name.is_dav("remove") {
            continue;
        }
        for prop in change.elements().filter(|element| element.name.is_dav("prop")) {
            let language = [prop, change, body].into_iter().find_map(Element::language);
            for element in prop.elements() {
                all.push(match sets {
                    true => Instruction::Set(element.clone().in_language(language)),
                    false => Instruction::Remove(element.name.clone()),
                });
            }
        }
    }
    if all.is_empty() || all.len() > PROPERTIES_MAX {
        return Err(bad_request(&format!(
            "the body must set or remove properties, at least one and at most {PROPERTIES_MAX}"
        )));
    }
    Ok(all)
}

/// What all instructions together come to.
struct Plan {
    /// What is to be set afterwards.
    set: Vec<Element>,
    /// Something of it has changed.
    changed: bool,
    /// The time of the last change.
    modified: Option<UnixMillis>,
    /// For each instruction the status it fails with by itself.
    failed: Vec<Option<StatusCode>>,
}

fn plan(set: Vec<Element>, all: &[Instruction]) -> Plan {
    let mut plan = Plan {
        set,
        changed: false,
        modified: None,
        failed: Vec::new(),
    };
    for one in all {
        let name = one.name();
        let is_time = name.is_dav("getlastmodified") || name.space == WINDOWS && name.local == "Win32LastModifiedTime";
        let mut failed = None;
        match one {
            Instruction::Set(element) if is_time => match parse_date(element.text().trim()) {
                Some(seconds) => plan.modified = Some(UnixMillis(seconds.saturating_mul(1000))),
                None => failed = Some(StatusCode::CONFLICT),
            },
            _ if name.space == DAV && (LIVE.contains(&&*name.local) || QUOTA.contains(&&*name.local)) => {
                failed = Some(StatusCode::FORBIDDEN);
            }
            _ => {}
        }
        if failed.is_none() && !name.is_dav("getlastmodified") {
            plan.set.retain(|element| element.name != *name);
            if let Instruction::Set(element) = one {
                plan.set.push(element.clone());
            }
            plan.changed = true;
        }
        plan.failed.push(failed);
    }
    plan
}

/// PROPPATCH.
pub async fn answer(asked: &Asked<'_>, body: &mut Incoming) -> Result<Answer, Refusal> {
    let body = read_xml(body, XML_CHANGE_BYTES_MAX).await?;
    let body = body.ok_or_else(|| bad_request("the body must be `DAV:propertyupdate`"))?;
    let all = instructions(&body)?;
    let refused = |error| asked.refusal(&error);
    let attributes = asked.attributes(asked.path()).await.map_err(refused)?;
    let changes = Change {
        path: asked.path(),
        below: false,
        name: false,
    };
    guard::permit(asked, &[changes]).await?;
    let note = asked.vfs.note(asked.session(), asked.path()).await.map_err(refused)?;
    let plan = plan(properties::from_note(&note), &all);
    let mut whole = None;
    if plan.failed.iter().all(Option::is_none)
        && let Err(error) = carry_out(asked, &plan, &all).await
    {
        if matches!(error, VfsError::Revoked(_) | VfsError::Io(_) | VfsError::Stale(_)) {
            return Err(asked.refusal(&error));
        }
        let status = match &error {
            VfsError::Limit(_) | VfsError::Full => StatusCode::INSUFFICIENT_STORAGE,
            VfsError::Unsupported(_) => StatusCode::FORBIDDEN,
            error => status_of(error),
        };
        whole = Some((status, error.to_string()));
    }
    let folder = attributes.file_type == FileType::Folder;
    Ok(told(&href(asked.path(), folder), &all, &plan.failed, whole.as_ref()))
}

async fn carry_out(asked: &Asked<'_>, plan: &Plan, all: &[Instruction]) -> Result<(), VfsError> {
    if plan.changed {
        let note = properties::to_note(&plan.set);
        let kept = asked.vfs.set_note(asked.session(), asked.path(), note).await;
        // Windows sends times with every file and takes a refusal for a failed copy.
        let windows = || all.iter().all(|one| one.name().space == WINDOWS);
        match kept {
            Err(VfsError::Unsupported(_) | VfsError::Full | VfsError::Limit(_)) if windows() => {}
            other => other?,
        }
    }
    if let Some(modified) = plan.modified {
        let change = AttributeChange {
            times: Some((modified, modified)),
            ..AttributeChange::default()
        };
        asked.vfs.set_attributes(asked.session(), asked.path(), &change).await?;
    }
    Ok(())
}

/// What became of each; where one has failed, the others have for its sake.
fn told(
    address: &str,
    all: &[Instruction],
    failed: &[Option<StatusCode>],
    whole: Option<&(StatusCode, String)>,
) -> Answer {
    let any = failed.iter().any(Option::is_some);
    let mut text = format!("{DECLARATION}<D:multistatus xmlns:D=\"DAV:\"><D:response><D:href>{address}</D:href>");
    let status_of = |own: &Option<StatusCode>| match (own, any) {
        (Some(status), _) => *status,
        (None, true) => StatusCode::FAILED_DEPENDENCY,
        (None, false) => whole.map_or(StatusCode::OK, |(status, _)| *status),
    };
    let mut statuses: Vec<StatusCode> = failed.iter().map(status_of).collect();
    let each: Vec<(StatusCode, &QName)> = statuses
        .iter()
        .copied()
        .zip(all.iter().map(Instruction::name))
        .collect();
    statuses.sort_unstable();
    statuses.dedup();
    for status in statuses {
        text.push_str("<D:propstat><D:prop>");
        for (_, name) in each.iter().filter(|(of, _)| *of == status) {
            xml::write_empty(name, &mut text);
        }
        let reason = status.canonical_reason().unwrap_or_default();
        text.push_str(&format!(
            "</D:prop><D:status>HTTP/1.1 {} {reason}</D:status>",
            status.as_u16()
        ));
        if status == StatusCode::FORBIDDEN && whole.is_none() {
            text.push_str("<D:error><D:cannot-modify-protected-property/></D:error>");
        }
        if let Some((_, why)) = whole.filter(|(of, _)| *of == status) {
            text.push_str("<D:responsedescription>");
            xml::escape(why, &mut text);
            text.push_str("</D:responsedescription>");
        }
        text.push_str("</D:propstat>");
    }
    text.push_str("</D:response></D:multistatus>\n");
    xml_answer(StatusCode::MULTI_STATUS, text)
}
