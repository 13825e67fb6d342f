//! The JSON of an authority.
//!
//! ```json
//! {"kind": "ssh-user", "keys": ["ssh-ed25519 AAAA"], "revoked_serials": [7], "revoked_ids": ["laptop"],
//!  "revoked_keys": ["SHA256:..."]}
//! {"kind": "tls-client", "certificates": ["PEM"], "revocation_lists": ["PEM, or DER in base64"],
//!  "takes_stale_lists": false, "revocation_source": {"url": "http://crl.example.org/ca.crl", "every_seconds": 3600}}
//! ```
//!
//! Fields of the other kind must be empty. Reads of the second kind tell besides what its certificates and lists say.

use serde_json::{Value, json};

use super::fields::{self, Fields};
use super::{Border, moment};
use crate::admin::certificates::limits::REVOCATIONS_BYTES_MAX;
use crate::admin::certificates::{chain, pem, strong};
use crate::admin::limits::{REVOCATION_EVERY_SECONDS_MAX, REVOCATION_EVERY_SECONDS_MIN};
use crate::admin::problem::Problem;
use crate::auth::parse_public_key;
use crate::catalog::limits::{AUTHORITY_KEYS_MAX, REVOKED_MAX, TEXT_BYTES_MAX};
use crate::catalog::{Authority, AuthorityKind, RevocationSource, Spec};
use crate::clock::UnixMillis;
use crate::ids::Name;
use crate::x509::{Certificate, Facts, KeyKind, RevocationFacts, RevocationList, hex, is_signed_by};

/// The way in.
pub fn build(name: &Name, fields: &mut Fields, border: &Border<'_>) -> Result<Spec, Problem> {
    let kind = fields.take("kind")?.unwrap_or(AuthorityKind::SshUser);
    fields.read_only("certificate_facts");
    fields.read_only("revocation_facts");
    let (mine, others, word) = match kind {
        AuthorityKind::SshUser => (&SSH_FIELDS[..], &TLS_FIELDS[..], "ssh-user"),
        AuthorityKind::TlsClient => (&TLS_FIELDS[..], &SSH_FIELDS[..], "tls-client"),
    };
    for other in others {
        let empty = match fields.raw(other) {
            None | Some(Value::Null | Value::Bool(false)) => true,
            Some(Value::Array(list)) => list.is_empty(),
            Some(_) => false,
        };
        if !empty {
            let reason = format!("is not for the kind `{word}`, which has `{}`", mine.join("`, `"));
            return Err(Problem::invalid(&fields.at(other), reason));
        }
    }
    let spec = match kind {
        AuthorityKind::SshUser => ssh(fields)?,
        AuthorityKind::TlsClient => {
            let present = border.view.authorities.get(name).map(|object| &object.spec);
            tls(fields, present, border.now)?
        }
    };
    Ok(Spec::Authority(spec))
}

const SSH_FIELDS: [&str; 4] = ["keys", "revoked_serials", "revoked_ids", "revoked_keys"];
const TLS_FIELDS: [&str; 4] = [
    "certificates",
    "revocation_lists",
    "takes_stale_lists",
    "revocation_source",
];

fn ssh(fields: &mut Fields) -> Result<Authority, Problem> {
    let keys = fields.list("keys", AUTHORITY_KEYS_MAX, |value, path| {
        let line = fields::text(value, path)?;
        let (key, _) =
            parse_public_key(&line).map_err(|reason| Problem::invalid(path, format!("is not acceptable: {reason}")))?;
        Ok(key)
    })?;
    if keys.is_empty() {
        let reason = "is empty; give the public key that signs, one line as in a `.pub` file";
        return Err(Problem::invalid(&fields.at("keys"), reason));
    }
    let short_text = |value: Value, path: &str| {
        let text = fields::text(value, path)?;
        if text.is_empty() || text.len() > TEXT_BYTES_MAX || text.contains(char::is_control) {
            return Err(Problem::invalid(
                path,
                "is empty, too long, or holds a control character",
            ));
        }
        Ok(text)
    };
    Ok(Authority {
        revoked_serials: fields.list("revoked_serials", REVOKED_MAX, |value, path| {
            value
                .as_u64()
                .ok_or_else(|| Problem::invalid(path, "must be a number from 0 to 2^64-1"))
        })?,
        revoked_ids: fields.list("revoked_ids", REVOKED_MAX, short_text)?,
        revoked_keys: fields.list("revoked_keys", REVOKED_MAX, |value, path| {
            let text = short_text(value, path)?;
            if !text.starts_with("SHA256:") {
                return Err(Problem::invalid(path, "must be a fingerprint such as `SHA256:...`"));
            }
            Ok(text)
        })?,
        ..Authority::ssh_user(keys)
    })
}

