//! PEM (RFC 7468): certificates and revocation lists out of a text, and back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::{PemObject, SectionKind};

use super::limits::{CHAIN_TEXT_BYTES_MAX, REVOCATION_TEXT_BYTES_MAX};
use crate::x509::limits::CHAIN_MAX;
use crate::x509::{Certificate, RevocationList};

/// The certificates of a text, in their order; from one to [`CHAIN_MAX`]. A private key that stands there too is
/// refused, so that none lands where everybody reads.
pub fn certificates(text: &str) -> Result<Vec<Certificate>, String> {
    let ders = sections(text, SectionKind::Certificate, CHAIN_TEXT_BYTES_MAX)?;
    if ders.is_empty() {
        return Err("holds no certificate in PEM form (`-----BEGIN CERTIFICATE-----`)".to_owned());
    }
    if ders.len() > CHAIN_MAX {
        return Err(format!(
            "holds {} certificates, over the limit of {CHAIN_MAX}",
            ders.len()
        ));
    }
    let numbered = ders.iter().enumerate();
    numbered
        .map(|(at, der)| {
            Certificate::read(der).map_err(|reason| format!("has a part that {reason} (number {})", at + 1))
        })
        .collect()
}

/// The one revocation list of a text: PEM, or DER in base64.
pub fn revocation_list(text: &str) -> Result<RevocationList, String> {
    if !text.contains("-----BEGIN") {
        if text.len() > REVOCATION_TEXT_BYTES_MAX {
            return Err(format!(
                "has {} bytes, over the limit of {REVOCATION_TEXT_BYTES_MAX}",
                text.len()
            ));
        }
        let bare: String = text.split_ascii_whitespace().collect();
        let der = STANDARD
            .decode(bare)
            .map_err(|_| "is neither PEM nor base64".to_owned())?;
        return RevocationList::read(&der);
    }
    match sections(text, SectionKind::Crl, REVOCATION_TEXT_BYTES_MAX)?.as_slice() {
        [der] => RevocationList::read(der),
        [] => Err("holds no revocation list in PEM form (`-----BEGIN X509 CRL-----`)".to_owned()),
        _ => Err("holds more than one revocation list; give each by itself".to_owned()),
    }
}

fn sections(text: &str, wanted: SectionKind, max: usize) -> Result<Vec<Vec<u8>>, String> {
    if text.len() > max {
        return Err(format!("has {} bytes, over the limit of {max}", text.len()));
    }
    let mut found = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes()) {
        let (kind, der) = section.map_err(|_| "is not well-formed PEM".to_owned())?;
        match kind {
            kind if kind == wanted => found.push(der),
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey => {
                return Err("holds a private key; give it as `private`, where it is sealed".to_owned());
            }
            _ => {}
        }
    }
    Ok(found)
}

/// One section.
pub fn write(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

/// A chain.
pub fn write_chain(chain: &[Certificate]) -> String {
    chain.iter().map(|one| write("CERTIFICATE", one.der())).collect()
}
