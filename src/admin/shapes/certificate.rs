//! The JSON of a certificate. One of these makes one, or replaces what is there:
//!
//! ```json
//! {"chain": "PEM, the certificate itself first", "private": "PEM"}
//! {"pkcs12": "base64", "pkcs12_password": "..."}
//! {"self_signed": {"names": ["ftp.example.org", "192.0.2.7"], "days": 365}, "algorithm": "ecdsa-p256"}
//! {"request": {"names": ["ftp.example.org"], "organization": "Example"}, "algorithm": "rsa-3072"}
//! ```
//!
//! After a request reads answer it as `csr`; once an authority has signed, `{"chain": "PEM"}` alone brings the
//! certificate to the key that is kept. While a certificate is renewed that way the present one goes on being shown.
//! A chain alone can also replace that of the present key. Keys are sealed, and never answered.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::fields::{self, Fields};
use super::{Border, Built, moment};
use crate::admin::certificates::issue::{self, NewKey, Wanted};
use crate::admin::certificates::limits::{NAMES_MAX, PKCS12_TEXT_BYTES_MAX, SELF_SIGNED_DAYS, SELF_SIGNED_DAYS_MAX};
use crate::admin::certificates::{self, Pair, chain, pem, pkcs12};
use crate::admin::problem::{Problem, ProblemKind};
use crate::catalog::certificate::context;
use crate::catalog::{Certificate, CertificateKey, Issued, Requested, Spec};
use crate::ids::Name;
use crate::x509::{self, KeyKind, hex};

/// The fields that are answered and never taken.
const READ_ONLY: [&str; 10] = [
    "csr",
    "issued",
    "subject",
    "issuer",
    "serial",
    "names",
    "not_before",
    "not_after",
    "fingerprint",
    "created_at",
];

/// What a document brings.
enum Brought {
    /// A chain with its key.
    Pair(Vec<x509::Certificate>, Pair),
    /// Both in a PKCS#12 file, with its password.
    Pkcs12(Zeroizing<Vec<u8>>, Zeroizing<String>),
    /// A chain for a key that is here.
    Chain(Vec<x509::Certificate>),
    /// A key, for the chain that is here.
    Private(Pair),
    /// A wish for a self-signed certificate.
    SelfSigned(Wanted, u32),
    /// A wish for a request.
    Request(Wanted),
    /// Nothing new.
    Nothing,
}

/// The way in.
pub fn build(name: &Name, fields: &mut Fields, border: &Border<'_>) -> Result<Built, Problem> {
    for read_only in READ_ONLY {
        fields.read_only(read_only);
    }
    let present = border.view.certificates.get(name).map(|object| &object.spec);
    let algorithm_path = fields.at("algorithm");
    let algorithm: Option<String> = fields.take("algorithm")?;
    let (brought, path) = brought(fields, present)?;
    let kept = |spec: Certificate| Built {
        spec: Spec::Certificate(spec),
        secret: None,
        kept: true,
    };
    let refuse = |reason: String| Problem::invalid(&path, reason);
    let now = border.now;
    if !matches!(brought, Brought::Nothing) {
        border.costly()?;
    }
    let new_key = || -> Result<(NewKey, Pair), Problem> {
        let algorithm = match &algorithm {
            // The word of a key that came from elsewhere is no wish.
            Some(word) if issue::ALGORITHMS.contains(&word.as_str()) => word,
            Some(word) if present.is_none() => {
                let known = issue::ALGORITHMS.join("`, `");
                let shown: String = word.chars().take(64).collect();
                let reason = format!("is `{shown}`, but must be one of `{known}`");
                return Err(Problem::invalid(&algorithm_path, reason));
            }
            _ => issue::ALGORITHMS[0],
        };
        let key = issue::generate(algorithm).map_err(|reason| Problem::invalid(&algorithm_path, reason))?;
        let pair = key
            .pair()
            .map_err(|reason| Problem::new(ProblemKind::Internal, reason))?;
        Ok((key, pair))
    };
    let issued = |chain: Vec<x509::Certificate>, pair: &Pair| -> Result<Built, Problem> {
        chain::check(&chain, &pair.public, now).map_err(refuse)?;
        let key = seal(name, pair, border)?;
        Ok(Built {
            spec: Spec::Certificate(Certificate {
                issued: Some(Issued { chain, key }),
                requested: None,
                created_at: now,
            }),
            secret: None,
            kept: false,
        })
    };
    match brought {
        Brought::Pair(chain, pair) => issued(chain, &pair),
        Brought::Pkcs12(file, password) => {
            let (chain, pair) = pkcs12::open(&file, &password).map_err(refuse)?;
            issued(chain, &pair)
        }
        Brought::Private(pair) => match present.and_then(|present| present.issued.as_ref()) {
            Some(before) => issued(before.chain.clone(), &pair),
            None => Err(refuse("stands alone; give its certificates as `chain`".to_owned())),
        },
        Brought::SelfSigned(wanted, days) => {
            let (key, pair) = new_key()?;
            let made = key.self_signed(&wanted, days, now).map_err(refuse)?;
            issued(vec![made], &pair)
        }
        Brought::Request(wanted) => {
            let (key, pair) = new_key()?;
            let requested = Requested {
                request: key.request(&wanted).map_err(refuse)?,
                key: seal(name, &pair, border)?,
            };
            Ok(kept(Certificate {
                issued: present.and_then(|present| present.issued.clone()),
                requested: Some(requested),
                created_at: now,
            }))
        }
        Brought::Chain(new) => signed(name, new, present, now).map(kept).map_err(refuse),
        Brought::Nothing => match present {
            Some(present) => Ok(kept(present.clone())),
            None => {
                let reason = "says nothing of what to make: give `chain` and `private`, `pkcs12`, `self_signed` or \
                              `request`";
                Err(Problem::invalid(path.trim_end_matches(".chain"), reason))
            }
        },
    }
}

