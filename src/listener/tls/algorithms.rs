//! Cipher suites and key exchange groups by their names, and whether a choice leaves something to agree upon.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

use crate::catalog::{TlsSettings, TlsVersion};
use crate::x509::KeyKind;

/// Why settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The field of the settings.
    pub field: &'static str,
    /// What is wrong with it, as a clause.
    pub reason: String,
}

fn unfit(field: &'static str, reason: impl Into<String>) -> Unfit {
    let reason = reason.into();
    Unfit { field, reason }
}

/// All suites, the preferred one first: those with AEAD and ephemeral key exchange, which are all that there are.
fn suites() -> &'static [SupportedCipherSuite] {
    aws_lc_rs::DEFAULT_CIPHER_SUITES
}

fn groups() -> &'static [&'static dyn SupportedKxGroup] {
    aws_lc_rs::ALL_KX_GROUPS
}

/// A suite's IANA name: `TLS_AES_256_GCM_SHA384`.
pub fn suite_name(suite: SupportedCipherSuite) -> String {
    let name = suite.suite().as_str().unwrap_or_default();
    // rustls tells the suites of TLS 1.3 apart by the number.
    name.replace("TLS13_", "TLS_")
}

/// A group's IANA name in its own spelling there: `X25519MLKEM768`, `x25519`, `secp256r1`.
pub fn group_name(group: &dyn SupportedKxGroup) -> String {
    group.name().as_str().unwrap_or_default().to_owned()
}

/// The names of all suites, the preferred one first.
pub fn suite_names() -> Vec<String> {
    suites().iter().map(|suite| suite_name(*suite)).collect()
}

/// The names of all groups, in rustls's order.
pub fn group_names() -> Vec<String> {
    groups().iter().map(|group| group_name(*group)).collect()
}

/// The versions of the settings.
pub fn versions(settings: &TlsSettings) -> Vec<&'static SupportedProtocolVersion> {
    let all = [
        (TlsVersion::V12, &rustls::version::TLS12),
        (TlsVersion::V13, &rustls::version::TLS13),
    ];
    let within = |version: &TlsVersion| (settings.version_min..=settings.version_max).contains(version);
    all.into_iter()
        .filter(|(version, _)| within(version))
        .map(|(_, version)| version)
        .collect()
}

/// The provider with the suites and groups of the settings.
///
/// # Errors
/// A name is not known or stands twice, or nothing is left for a version that is to be spoken, or for the keys of
/// certificates that are known.
pub fn provider(settings: &TlsSettings, keys: &[KeyKind]) -> Result<Arc<CryptoProvider>, Unfit> {
    let versions = versions(settings);
    if versions.is_empty() {
        return Err(unfit("version_min", "is newer than `version_max`; nothing is left"));
    }
    let mut provider = aws_lc_rs::default_provider();
    if !settings.cipher_suites.is_empty() {
        provider.cipher_suites = chosen("cipher_suites", &settings.cipher_suites, suites(), |suite| {
            suite_name(*suite)
        })?;
    }
    provider.cipher_suites.retain(|suite| {
        versions
            .iter()
            .any(|version| version.version == suite.version().version)
    });
    for version in &versions {
        let spoken = |suite: &SupportedCipherSuite| suite.version().version == version.version;
        if !provider.cipher_suites.iter().any(spoken) {
            let word = if version.version == rustls::ProtocolVersion::TLSv1_3 {
                "1.3"
            } else {
                "1.2"
            };
            return Err(unfit(
                "cipher_suites",
                format!("leaves nothing for TLS {word}; add one of its suites, or leave the version out"),
            ));
        }
    }
    if !settings.groups.is_empty() {
        provider.kx_groups = chosen("groups", &settings.groups, groups(), |group| group_name(*group))?;
    }
    let classic = |group: &&'static dyn SupportedKxGroup| group.usable_for_version(rustls::ProtocolVersion::TLSv1_2);
    if settings.version_min == TlsVersion::V12 && !provider.kx_groups.iter().any(classic) {
        return Err(unfit(
            "groups",
            "leaves nothing for TLS 1.2, which knows no post-quantum group; add `x25519`, or begin with 1.3",
        ));
    }
    if versions
        .iter()
        .all(|version| version.version == rustls::ProtocolVersion::TLSv1_2)
    {
        signable(&provider, keys)?;
    }
    Ok(Arc::new(provider))
}

/// TLS 1.2 suites name the kind of key that signs.
fn signable(provider: &CryptoProvider, keys: &[KeyKind]) -> Result<(), Unfit> {
    let fits = |kind: &KeyKind| {
        let word = if matches!(kind, KeyKind::Rsa(_)) {
            "ECDHE_RSA"
        } else {
            "ECDHE_ECDSA"
        };
        provider
            .cipher_suites
            .iter()
            .any(|suite| suite_name(*suite).contains(word))
    };
    match keys.is_empty() || keys.iter().any(fits) {
        true => Ok(()),
        false => Err(unfit(
            "cipher_suites",
            "leaves nothing for the keys of the certificates (RSA needs `..._ECDHE_RSA_...`, other keys \
             `..._ECDHE_ECDSA_...`)",
        )),
    }
}

fn chosen<T: Copy>(
    field: &'static str,
    names: &[String],
    known: &[T],
    name_of: impl Fn(&T) -> String,
) -> Result<Vec<T>, Unfit> {
    let mut found = Vec::new();
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            return Err(unfit(field, format!("names `{name}` twice")));
        }
        let one = known.iter().find(|one| name_of(one) == *name);
        let known = || known.iter().map(&name_of).collect::<Vec<_>>().join(", ");
        let shown: String = name.chars().take(64).collect();
        found.push(*one.ok_or_else(|| {
            unfit(
                field,
                format!(
                    "names `{shown}`, which is not offered (old ones are not): known are {}",
                    known()
                ),
            )
        })?);
    }
    Ok(found)
}
