//! SSH keys: parsing what an administrator pastes, admitting what a client offers, making host keys.
//!
//! Signatures are verified by russh; which keys an account has is the catalog's.

use aws_lc_rs::encoding::AsDer;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::ssh_key::{LineEnding, PrivateKey};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey};
use zeroize::Zeroizing;

use super::algorithms::DSA;
use super::limits::{RSA_BITS_MAX, RSA_BITS_MIN};
use super::password::random;
use crate::catalog::limits::{KEY_BYTES_MAX, TEXT_BYTES_MAX};

/// The algorithms of [`generate_host_key`], the preferred one first.
pub const HOST_KEY_ALGORITHMS: [&str; 5] = [
    "ssh-ed25519",
    "rsa-sha2-512",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
];

const DSA_REFUSED: &str =
    "DSA keys are too weak; use ssh-ed25519 (for a partner that has nothing else a service can set `ssh.legacy_dsa`)";

/// Parses one line of a `.pub` file: `algorithm base64 [comment]`. Gives the key as `algorithm base64` in the one
/// canonical spelling, and the comment. Options, DSA, RSA under 2048 bits, certificates and anything else are
/// refused with the reason.
pub fn parse_public_key(line: &str) -> Result<(String, String), String> {
    parse_users_key(line, false)
}

/// The same for a user's key, which may be DSA where `legacy_dsa`: a service then has that setting.
pub fn parse_users_key(line: &str, legacy_dsa: bool) -> Result<(String, String), String> {
    if line.len() > KEY_BYTES_MAX {
        return Err(format!(
            "the key has {} bytes, over the limit of {KEY_BYTES_MAX}",
            line.len()
        ));
    }
    let line = line.trim_matches([' ', '\t', '\r', '\n']);
    if line.contains("PRIVATE KEY") {
        return Err("this is a private key; keep it secret and give the public one (`.pub`)".to_owned());
    }
    if line
        .chars()
        .any(|character| character.is_control() && character != '\t')
    {
        return Err("the key holds a line break or another control character; give one line".to_owned());
    }
    let algorithm = line.split([' ', '\t']).next().unwrap_or_default();
    if algorithm == DSA && !legacy_dsa {
        return Err(DSA_REFUSED.to_owned());
    }
    let known = ["ssh-", "ecdsa-sha2-", "sk-"]
        .iter()
        .any(|prefix| algorithm.starts_with(prefix));
    if !known || algorithm.contains([',', '=', '"']) {
        return Err(format!(
            "the line must begin with the key's algorithm, such as `ssh-ed25519`; options are not taken (it begins \
             with `{}`)",
            super::shown_claim(algorithm)
        ));
    }
    let key = PublicKey::from_openssh(line).map_err(|error| format!("the key could not be read: {error}"))?;
    let comment = key.comment().as_str().unwrap_or_default().trim().to_owned();
    if comment.len() > TEXT_BYTES_MAX {
        return Err(format!("the comment is over the limit of {TEXT_BYTES_MAX} bytes"));
    }
    Ok((admit(&key, legacy_dsa)?, comment))
}

/// The canonical `algorithm base64` of a key that is strong enough.
pub(super) fn admit(key: &PublicKey, legacy_dsa: bool) -> Result<String, String> {
    match key.algorithm() {
        Algorithm::Dsa if legacy_dsa => {}
        Algorithm::Dsa => return Err(DSA_REFUSED.to_owned()),
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } | Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256 => {}
        Algorithm::Rsa { .. } => {
            let bits = key.key_data().rsa().map_or(0, |rsa| rsa.key_size());
            if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) {
                return Err(format!(
                    "the RSA key has {bits} bits; between {RSA_BITS_MIN} and {RSA_BITS_MAX} are accepted"
                ));
            }
        }
        other => return Err(format!("keys of the kind {other} are not accepted; use ssh-ed25519")),
    }
    PublicKey::new(key.key_data().clone(), "")
        .to_openssh()
        .map(|text| text.trim_end().to_owned())
        .map_err(|error| format!("the key could not be written: {error}"))
}