/// A chain that comes alone: for the key of the request, or for that of the present chain.
fn signed(
    name: &Name,
    chain: Vec<x509::Certificate>,
    present: Option<&Certificate>,
    now: crate::clock::UnixMillis,
) -> Result<Certificate, String> {
    let alone = || {
        format!(
            "stands alone: no key of it is here, and an export never holds one; give its key as `private`, or bring \
             both before what is applied (argosy certificate import {name} --chain FILE --private FILE)"
        )
    };
    let present = present.ok_or_else(alone)?;
    let public = chain.first().and_then(|own| own.facts()).map(|own| own.spki.as_slice());
    if let Some(requested) = &present.requested
        && (present.issued.is_none() || public == Some(requested.key.public.as_slice()))
    {
        chain::check(&chain, &requested.key.public, now)
            .map_err(|reason| format!("{reason} (the key is that of the request)"))?;
        return Ok(Certificate {
            issued: Some(Issued {
                chain,
                key: requested.key.clone(),
            }),
            requested: None,
            created_at: present.created_at,
        });
    }
    let issued = present.issued.as_ref().ok_or_else(alone)?;
    chain::check(&chain, &issued.key.public, now)?;
    Ok(Certificate {
        issued: Some(Issued {
            chain,
            key: issued.key.clone(),
        }),
        ..present.clone()
    })
}

fn seal(name: &Name, pair: &Pair, border: &Border<'_>) -> Result<CertificateKey, Problem> {
    let sealed_private = border.cluster.seal(&context(name), &pair.private).map_err(|error| {
        Problem::new(
            ProblemKind::NodeOperationFailed,
            format!("the key cannot be sealed, nothing was changed: {error}"),
        )
    })?;
    Ok(CertificateKey {
        public: pair.public.clone(),
        sealed_private,
    })
}

/// Reads what the document brings, and the path of the field that brings it.
fn brought(fields: &mut Fields, present: Option<&Certificate>) -> Result<(Brought, String), Problem> {
    let chain_path = fields.at("chain");
    let chain_text: Option<String> = fields.take("chain")?;
    let present_chain = present.and_then(|present| present.issued.as_ref());
    let present_chain = present_chain.map(|issued| issued.chain.as_slice());
    let chain = chain_text
        .map(|text| pem::certificates(&text).map_err(|reason| Problem::invalid(&chain_path, reason)))
        .transpose()?
        // What was read comes back.
        .filter(|chain| Some(chain.as_slice()) != present_chain || fields.has("private"));
    let private_path = fields.at("private");
    let private = fields.secret("private")?;
    let private = private
        .map(|text| certificates::import_private(&text).map_err(|reason| Problem::invalid(&private_path, reason)))
        .transpose()?;
    let pkcs12_path = fields.at("pkcs12");
    let pkcs12 = packed(fields)?;
    let self_signed = fields.raw("self_signed").filter(|value| !value.is_null());
    let request = fields.raw("request").filter(|value| !value.is_null());
    let (self_signed_path, request_path) = (fields.at("self_signed"), fields.at("request"));
    let ways = [
        (chain.is_some() || private.is_some(), &chain_path),
        (pkcs12.is_some(), &pkcs12_path),
        (self_signed.is_some(), &self_signed_path),
        (request.is_some(), &request_path),
    ];
    let mut given = ways.iter().filter(|(given, _)| *given);
    if let (Some(_), Some((_, second))) = (given.next(), given.next()) {
        return Err(Problem::invalid(
            second,
            "stands next to another way to bring a certificate; give one of them",
        ));
    }
    if let Some(pkcs12) = pkcs12 {
        return Ok((pkcs12, pkcs12_path));
    }
    if let Some(value) = self_signed {
        let mut inner = Fields::of(value, &self_signed_path)?;
        let days = inner.number("days", SELF_SIGNED_DAYS, 1, SELF_SIGNED_DAYS_MAX)?;
        let wanted = wanted(&mut inner)?;
        inner.done()?;
        return Ok((Brought::SelfSigned(wanted, days), self_signed_path));
    }
    if let Some(value) = request {
        let mut inner = Fields::of(value, &request_path)?;
        let wanted = wanted(&mut inner)?;
        inner.done()?;
        return Ok((Brought::Request(wanted), request_path));
    }
    Ok(match (chain, private) {
        (Some(chain), Some(private)) => (Brought::Pair(chain, private), chain_path),
        (Some(chain), None) => (Brought::Chain(chain), chain_path),
        (None, Some(private)) => (Brought::Private(private), private_path),
        (None, None) => (Brought::Nothing, chain_path),
    })
}

