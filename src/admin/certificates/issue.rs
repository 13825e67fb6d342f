//! Makes keys, self-signed certificates and requests for signed ones.

use std::time::Duration;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, RsaKeySize,
    SanType,
};
use zeroize::Zeroizing;

use super::Pair;
use crate::clock::UnixMillis;
use crate::x509::Certificate;

/// The keys that are made, the default first.
pub const ALGORITHMS: [&str; 5] = ["ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-3072", "rsa-4096"];

/// Whom a certificate is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The names by which clients reach the service: DNS names (a `*` may stand for the first label) and IP addresses.
    pub names: Vec<String>,
    /// `CN`; `None`: the first of `names`.
    pub common_name: Option<String>,
    /// `O`.
    pub organization: Option<String>,
    /// `OU`.
    pub organizational_unit: Option<String>,
    /// `L`.
    pub locality: Option<String>,
    /// `ST`.
    pub state: Option<String>,
    /// `C`, two letters.
    pub country: Option<String>,
}

/// A new key, made by rcgen.
pub struct NewKey(KeyPair);

/// Makes a key; `algorithm` is one of [`ALGORITHMS`]. RSA takes about a second.
pub fn generate(algorithm: &str) -> Result<NewKey, String> {
    let pair = match algorithm {
        "ecdsa-p256" => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        "ecdsa-p384" => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        "ed25519" => KeyPair::generate_for(&rcgen::PKCS_ED25519),
        "rsa-3072" => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_3072),
        "rsa-4096" => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_4096),
        _ => return Err(format!("must be one of `{}`", ALGORITHMS.join("`, `"))),
    };
    pair.map(NewKey).map_err(|error| format!("could not be made: {error}"))
}

impl NewKey {
    /// The pair, to be kept.
    pub fn pair(&self) -> Result<Pair, String> {
        let private = Zeroizing::new(self.0.serialize_pem());
        super::import_private(&private)
    }

    /// A certificate that only those trust who were told of it, in force from `now` for so many days.
    pub fn self_signed(&self, wanted: &Wanted, days: u32, now: UnixMillis) -> Result<Certificate, String> {
        let mut params = params(wanted)?;
        let second = |millis: i64| Duration::from_secs(u64::try_from(millis / 1000).unwrap_or_default());
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        // Clients' clocks differ.
        params.not_before = epoch + second(now.0 - super::limits::AHEAD_MILLIS_MAX);
        params.not_after = epoch + second(now.0) + Duration::from_secs(u64::from(days) * 24 * 3600);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let made = params.self_signed(&self.0).map_err(|error| failed(&error))?;
        Certificate::read(made.der())
    }

    /// A request (PKCS#10 in DER) that an authority can sign.
    pub fn request(&self, wanted: &Wanted) -> Result<Vec<u8>, String> {
        let mut params = params(wanted)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let made = params.serialize_request(&self.0).map_err(|error| failed(&error))?;
        Ok(made.der().to_vec())
    }
}

fn failed(error: &rcgen::Error) -> String {
    format!("cannot be made: {error}")
}

fn params(wanted: &Wanted) -> Result<CertificateParams, String> {
    let mut params = CertificateParams::new(Vec::<String>::new()).map_err(|error| failed(&error))?;
    for name in &wanted.names {
        let name = match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => {
                let ascii = name.as_str().try_into();
                SanType::DnsName(
                    ascii.map_err(|_| format!("names `{name}`, which is no DNS name (write it in ASCII)"))?,
                )
            }
        };
        params.subject_alt_names.push(name);
    }
    let mut subject = DistinguishedName::new();
    let parts = [
        (DnType::CountryName, &wanted.country),
        (DnType::StateOrProvinceName, &wanted.state),
        (DnType::LocalityName, &wanted.locality),
        (DnType::OrganizationName, &wanted.organization),
        (DnType::OrganizationalUnitName, &wanted.organizational_unit),
    ];
    for (kind, value) in parts {
        if let Some(value) = value {
            subject.push(kind, value.as_str());
        }
    }
    if let Some(name) = wanted.common_name.as_ref().or(wanted.names.first()) {
        subject.push(DnType::CommonName, name.as_str());
    }
    params.distinguished_name = subject;
    Ok(params)
}
