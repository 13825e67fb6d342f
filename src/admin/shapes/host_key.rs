//! The JSON of a host key: `{"algorithm": "ed25519"}` makes one, `{"private": "PEM"}` takes one over;
//! `{"certificate": "ssh-ed25519-cert-v01@openssh.com AAAA"}` besides shows it with a host certificate.
//!
//! Reads answer the public half and its fingerprint. A write that names neither another algorithm nor a private key
//! keeps the present pair; to exchange a pair for another of its kind, make one under a new name and let the
//! services show both for a while.

use serde_json::{Value, json};

use super::fields::Fields;
use super::{Border, Built};
use crate::admin::border::{self, HostKeyAlgorithm, fingerprint};
use crate::admin::problem::{Problem, ProblemKind};
use crate::auth;
use crate::catalog::{HostKey, Spec, View};
use crate::ids::Name;

/// The context that a host key's private half is sealed with.
pub fn seal_context(name: &Name) -> Vec<u8> {
    format!("host-key/{name}").into_bytes()
}

/// The way in.
pub fn build(name: &Name, fields: &mut Fields, border: &Border<'_>) -> Result<Built, Problem> {
    for read_only in ["public", "fingerprint", "created_at"] {
        fields.read_only(read_only);
    }
    let private_path = fields.at("private");
    let algorithm_path = fields.at("algorithm");
    let private = fields.secret("private")?;
    let word: Option<String> = fields.take("algorithm")?;
    let certificate_path = fields.at("certificate");
    let certificate: Option<String> = fields.take("certificate")?;
    let certified = |public: &str| {
        let line = certificate.as_deref();
        line.map(|line| auth::parse_host_certificate(line, public, border.now))
            .transpose()
            .map_err(|reason| Problem::invalid(&certificate_path, reason))
    };
    let present = border.view.host_keys.get(name).map(|object| &object.spec);
    if let (Some(present), None) = (present, &private) {
        let same = |word: &String| {
            *word == present.algorithm
                || HostKeyAlgorithm::from_word(word)
                    .is_some_and(|asked| HostKeyAlgorithm::from_word(&present.algorithm) == Some(asked))
        };
        if word.as_ref().is_none_or(same) {
            let certificate = certified(&present.public)?;
            return Ok(Built {
                spec: Spec::HostKey(HostKey {
                    certificate,
                    ..present.clone()
                }),
                secret: None,
                kept: true,
            });
        }
    }
    border.costly()?;
    let pair = match private {
        Some(pem) => border::import_host_key(&pem).map_err(|reason| Problem::invalid(&private_path, reason))?,
        None => {
            let algorithm = HostKeyAlgorithm::from_word(word.as_deref().unwrap_or("ed25519")).ok_or_else(|| {
                let known = HostKeyAlgorithm::WORDS.join("`, `");
                Problem::invalid(&algorithm_path, format!("must be one of `{known}`"))
            })?;
            border::generate_host_key(algorithm).map_err(|reason| Problem::new(ProblemKind::Internal, reason))?
        }
    };
    services_go_on(border.view, name, &pair.algorithm).map_err(|reason| Problem::invalid(&algorithm_path, reason))?;
    let certificate = certified(&pair.public)?;
    let sealed_private = border
        .cluster
        .seal(&seal_context(name), &pair.private)
        .map_err(|error| {
            Problem::new(
                ProblemKind::NodeOperationFailed,
                format!("the host key cannot be sealed, nothing was changed: {error}"),
            )
        })?;
    Ok(Built {
        spec: Spec::HostKey(HostKey {
            algorithm: pair.algorithm,
            public: pair.public,
            sealed_private,
            certificate,
            created_at: border.now,
        }),
        secret: None,
        kept: false,
    })
}

/// Refuses an algorithm that would leave a service which shows this key with nothing that its settings allow.
fn services_go_on(view: &View, name: &Name, algorithm: &str) -> Result<(), String> {
    for service in view
        .services
        .values()
        .filter(|service| service.spec.host_keys.contains(name))
    {
        let shown = service.spec.host_keys.iter().filter_map(|key| {
            let known = view.host_keys.get(key).map(|object| object.spec.algorithm.as_str());
            if key == name { Some(algorithm) } else { known }
        });
        let shown: Vec<&str> = shown.collect();
        auth::algorithms::check(&service.spec.ssh, &shown).map_err(|unfit| {
            format!(
                "does not suit service `{}`, whose `ssh.{}` {}",
                service.name, unfit.field, unfit.reason
            )
        })?;
    }
    Ok(())
}

/// The way out.
pub fn show(key: &HostKey) -> Value {
    json!({
        "algorithm": key.algorithm,
        "public": key.public,
        "fingerprint": fingerprint(&key.public),
        "certificate": key.certificate,
        "created_at": key.created_at.to_rfc3339(),
    })
}