/// A PKCS#12 file with its password.
fn packed(fields: &mut Fields) -> Result<Option<Brought>, Problem> {
    let path = fields.at("pkcs12");
    let password = fields.secret("pkcs12_password")?.unwrap_or_default();
    let Some(text) = fields.secret("pkcs12")? else {
        return Ok(None);
    };
    if text.len() > PKCS12_TEXT_BYTES_MAX {
        let reason = format!("has {} bytes, over the limit of {PKCS12_TEXT_BYTES_MAX}", text.len());
        return Err(Problem::invalid(&path, reason));
    }
    let bare: Zeroizing<String> = Zeroizing::new(text.split_ascii_whitespace().collect());
    match STANDARD.decode(bare.as_bytes()) {
        Ok(file) => Ok(Some(Brought::Pkcs12(Zeroizing::new(file), password))),
        Err(_) => Err(Problem::invalid(&path, "is not base64")),
    }
}

/// Whom a certificate is to be for.
fn wanted(fields: &mut Fields) -> Result<Wanted, Problem> {
    let names = fields.list("names", NAMES_MAX, |value, path| {
        let name = fields::text(value, path)?;
        let is_name = name.len() <= 253
            && !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-*:_".contains(&byte))
            && !name.trim_start_matches("*.").contains('*')
            && (!name.contains(':') || name.parse::<std::net::IpAddr>().is_ok());
        match is_name {
            true => Ok(name),
            false => Err(Problem::invalid(
                path,
                "is neither a DNS name in ASCII nor an IP address",
            )),
        }
    })?;
    if names.is_empty() {
        let reason = "is empty; give the names and addresses by which clients reach the service";
        return Err(Problem::invalid(&fields.at("names"), reason));
    }
    let mut text = |name: &'static str, max: usize| -> Result<Option<String>, Problem> {
        let text: Option<String> = fields.take(name)?;
        if text
            .as_ref()
            .is_some_and(|text| text.is_empty() || text.chars().count() > max || text.chars().any(char::is_control))
        {
            let reason = format!("must have from 1 to {max} characters, none of them a control character");
            return Err(Problem::invalid(&fields.at(name), reason));
        }
        Ok(text)
    };
    let wanted = Wanted {
        names,
        common_name: text("common_name", 64)?,
        organization: text("organization", 64)?,
        organizational_unit: text("organizational_unit", 64)?,
        locality: text("locality", 128)?,
        state: text("state", 128)?,
        country: text("country", 2)?,
    };
    let is_country = |country: &String| country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
    if !wanted.country.as_ref().is_none_or(is_country) {
        return Err(Problem::invalid(
            &fields.at("country"),
            "must be two capital letters, such as `DE`",
        ));
    }
    Ok(wanted)
}

/// The way out.
pub fn show(certificate: &Certificate) -> Value {
    let issued = certificate.issued.as_ref();
    let requested = certificate.requested.as_ref();
    let facts = certificate.facts();
    let key = issued
        .map(|issued| &issued.key)
        .or(requested.map(|requested| &requested.key));
    json!({
        "issued": issued.is_some(),
        "chain": issued.map(|issued| pem::write_chain(&issued.chain)),
        "csr": requested.map(|requested| pem::write("CERTIFICATE REQUEST", &requested.request)),
        "algorithm": key.map(|key| KeyKind::of(&key.public).word()),
        "subject": facts.map(|facts| facts.subject.as_str()),
        "issuer": facts.map(|facts| facts.issuer.as_str()),
        "serial": facts.map(|facts| hex(&facts.serial)),
        "names": facts.map(|facts| facts.names.clone()).unwrap_or_default(),
        "not_before": moment(facts.map(|facts| facts.not_before)),
        "not_after": moment(certificate.not_after()),
        "fingerprint": facts.map(|facts| hex(&facts.fingerprint)),
        "created_at": certificate.created_at.to_rfc3339(),
    })
}