/// `SHA256:...`, as ssh-keygen shows it.
pub fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Makes a host key. `algorithm` is one of [`HOST_KEY_ALGORITHMS`]; RSA keys have 3072 bits. Gives the public half
/// as `algorithm base64` and the private one in OpenSSH's PEM form. RSA takes about a second: call it off the async
/// threads.
pub fn generate_host_key(algorithm: &str) -> Result<(String, Zeroizing<String>), String> {
    let key = match algorithm {
        "ssh-ed25519" => {
            let seed = Zeroizing::new(random::<32>()?);
            PrivateKey::new(KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed)), "")
                .map_err(|error| format!("the host key could not be made: {error}"))?
        }
        "rsa-sha2-512" | "rsa-sha2-256" | "ssh-rsa" => generate_rsa()?,
        "ecdsa-sha2-nistp256" => generate_ecdsa(EcdsaCurve::NistP256)?,
        "ecdsa-sha2-nistp384" => generate_ecdsa(EcdsaCurve::NistP384)?,
        "ecdsa-sha2-nistp521" => generate_ecdsa(EcdsaCurve::NistP521)?,
        other => {
            return Err(format!(
                "host keys of the kind `{}` are not made; choose one of {}",
                super::shown_claim(other),
                HOST_KEY_ALGORITHMS.join(", ")
            ));
        }
    };
    let public = admit(key.public_key(), false)?;
    let private = key
        .to_openssh(LineEnding::LF)
        .map_err(|error| format!("the host key could not be written: {error}"))?;
    Ok((public, private))
}

fn generate_ecdsa(curve: EcdsaCurve) -> Result<PrivateKey, String> {
    PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ecdsa { curve })
        .map_err(|error| format!("the host key could not be made: {error}"))
}

fn generate_rsa() -> Result<PrivateKey, String> {
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa3072)
        .map_err(|_| "the RSA key could not be made".to_owned())?;
    let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair)
        .map_err(|_| "the RSA key could not be written".to_owned())?;
    russh::keys::pkcs8::decode_pkcs8(der.as_ref(), None).map_err(|error| format!("the RSA key was not read: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::auth::HostIdentity;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

    #[test]
    fn a_key_is_read_into_one_spelling_with_its_comment() {
        for line in [
            format!("{ED25519} alice@example.org"),
            format!("  {ED25519} alice@example.org\r\n"),
        ] {
            let (key, comment) = parse_public_key(&line).unwrap();
            assert_eq!((key.as_str(), comment.as_str()), (ED25519, "alice@example.org"));
        }
        assert_eq!(parse_public_key(ED25519).unwrap().1, "");
    }

    #[test]
    fn what_is_no_acceptable_key_is_refused_with_the_reason() {
        for (line, word) in [
            ("", "algorithm"),
            ("/etc/passwd", "algorithm"),
            ("../../../home/admin/.ssh/authorized_keys", "algorithm"),
            ("ssh-ed25519 /etc/passwd", "read"),
            ("ssh-ed25519 ../../key", "read"),
            ("ssh-ed25519", "read"),
            ("ssh-ed25519 AAAA", "read"),
            ("ssh-dss AAAAB3NzaC1kc3MAAACB", "DSA"),
            (&format!("command=\"rm -rf /\" {ED25519}"), "options"),
            (&format!("{ED25519}\n{ED25519}"), "one line"),
            (&format!("{ED25519} {}", "x".repeat(KEY_BYTES_MAX)), "limit"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "private"),
            ("ssh-unknown AAAAC3NzaC1lZDI1NTE5", "read"),
        ] {
            let error = parse_public_key(line).unwrap_err();
            assert!(error.contains(word), "{line:?}: {error}");
        }
    }

    #[test]
    fn a_short_rsa_key_is_refused() {
        let pair = russh::keys::ssh_key::private::RsaKeypair::random(&mut russh::keys::key::safe_rng(), 1024);
        let key = PublicKey::from(pair.unwrap().public().clone());
        let error = parse_public_key(&key.to_openssh().unwrap()).unwrap_err();
        assert!(error.contains("1024 bits"), "{error}");
    }

    #[test]
    fn host_keys_are_made_and_read_again() {
        for algorithm in HOST_KEY_ALGORITHMS {
            let (public, private) = generate_host_key(algorithm).unwrap();
            let prefix = algorithm.replace("rsa-sha2-512", "ssh-rsa") + " ";
            assert!(public.starts_with(&prefix), "{public}");
            let read = HostIdentity::parse(&private, None).unwrap();
            assert_eq!(admit(read.key.public_key(), false).unwrap(), public);
        }
        assert!(generate_host_key("ssh-dss").unwrap_err().contains("ssh-ed25519"));
    }
}
