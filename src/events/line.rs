//! An event as one JSON line. Field names are part of the product: they are added to, never changed.

use serde_json::{Map, Value, json};

use super::{Event, FileVerb, limits};
use crate::clock::UnixMillis;
use crate::path::VirtualPath;

/// The event's number, its name and its fields.
pub(super) fn describe(event: &Event) -> (u32, &'static str, Map<String, Value>) {
    let (number, name, fields) = match event {
        Event::NodeStarted { version } => (1, "node-started", json!({ "version": version })),
        Event::NodeStopped { reason } => (2, "node-stopped", json!({ "reason": cut(reason) })),
        Event::LoginAccepted {
            account,
            peer,
            service,
            protocol,
            method,
            session,
        } => (
            10,
            "login-accepted",
            json!({ "account": account.as_str(), "peer": peer, "service": service.as_str(), "protocol": protocol,
                "method": method, "session": session.to_string() }),
        ),
        Event::LoginRefused {
            account,
            peer,
            service,
            protocol,
            method,
            reason,
        } => (
            11,
            "login-refused",
            json!({ "account": cut(account), "peer": peer, "service": service.as_str(), "protocol": protocol,
                "method": method, "reason": cut(reason) }),
        ),
        Event::SessionEnded {
            account,
            peer,
            protocol,
            session,
            reason,
            bytes_in,
            bytes_out,
        } => (
            12,
            "session-ended",
            json!({ "account": account.as_str(), "peer": peer, "protocol": protocol, "session": session.to_string(),
                "reason": cut(reason), "bytes_in": bytes_in, "bytes_out": bytes_out }),
        ),
        Event::ConnectionRefused { peer, service, reason } => (
            13,
            "connection-refused",
            json!({ "peer": peer, "service": service.as_str(), "reason": cut(reason) }),
        ),
        Event::ConnectionBanned { peer, service, reason } => (
            14,
            "connection-banned",
            json!({ "peer": peer, "service": service.as_str(), "reason": cut(reason) }),
        ),
        Event::FileOperation(operation) => {
            let mut fields = json!({ "account": operation.account.as_str(), "peer": operation.peer,
                "protocol": operation.protocol, "session": operation.session.to_string(),
                "bytes": operation.bytes, "millis": operation.millis,
                "outcome": if operation.refused.is_some() { "refused" } else { "done" } });
            let outcome = fields.as_object_mut();
            if let Some(fields) = outcome {
                put_path(fields, "path", &operation.path);
                if let Some(target) = &operation.target {
                    put_path(fields, "target", target);
                }
                if let Some(reason) = &operation.refused {
                    fields.insert("reason".to_owned(), cut(reason).into());
                }
            }
            (operation.verb as u32, verb_name(operation.verb), fields)
        }
        Event::CatalogChanged {
            actor,
            from,
            revision,
            objects,
        } => (
            40,
            "catalog-changed",
            json!({ "actor": cut(actor), "from": cut(from), "revision": revision, "objects": objects }),
        ),
        Event::ChangeRefused { actor, from, reason } => (
            41,
            "change-refused",
            json!({ "actor": cut(actor), "from": cut(from), "reason": cut(reason) }),
        ),
        Event::JoinTokenIssued {
            actor,
            from,
            valid_seconds,
            failed,
        } => (
            42,
            "join-token-issued",
            asked(
                actor,
                from,
                failed.as_deref(),
                json!({ "valid_seconds": valid_seconds }),
            ),
        ),
        Event::NodeRemoved {
            actor,
            from,
            target,
            failed,
        } => (
            43,
            "node-removed",
            asked(actor, from, failed.as_deref(), json!({ "target": cut(target) })),
        ),
        Event::LeadershipMoved {
            actor,
            from,
            target,
            failed,
        } => (
            44,
            "leadership-moved",
            asked(actor, from, failed.as_deref(), json!({ "target": cut(target) })),
        ),
        Event::SessionCloseAsked {
            actor,
            from,
            session,
            target,
            failed,
        } => (
            45,
            "session-close-asked",
            asked(
                actor,
                from,
                failed.as_deref(),
                json!({ "session": cut(session), "target": target.as_deref().map(cut) }),
            ),
        ),
        Event::ServiceOpened { service, address } => (
            50,
            "service-opened",
            json!({ "service": service.as_str(), "address": address }),
        ),
        Event::ServiceClosed {
            service,
            address,
            reason,
        } => (
            51,
            "service-closed",
            json!({ "service": service.as_str(), "address": address, "reason": cut(reason) }),
        ),
        Event::ServiceFailed {
            service,
            address,
            reason,
        } => (
            52,
            "service-failed",
            json!({ "service": service.as_str(), "address": address, "reason": cut(reason) }),
        ),
        Event::BanBegan {
            ban,
            target,
            reason,
            until,
            automatic,
        } => (
            55,
            "ban-began",
            json!({ "ban": ban.as_str(), "target": target, "reason": cut(reason),
                "until": until.map(UnixMillis::to_rfc3339), "automatic": automatic }),
        ),
        Event::BanEnded { ban, target, reason } => (
            56,
            "ban-ended",
            json!({ "ban": ban.as_str(), "target": target, "reason": reason }),
        ),
        Event::CertificateExpiring {
            what,
            name,
            subject,
            not_after,
            days,
        } => (
            57,
            "certificate-expiring",
            json!({ "what": what, "name": name.as_str(), "subject": cut(subject),
                "not_after": not_after.to_rfc3339(), "days": days }),
        ),
        Event::RevocationFetchFailed { authority, url, reason } => (
            58,
            "revocation-fetch-failed",
            json!({ "authority": authority.as_str(), "url": cut(url), "reason": cut(reason) }),
        ),
        Event::StorageUnhealthy { storage, reason } => (
            60,
            "storage-unhealthy",
            json!({ "storage": storage.as_str(), "reason": cut(reason) }),
        ),
    };
    let fields = match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    (number, name, fields)
}

/// What an administrator asked for outside of the catalog, with what became of it.
fn asked(actor: &str, from: &str, failed: Option<&str>, mut fields: Value) -> Value {
    fields["actor"] = cut(actor).into();
    fields["from"] = cut(from).into();
    fields["outcome"] = if failed.is_some() { "failed" } else { "done" }.into();
    if let Some(reason) = failed {
        fields["reason"] = cut(reason).into();
    }
    fields
}

/// The event's name for a file verb.
pub(super) fn verb_name(verb: FileVerb) -> &'static str {
    match verb {
        FileVerb::Uploaded => "file-uploaded",
        FileVerb::Downloaded => "file-downloaded",
        FileVerb::Listed => "folder-listed",
        FileVerb::Renamed => "renamed",
        FileVerb::Deleted => "file-deleted",
        FileVerb::FolderMade => "folder-made",
        FileVerb::FolderRemoved => "folder-removed",
        FileVerb::AttributesSet => "attributes-set",
        FileVerb::Linked => "linked",
        FileVerb::UploadAborted => "upload-aborted",
        FileVerb::Opened => "file-opened",
    }
}

/// A path as text; where its bytes are not UTF-8, also the bytes in hexadecimal, so that nothing is lost.
fn put_path(fields: &mut Map<String, Value>, name: &str, path: &VirtualPath) {
    match std::str::from_utf8(path.as_bytes()) {
        Ok(text) => {
            fields.insert(name.to_owned(), text.into());
        }
        Err(_) => {
            fields.insert(name.to_owned(), path.to_string().into());
            let hex: String = path.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            fields.insert(format!("{name}_hex"), hex.into());
        }
    }
}

/// Text from outside, bounded. JSON escapes what could forge a line.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(limits::TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
