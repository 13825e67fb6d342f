//! TLS as a visitor of the tests speaks it: which certificate is shown, which one the visitor has, resumed or not; and an
//! authority of the tests' own that certifies visitors and revokes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, HandshakeKind, SignatureScheme};

use super::limits;

/// The name that visitors ask for.
pub const ASKED_FOR: &str = "files.example.org";

/// Comes to a service that begins with TLS, again and again; keeps what lets it resume.
pub struct Visitor(Arc<ClientConfig>);

/// What a visit showed.
#[derive(Debug)]
pub struct Visit {
    /// SHA-256 of the server's certificate, in hexadecimal.
    pub fingerprint: String,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// What the server said first.
    pub greeting: String,
}

impl Visitor {
    /// Without a certificate of its own.
    pub fn new() -> Self {
        Self(Arc::new(config().with_no_client_auth()))
    }

    /// With this certificate.
    pub fn certified(certified: &Certified) -> Self {
        let chain = vec![certified.certificate.clone()];
        let key = PrivatePkcs8KeyDer::from(certified.key.serialize_der()).into();
        Self(Arc::new(config().with_client_auth_cert(chain, key).unwrap()))
    }

    /// Shakes hands, and reads the server's first line.
    ///
    /// # Errors
    /// What ended the connection before.
    pub fn visit(&self, address: SocketAddr) -> Result<Visit, String> {
        let told = |error: std::io::Error| error.to_string();
        let name = ServerName::try_from(ASKED_FOR).unwrap();
        let connection = rustls::ClientConnection::new(self.0.clone(), name).map_err(|error| error.to_string())?;
        let socket = TcpStream::connect_timeout(&address, limits::LINE).map_err(told)?;
        socket.set_read_timeout(Some(limits::LINE)).map_err(told)?;
        let mut stream = rustls::StreamOwned::new(connection, socket);
        let mut greeting = Vec::new();
        while !greeting.ends_with(b"\n") {
            let mut byte = [0];
            if stream.read(&mut byte).map_err(told)? == 0 {
                return Err("the connection ended".to_owned());
            }
            greeting.push(byte[0]);
        }
        let shown = stream.conn.peer_certificates().and_then(<[_]>::first);
        let visit = Visit {
            fingerprint: argosy::x509::hex(&argosy::x509::sha256(shown.ok_or("no certificate was shown")?)),
            resumed: stream.conn.handshake_kind() == Some(HandshakeKind::Resumed),
            greeting: String::from_utf8_lossy(&greeting).trim().to_owned(),
        };
        stream.conn.send_close_notify();
        let _ = stream.flush();
        Ok(visit)
    }
}

fn config() -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TakesAny))
}

/// Whose certificate it is, is what the tests ask.
#[derive(Debug)]
struct TakesAny;

impl ServerCertVerifier for TakesAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A visitor's certificate and its key.
pub struct Certified {
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// Its key.
    pub key: KeyPair,
    serial: SerialNumber,
}

impl Certified {
    /// SHA-256 of the certificate, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        argosy::x509::hex(&argosy::x509::sha256(&self.certificate))
    }
}

/// An authority that certifies visitors.
pub struct Certifier(CertifiedIssuer<'static, KeyPair>);

impl Certifier {
    /// A new one.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `name`.
    pub fn certify(&self, name: &str, serial: u64) -> Certified {
        let key = KeyPair::generate().unwrap();
        let serial = SerialNumber::from(serial);
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number = Some(serial.clone());
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        Certified {
            certificate: params.signed_by(&key, &self.0).unwrap().der().clone(),
            key,
            serial,
        }
    }

    /// A revocation list with this number and these certificates, in PEM.
    pub fn revoke(&self, number: u64, revoked: &[&Certified]) -> String {
        let of = |one: &&Certified| RevokedCertParams {
            serial_number: one.serial.clone(),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(of).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.0).unwrap().pem().unwrap()
    }
}
