//! OpenSSH user certificates: whether one lets an account in, at login and for as long as its session lasts.
//!
//! russh has verified that the peer holds the certified key and that the authority signed. Which authorities a service
//! trusts, and what of theirs is revoked, is the catalog's.
//!
//! A certificate without principals would be anybody's: refused. Of the critical options `source-address` is kept;
//! `force-command` is refused: there is no command to force, and to ignore it would widen what the authority allowed.
//! Every other one is refused too, as the format demands of options that are not known (PROTOCOL.certkeys). Extensions
//! permit what is not offered here.

use std::net::IpAddr;

use ipnet::IpNet;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey};

use super::keys;
use super::limits::{CERTIFICATE_PRINCIPALS_MAX, CERTIFICATE_TEXT_BYTES_MAX};
use crate::catalog::{Account, Authority, AuthorityKind, View};
use crate::clock::UnixMillis;
use crate::ids::Name;
use crate::session::CertifiedKey;

/// Takes what a session is judged by out of a certificate, or says why it lets nobody in anywhere.
pub(super) fn read(certificate: &Certificate) -> Result<CertifiedKey, String> {
    if certificate.cert_type() != CertType::User {
        return Err("the certificate is a host's, not a user's".to_owned());
    }
    signed_well(certificate).map_err(|reason| format!("the certificate {reason}"))?;
    let key = PublicKey::new(certificate.public_key().clone(), "");
    keys::admit(&key, false).map_err(|reason| format!("of the certificate: {reason}"))?;
    let principals = certificate.valid_principals();
    if principals.is_empty() {
        return Err("the certificate names no principal, so it would be anybody's".to_owned());
    }
    let too_long = |text: &str| text.len() > CERTIFICATE_TEXT_BYTES_MAX;
    if principals.len() > CERTIFICATE_PRINCIPALS_MAX
        || principals.iter().any(|principal| too_long(principal))
        || too_long(certificate.key_id())
    {
        return Err(format!(
            "the certificate is too big: at most {CERTIFICATE_PRINCIPALS_MAX} principals and \
             {CERTIFICATE_TEXT_BYTES_MAX} bytes each, and the same for its id"
        ));
    }
    Ok(CertifiedKey {
        authority_key: keys::admit(&PublicKey::new(certificate.signature_key().clone(), ""), false)?,
        serial: certificate.serial(),
        key_id: certificate.key_id().to_owned(),
        fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
        principals: principals.to_vec(),
        valid_after: moment(certificate.valid_after()),
        valid_before: moment(certificate.valid_before()),
        sources: sources(certificate)?,
    })
}

/// Refuses a signature of the authority that is weak, or by a weak key, or wrong. A clause: `is signed ...`.
pub(super) fn signed_well(certificate: &Certificate) -> Result<(), String> {
    let algorithm = certificate.signature().algorithm();
    let weak = matches!(
        algorithm,
        Algorithm::Dsa | Algorithm::Other(_) | Algorithm::Rsa { hash: None }
    );
    if weak {
        return Err(format!(
            "is signed with {algorithm}, which is too weak; sign with Ed25519, ECDSA or RSA and SHA-2"
        ));
    }
    keys::admit(&PublicKey::new(certificate.signature_key().clone(), ""), false)
        .map_err(|reason| format!("is signed by a weak authority: {reason}"))?;
    certificate
        .verify_signature()
        .map_err(|_| "is not signed by the authority that it names".to_owned())
}

/// Seconds of a certificate as a moment; `None`: beyond all time, which the format uses for "without end".
pub(super) fn moment(seconds: u64) -> Option<UnixMillis> {
    let millis = seconds.checked_mul(1000)?;
    i64::try_from(millis).ok().map(UnixMillis)
}

/// The critical options, all of which must be understood.
fn sources(certificate: &Certificate) -> Result<Option<Vec<IpNet>>, String> {
    let mut sources = None;
    for (option, value) in certificate.critical_options().iter() {
        match option.as_str() {
            "source-address" => {
                let network = |text: &str| {
                    let text = text.trim();
                    text.parse::<IpNet>()
                        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                        .ok()
                };
                let networks: Option<Vec<IpNet>> = value.split(',').map(network).collect();
                let reason = || "the certificate's source-address is not a list of networks".to_owned();
                sources = Some(networks.ok_or_else(reason)?);
            }
            "force-command" => {
                return Err("the certificate forces a command, and this service runs none".to_owned());
            }
            other => {
                let shown = super::shown_claim(other);
                return Err(format!(
                    "the certificate has the critical option `{shown}`, which is not known here"
                ));
            }
        }
    }
    Ok(sources)
}

/// Whether the certificate lets the account in through `service` from `from` at `now`. A service that is gone is no
/// reason here: whoever asks finds that out by itself.
pub(super) fn holds(
    view: &View,
    service: &Name,
    account: (&Name, &Account),
    certified: &CertifiedKey,
    (from, now): (IpAddr, UnixMillis),
) -> Result<(), String> {
    let Some(service) = view.services.get(service) else {
        return Ok(());
    };
    let trusted = service.spec.user_authorities.iter();
    let mut signers = trusted
        .filter_map(|name| view.authorities.get(name).map(|object| &object.spec))
        .filter(|authority| {
            authority.kind == AuthorityKind::SshUser && authority.keys.contains(&certified.authority_key)
        })
        .peekable();
    if signers.peek().is_none() {
        return Err("the service does not trust the certificate's authority".to_owned());
    }
    for authority in signers {
        not_revoked(authority, certified)?;
    }
    if certified.valid_after.is_some_and(|begin| now < begin) {
        return Err("the certificate is not valid yet".to_owned());
    }
    if certified.valid_before.is_some_and(|end| end <= now) {
        return Err("the certificate has expired".to_owned());
    }
    let (name, account) = account;
    let admits = |principal: &String| {
        if account.principals.is_empty() {
            principal == name.as_str()
        } else {
            account.principals.contains(principal)
        }
    };
    if !certified.principals.iter().any(admits) {
        return Err("the certificate is for other principals".to_owned());
    }
    let from = from.to_canonical();
    let inside = |networks: &Vec<IpNet>| networks.iter().any(|network| network.contains(&from));
    if !certified.sources.as_ref().is_none_or(inside) {
        return Err(format!("the certificate may not be used from {from}"));
    }
    Ok(())
}

fn not_revoked(authority: &Authority, certified: &CertifiedKey) -> Result<(), String> {
    let what = if authority.revoked_serials.contains(&certified.serial) {
        "serial number"
    } else if authority.revoked_ids.contains(&certified.key_id) {
        "id"
    } else if authority.revoked_keys.contains(&certified.fingerprint) {
        "key"
    } else {
        return Ok(());
    };
    Err(format!("the certificate's {what} is revoked"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
