//! Authorities, certificates and revocation lists for tests. Keys are new each time; moments are fixed.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName, DnType,
    IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};

use super::{Certificate, RevocationList};

/// A certificate authority.
pub type Issuer = CertifiedIssuer<'static, KeyPair>;

/// A certificate with its key.
pub struct Made {
    /// As it is read.
    pub certificate: Certificate,
    /// Its key.
    pub key: KeyPair,
}

fn authority(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Of `CN=name`, serial number 1, in force from 2020 until 2090.
pub fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(1));
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2090, 1, 1);
    params
}

/// A new authority that trusts itself.
pub fn issuer(name: &str) -> Issuer {
    CertifiedIssuer::self_signed(authority(name), KeyPair::generate().unwrap()).unwrap()
}

/// A new authority below another.
pub fn issuer_below(above: &Issuer, name: &str) -> Issuer {
    CertifiedIssuer::signed_by(authority(name), KeyPair::generate().unwrap(), above).unwrap()
}

/// An authority's certificate.
pub fn anchor(issuer: &Issuer) -> Certificate {
    Certificate::read(issuer.der()).unwrap()
}

/// A certificate of `CN=name`, as `change` will have it.
pub fn issued(issuer: &Issuer, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Made {
    let mut params = params(name);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let made = params.signed_by(&key, issuer).unwrap();
    Made {
        certificate: Certificate::read(made.der()).unwrap(),
        key,
    }
}

/// The list with this number, which revokes these serial numbers; made in 2024, due in 2090.
pub fn revoking(issuer: &Issuer, number: u64, serials: &[u64]) -> RevocationList {
    let revoked = |serial: &u64| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: date_time_ymd(2024, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2024, 1, 1),
        next_update: date_time_ymd(2090, 1, 1),
        crl_number: number.into(),
        issuing_distribution_point: None,
        revoked_certs: serials.iter().map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    RevocationList::read(params.signed_by(issuer).unwrap().der()).unwrap()
}
