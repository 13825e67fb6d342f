//! Certificates, authorities of TLS clients, and the services and accounts that name them, from the command line.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa, KeyIdMethod,
    KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};

use super::*;
use crate::catalog::{CertificateRule, ClientCertificates, TlsVersion};

#[test]
fn arguments_of_tls_are_parsed_or_refused_before_anything_is_sent() {
    let check = |line: &str, expected: Result<(), &str>| {
        let parsed = Cli::try_parse_from(format!("argosy {line}").split(' '));
        match (parsed, expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(word)) => assert!(error.to_string().contains(word), "{line}: {error}"),
            (Ok(_), Err(_)) => panic!("{line} was taken"),
            (Err(error), Ok(())) => panic!("{line}: {error}"),
        }
    };
    check(
        "certificate create c --self-signed --name a.example --name 192.0.2.7 --days 9 --algorithm ed25519",
        Ok(()),
    );
    check("certificate create c --name a.example", Err("--self-signed"));
    check("certificate create c --self-signed", Err("--name"));
    check(
        "certificate create c --self-signed --name a --days 0",
        Err("0 is not in"),
    );
    check(
        "certificate create c --self-signed --name a --algorithm dsa",
        Err("ecdsa-p256"),
    );
    check("certificate set c --self-signed --name a.example", Ok(()));
    check("certificate import c --chain c.pem --private k.pem", Ok(()));
    check("certificate import c --chain c.pem --private -", Ok(()));
    check("certificate import c --chain c.pem", Err("--private"));
    check("certificate import c --private k.pem", Err("--chain"));
    check("certificate import c", Err("--chain"));
    check("certificate import c --pkcs12 c.p12 --password-stdin", Ok(()));
    check("certificate import c --pkcs12 c.p12", Ok(()));
    check(
        "certificate import c --pkcs12 c.p12 --password x",
        Err("unexpected argument"),
    );
    check(
        "certificate import c --pkcs12 c.p12 --chain c.pem --private k.pem",
        Err("cannot be used with"),
    );
    check("certificate request c --name a.example --organization Example", Ok(()));
    check("certificate request c", Err("--name"));
    check("certificate chain c --chain c.pem --wait", Ok(()));
    check("certificate chain c", Err("--chain"));
    check("certificate list", Ok(()));
    check("certificate delete c", Ok(()));
    check("authority create a --kind tls-client", Err("--certificate-file"));
    check(
        "authority create a --kind tls-client --certificate-file ca.pem --revocation-list-file ca.crl",
        Ok(()),
    );
    check("authority create a --certificate-file ca.pem", Ok(()));
    check(
        "authority create a --certificate-file ca.pem --key-file k",
        Err("cannot be used with"),
    );
    check(
        "authority set a --revocation-url http://a/b --revocation-every 60",
        Ok(()),
    );
    check("authority set a --revocation-every 60", Err("--revocation-url"));
    check("authority revocation-list a ca.crl", Ok(()));
    check("authority revocation-list a", Err("<FILE>"));
    check(
        "service set s --certificate a --certificate b --tls-min 1.2 --tls-max 1.3 --cipher-suite A,B --tls-group x",
        Ok(()),
    );
    check("service set s --tls-min 1.1", Err("1.2, 1.3"));
    check("service set s --client-certificates required --trust a", Ok(()));
    check(
        "service set s --client-certificates sometimes",
        Err("off, optional, required"),
    );
    check("account certificate add a --subject CN=a,O=b", Ok(()));
    check("account certificate add a --subject alice", Err("is not a subject"));
    check("account certificate add a --alternative-name email:a@b", Ok(()));
    check("account certificate add a --alternative-name a@b", Err("KIND:VALUE"));
    check("account certificate add a --fingerprint 12", Err("64 hexadecimal"));
    check("account certificate add a", Err("required"));
    check(
        "account certificate remove a --subject CN=a --alternative-name dns:b",
        Err("cannot be used with"),
    );
    check("account certificate list a", Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_made_brought_asked_for_and_shown_by_services() {
    let served = Served::new().await;
    let made = |name: &str| rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let (first, second) = (made("a.example"), made("b.example"));
    let chain = served.write("a.pem", &first.cert.pem());
    let private = served.write("a.key", &first.signing_key.serialize_pem());
    let other = served.write("b.key", &second.signing_key.serialize_pem());
    served.run("certificate create main --self-signed --name ftp.example --days 90", 0);
    served.run("certificate create main --self-signed --name ftp.example", 3);
    served.run(
        &format!("certificate import brought --chain {chain} --private {other}"),
        1,
    );
    served.run(
        &format!("certificate import brought --chain {chain} --private {private}"),
        0,
    );
    served.run("certificate request asked --name c.example --organization Example", 0);
    for output in ["table", "json"] {
        served.run(&format!("certificate list --output {output}"), 0);
    }
    served.run("service create ftps --kind ftps --port 21", 1);
    served.run(
        "service create ftps --kind ftps --port 21 --certificate main --certificate brought",
        0,
    );
    served.run("service set ftps --certificate asked", 1);
    served.run("service set ftps --tls-min 1.3 --tls-group X25519MLKEM768", 0);
    served.run("service set ftps --client-certificates required", 1);
    served.run("certificate delete main", 3);

    let view = served.node.cluster.view();
    let serial = |view: &crate::catalog::View| {
        view.certificates
            .get("main")
            .unwrap()
            .spec
            .facts()
            .unwrap()
            .serial
            .clone()
    };
    assert!(view.certificates.get("asked").unwrap().spec.requested.is_some());
    let tls = &view.services.get("ftps").unwrap().spec.tls;
    assert_eq!((tls.certificates.len(), tls.version_min), (2, TlsVersion::V13));
    served.run("certificate set main --self-signed --name ftp.example", 0);
    assert_ne!(serial(&served.node.cluster.view()), serial(&view));

    // The authority signs what was asked for.
    let issuer = issuer("Example CA");
    let asked = &view.certificates.get("asked").unwrap().spec;
    let request = asked.requested.as_ref().unwrap().request.clone();
    let request = rcgen::CertificateSigningRequestParams::from_der(&request.into()).unwrap();
    let signed = request.signed_by(&issuer).unwrap();
    let signed = served.write("signed.pem", &signed.pem());
    served.run(&format!("certificate chain asked --chain {chain}"), 1);
    served.run(&format!("certificate chain asked --chain {signed}"), 0);
    served.run("service set ftps --certificate asked", 0);
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn issuer(name: &str) -> Issuer {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn list(issuer: &Issuer, number: u64) -> Vec<u8> {
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(2036, 1, 1),
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(issuer).unwrap().der().to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authorities_of_clients_are_trusted_by_services_and_accounts_name_certificates() {
    let served = Served::new().await;
    let (partners, others) = (issuer("Partners"), issuer("Others"));
    let both = served.write("ca.pem", &(partners.pem() + &others.pem()));
    let file = |name: &str, bytes: &[u8]| {
        std::fs::write(served.path(name), bytes).unwrap();
        served.path(name)
    };
    let (one, two) = (file("1.crl", &list(&partners, 1)), file("2.crl", &list(&partners, 2)));
    let foreign = file("3.crl", &list(&others, 1));
    served.run(
        &format!("authority create partners --kind tls-client --certificate-file {both} --revocation-list-file {one}"),
        0,
    );
    served.run(&format!("authority revocation-list partners {two}"), 0);
    served.run(&format!("authority revocation-list partners {one}"), 1);
    served.run(&format!("authority revocation-list partners {foreign}"), 0);
    served.run(&format!("authority revocation-list partners {both}"), 1);
    served.run(
        "authority set partners --revocation-url http://crl.example/ca.crl --takes-stale-lists true",
        0,
    );
    served.run("authority list", 0);
    served.run("certificate create main --self-signed --name ftp.example", 0);
    served.run(
        "service create ftps --kind ftps-implicit --port 990 --certificate main --trust partners \
         --client-certificates optional"
            .replace("  ", " ")
            .as_str(),
        0,
    );
    served.run("authority set partners --revocation-url none", 0);
    served.run("account create alice", 0);
    served.run("account certificate add alice --subject cn=alice,o=Example", 0);
    served.run("account certificate add alice --subject CN=alice,O=Example", 1);
    served.run(
        "account certificate add alice --alternative-name email:alice@Example.org",
        0,
    );
    let fingerprint = "AB:".repeat(31) + "AB";
    served.run(&format!("account certificate add alice --fingerprint {fingerprint}"), 0);
    served.run("account certificate list alice", 0);
    served.run(
        "account certificate remove alice --alternative-name email:alice@example.org",
        0,
    );
    served.run(
        "account certificate remove alice --alternative-name email:alice@example.org",
        1,
    );

    let view = served.node.cluster.view();
    let authority = &view.authorities.get("partners").unwrap().spec;
    assert_eq!((authority.certificates.len(), authority.revocation_lists.len()), (2, 2));
    assert!(authority.takes_stale_lists);
    assert_eq!(authority.revocation_source, None);
    let tls = &view.services.get("ftps").unwrap().spec.tls;
    assert_eq!(tls.client_certificates, ClientCertificates::Optional);
    assert_eq!(tls.authorities[0].as_str(), "partners");
    let rules = view.accounts.get("alice").unwrap().spec.certificates.clone();
    let subject = CertificateRule::Subject("CN=alice,O=Example".to_owned());
    assert_eq!(rules, &[subject, CertificateRule::Fingerprint([0xab; 32])]);
}