fn tls(fields: &mut Fields, present: Option<&Authority>, now: UnixMillis) -> Result<Authority, Problem> {
    let takes_stale_lists = fields.take("takes_stale_lists")?.unwrap_or(false);
    let known = |certificate: &Certificate| present.is_some_and(|present| present.certificates.contains(certificate));
    let certificates = fields.list("certificates", AUTHORITY_KEYS_MAX, |value, path| {
        let refuse = |reason: String| Problem::invalid(path, reason);
        let found = pem::certificates(&fields::text(value, path)?).map_err(refuse)?;
        for certificate in found.iter().filter(|certificate| !known(certificate)) {
            signs(certificate, now).map_err(refuse)?;
        }
        Ok(found)
    })?;
    let mut certificates: Vec<Certificate> = certificates.into_iter().flatten().collect();
    let mut seen = std::collections::BTreeSet::new();
    certificates.retain(|certificate| seen.insert(certificate.der().to_vec()));
    let path = fields.at("certificates");
    if certificates.is_empty() {
        return Err(Problem::invalid(
            &path,
            "is empty; give the authority's certificate in PEM form",
        ));
    }
    if certificates.len() > AUTHORITY_KEYS_MAX {
        let reason = format!(
            "holds {} certificates, over the limit of {AUTHORITY_KEYS_MAX}",
            certificates.len()
        );
        return Err(Problem::invalid(&path, reason));
    }
    let revocation_lists = fields.list("revocation_lists", AUTHORITY_KEYS_MAX, |value, path| {
        let refuse = |reason: String| Problem::invalid(path, reason);
        let list = pem::revocation_list(&fields::text(value, path)?).map_err(refuse)?;
        let stale_from = (!takes_stale_lists).then_some(now);
        acceptable(&list, &certificates, present, stale_from).map_err(refuse)?;
        Ok(list)
    })?;
    let path = fields.at("revocation_lists");
    let issuers: Vec<_> = revocation_lists.iter().filter_map(RevocationList::facts).collect();
    for (at, facts) in issuers.iter().enumerate() {
        if issuers[..at].iter().any(|before| before.issuer_der == facts.issuer_der) {
            let reason = format!("has two lists of {}; give the newest alone", facts.issuer);
            return Err(Problem::invalid(&path, reason));
        }
    }
    let bytes: usize = revocation_lists.iter().map(|list| list.der().len()).sum();
    if bytes > REVOCATIONS_BYTES_MAX {
        let reason = format!("has {bytes} bytes in all, over the limit of {REVOCATIONS_BYTES_MAX}");
        return Err(Problem::invalid(&path, reason));
    }
    Ok(Authority {
        takes_stale_lists,
        revocation_source: source(fields)?,
        ..Authority::tls_client(certificates, revocation_lists)
    })
}

/// Whether a certificate is an authority's, in force and strong enough.
fn signs(certificate: &Certificate, now: UnixMillis) -> Result<(), String> {
    let facts = certificate.facts().ok_or_else(|| "cannot be read".to_owned())?;
    if !facts.is_ca {
        return Err(format!(
            "is no authority's certificate ({}): it may not sign others",
            facts.subject
        ));
    }
    chain::in_force(facts, now).map_err(|reason| format!("cannot be trusted: {} {reason}", facts.subject))?;
    match KeyKind::of(&facts.spki) {
        kind @ KeyKind::Rsa(_) => strong(kind).map_err(|reason| format!("cannot be trusted: its key {reason}")),
        _ => Ok(()),
    }
}

