//! Whether a chain can be shown: in order, in force, strong enough, and its key's own.

use super::{limits, strong};
use crate::clock::UnixMillis;
use crate::x509::{Certificate, Facts, KeyKind, is_signed_by, is_soundly_signed};

/// Judges a chain, the certificate itself first. `public` is its key's SubjectPublicKeyInfo in DER.
///
/// A chain that is not in force yet is refused, not warned of: it would be shown at once, and every client would
/// refuse it until its day comes.
///
/// # Errors
/// A clause that says which certificate is wrong, and why.
pub fn check(chain: &[Certificate], public: &[u8], now: UnixMillis) -> Result<(), String> {
    let facts: Option<Vec<&Facts>> = chain.iter().map(Certificate::facts).collect();
    let facts = facts.ok_or_else(|| "cannot be read".to_owned())?;
    let own = facts.first().ok_or_else(|| "is empty".to_owned())?;
    if own.spki != public {
        let elsewhere = facts.iter().position(|one| one.spki == public);
        return Err(match elsewhere {
            Some(at) => format!(
                "is out of order: the key belongs to certificate {} ({}), which must come first",
                at + 1,
                facts[at].subject
            ),
            None => format!(
                "does not belong to the key: the key is another than that of {}",
                own.subject
            ),
        });
    }
    strong(KeyKind::of(&own.spki)).map_err(|reason| format!("is for a key that {reason}"))?;
    if !own.for_servers {
        return Err(format!(
            "is not for servers: its extended key usage leaves out serverAuth ({})",
            own.subject
        ));
    }
    for (at, one) in facts.iter().enumerate() {
        let which = || format!("certificate {} ({})", at + 1, one.subject);
        in_force(one, now).map_err(|reason| format!("cannot be used: {} {reason}", which()))?;
        if at == 0 {
            continue;
        }
        if !one.is_ca {
            return Err(format!("has {} above another, but it is no authority's", which()));
        }
        if let kind @ KeyKind::Rsa(_) = KeyKind::of(&one.spki) {
            strong(kind).map_err(|reason| format!("has a key at {} that {reason}", which()))?;
        }
    }
    for at in 1..chain.len() {
        follows(chain, &facts, at)?;
    }
    match (chain.last(), facts.last()) {
        // Nobody looks at the signature of a certificate under itself.
        (Some(last), Some(facts)) if !facts.is_self_issued() => is_soundly_signed(last.der()).map_err(|reason| {
            format!(
                "cannot be used: certificate {} ({}) {reason}",
                chain.len(),
                facts.subject
            )
        }),
        _ => Ok(()),
    }
}

/// Whether certificate `at` signed the one before it.
fn follows(chain: &[Certificate], facts: &[&Facts], at: usize) -> Result<(), String> {
    let (below, above) = (facts[at - 1], facts[at]);
    if below.issuer_der == above.subject_der {
        return is_signed_by(chain[at - 1].der(), &above.spki).map_err(|reason| {
            format!(
                "is broken: certificate {at} ({}) {reason}, although certificate {} has its issuer's name",
                below.subject,
                at + 1
            )
        });
    }
    let right = facts.iter().position(|one| one.subject_der == below.issuer_der);
    let right = right.filter(|right| *right + 1 != at);
    Err(match right {
        Some(right) => format!(
            "is out of order: certificate {at} ({}) was signed by certificate {}, which must follow it",
            below.subject,
            right + 1
        ),
        None => format!(
            "is out of order: certificate {at} ({}) was signed by {}, not by certificate {} ({})",
            below.subject,
            below.issuer,
            at + 1,
            above.subject
        ),
    })
}

/// Whether a certificate is in force.
pub fn in_force(facts: &Facts, now: UnixMillis) -> Result<(), String> {
    if facts.not_after.0 < now.0 {
        return Err(format!("has expired at {}", facts.not_after.to_rfc3339()));
    }
    if facts.not_before.0 > now.0.saturating_add(limits::AHEAD_MILLIS_MAX) {
        return Err(format!(
            "is not valid before {}; put it then",
            facts.not_before.to_rfc3339()
        ));
    }
    Ok(())
}