/// Whether a list is one of the authority's, no older than the one before, and, where asked, still in force.
pub fn acceptable(
    list: &RevocationList,
    certificates: &[Certificate],
    present: Option<&Authority>,
    stale_from: Option<UnixMillis>,
) -> Result<(), String> {
    let facts = list.facts().ok_or_else(|| "cannot be read".to_owned())?;
    let mut issuers = certificates.iter().filter_map(Certificate::facts);
    let mut issuers = issuers
        .by_ref()
        .filter(|issuer| issuer.subject_der == facts.issuer_der)
        .peekable();
    if issuers.peek().is_none() {
        return Err(format!(
            "is of {}, which is none of the authority's certificates",
            facts.issuer
        ));
    }
    if !issuers.any(|issuer| is_signed_by(list.der(), &issuer.spki).is_ok()) {
        return Err(format!("is not signed by {}, whose name it has", facts.issuer));
    }
    let before = present.map_or(&[][..], |present| &present.revocation_lists);
    if before.contains(list) {
        return Ok(());
    }
    let former = before.iter().filter_map(RevocationList::facts);
    if let Some(former) = former.into_iter().find(|former| former.issuer_der == facts.issuer_der)
        && former.is_newer_than(facts)
    {
        return Err(format!(
            "is older than the one that is there (made at {}, the present one at {}); it would take revocations back",
            facts.this_update.to_rfc3339(),
            former.this_update.to_rfc3339()
        ));
    }
    if let (Some(now), Some(next)) = (stale_from, facts.next_update)
        && next < now
    {
        return Err(format!(
            "is stale: a newer one was due at {}; fetch that, or set `takes_stale_lists`",
            next.to_rfc3339()
        ));
    }
    crate::listener::tls::takes_list(certificates, list)
}

fn source(fields: &mut Fields) -> Result<Option<RevocationSource>, Problem> {
    let path = fields.at("revocation_source");
    let Some(value) = fields.raw("revocation_source").filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let mut inner = Fields::of(value, &path)?;
    let url: String = inner.need("url")?;
    let is_plain = url.len() <= TEXT_BYTES_MAX
        && url
            .parse::<http::Uri>()
            .is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty()));
    if !is_plain {
        let reason = "must be an `http://` URL, as certificates name it (a list is signed, so that its way needs no \
                      protection)";
        return Err(Problem::invalid(&inner.at("url"), reason));
    }
    let every_seconds = inner.number(
        "every_seconds",
        3_600,
        REVOCATION_EVERY_SECONDS_MIN,
        REVOCATION_EVERY_SECONDS_MAX,
    )?;
    inner.done()?;
    Ok(Some(RevocationSource { url, every_seconds }))
}

/// The way out.
pub fn show(authority: &Authority) -> Value {
    let facts = |facts: &Facts| {
        json!({
            "subject": facts.subject,
            "fingerprint": hex(&facts.fingerprint),
            "not_after": facts.not_after.to_rfc3339(),
        })
    };
    let revoked = |facts: &RevocationFacts| {
        json!({
            "issuer": facts.issuer,
            "number": facts.number.as_deref().map(hex),
            "this_update": facts.this_update.to_rfc3339(),
            "next_update": moment(facts.next_update),
            "revoked": facts.serials.len(),
        })
    };
    let source = authority.revocation_source.as_ref();
    let certificates = authority.certificates.iter();
    let lists = authority.revocation_lists.iter();
    json!({
        "kind": authority.kind,
        "keys": authority.keys,
        "revoked_serials": authority.revoked_serials,
        "revoked_ids": authority.revoked_ids,
        "revoked_keys": authority.revoked_keys,
        "certificates": certificates.clone().map(|one| pem::write("CERTIFICATE", one.der())).collect::<Vec<_>>(),
        "certificate_facts": certificates.filter_map(Certificate::facts).map(facts).collect::<Vec<_>>(),
        "revocation_lists": lists.clone().map(|list| pem::write("X509 CRL", list.der())).collect::<Vec<_>>(),
        "revocation_facts": lists.filter_map(RevocationList::facts).map(revoked).collect::<Vec<_>>(),
        "takes_stale_lists": authority.takes_stale_lists,
        "revocation_source": source.map(|source| json!({ "url": source.url, "every_seconds": source.every_seconds })),
    })
}
