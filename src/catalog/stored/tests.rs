use super::*;
use crate::catalog::pattern::{Scope, Syntax};
use crate::catalog::*;
use crate::clock::UnixMillis;
use crate::path::VirtualPath;
use crate::x509;

/// One object of each kind, every field set.
pub fn one_of_each() -> Vec<Object<Spec>> {
    let name = |text: &str| Name::parse(text).unwrap();
    let path = |text: &str| VirtualPath::parse(text.as_bytes()).unwrap();
    let account = Account {
        enabled: true,
        expires_at: Some(UnixMillis(1_900_000_000_000)),
        password: Some(PasswordHash("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned())),
        keys: vec![AuthorizedKey {
            key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA".to_owned(),
            comment: "alice@laptop".to_owned(),
            expires_at: Some(UnixMillis(-5)),
        }],
        certificates: vec![
            CertificateRule::Subject("CN=alice".to_owned()),
            CertificateRule::AlternativeName("email:alice@example.org".to_owned()),
            CertificateRule::Fingerprint([9; 32]),
        ],
        home: Some(Mount {
            at: VirtualPath::root(),
            storage: name("files"),
            folder: path("/alice"),
            grants: None,
        }),
        mounts: vec![Mount {
            at: path("/shared"),
            storage: name("files"),
            folder: path("/shared"),
            grants: Some(vec![Grant {
                reach: Reach::Below(path("/shared/in")),
                allow: Operations::ALL,
                deny: Operations::NONE.with(Operation::Delete),
            }]),
        }],
        sources: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        sessions_max: Some(7),
        proofs: Proofs::PasswordAndKey,
        password_state: PasswordState {
            must_change: true,
            changed_at: Some(UnixMillis(9)),
            former: vec![PasswordHash("$argon2id$former".to_owned())],
        },
        principals: vec!["alice@example.org".to_owned()],
        groups: vec![name("partners")],
        roles: vec![name("reader")],
        grants: vec![Grant {
            reach: Reach::Matching(Pattern::parse(Syntax::Regex, Scope::Path, "/in/[0-9]+").unwrap()),
            allow: Operations::NONE.with(Operation::Write),
            deny: Operations::NONE,
        }],
        restrictions: restrictions().into(),
    };
    let mut service = Service::sftp(2022, vec![name("main")]);
    service.banner = "Welcome".to_owned();
    service.sources = vec!["10.0.0.0/8".parse().unwrap()];
    service.proxy_networks = vec!["10.9.0.0/16".parse().unwrap()];
    service.accounts = vec![name("alice")];
    service.groups = vec![name("partners")];
    service.restrictions = restrictions();
    service.user_authorities = vec![name("ca")];
    service.ssh = SshSettings {
        policy: SshPolicy::FipsNames,
        key_exchanges: vec!["ecdh-sha2-nistp256".to_owned()],
        legacy_dsa: true,
        ..SshSettings::default()
    };
    service.ftp = FtpSettings {
        passive_ports: (40_000, 40_009),
        passive_address: PassiveAddress::Address("192.0.2.1".parse().unwrap()),
        passive_networks: vec![PassiveNetwork {
            clients: "10.0.0.0/8".parse().unwrap(),
            address: PassiveAddress::Connection,
        }],
        active: false,
        data_peer: DataPeer::Resumed,
        minimum_rate: 1_000,
        ..FtpSettings::default()
    };
    service.http = HttpSettings {
        webdav: false,
        redirect_port: Some(443),
        body_bytes_max: 1 << 40,
        ..HttpSettings::default()
    };
    service.tls = TlsSettings {
        certificates: vec![name("web")],
        version_min: TlsVersion::V13,
        cipher_suites: vec!["TLS_AES_256_GCM_SHA384".to_owned()],
        groups: vec!["X25519MLKEM768".to_owned()],
        client_certificates: ClientCertificates::Required,
        authorities: vec![name("clients")],
        ..TlsSettings::default()
    };
    service.nodes.insert(
        "node-2".to_owned(),
        ServiceOverride {
            address: Some("127.0.0.2".parse().unwrap()),
            port: Some(22),
            enabled: Some(false),
            proxy_networks: Some(vec!["10.1.0.0/16".parse().unwrap()]),
            passive_address: Some(PassiveAddress::Name("ftp.example.org".to_owned())),
        },
    );
    let specs = vec![
        ("alice", Spec::Account(account)),
        (
            "root",
            Spec::Administrator(Administrator {
                enabled: true,
                role: Role::Owner,
                password: None,
            }),
        ),
        (
            "first",
            Spec::ApiToken(ApiToken {
                administrator: name("root"),
                secret_hash: [7; 32],
                expires_at: None,
            }),
        ),
        ("sftp", Spec::Service(service)),
        (
            "main",
            Spec::HostKey(HostKey {
                algorithm: "ssh-ed25519".to_owned(),
                public: "ssh-ed25519 AAAA".to_owned(),
                sealed_private: vec![1, 2, 3],
                certificate: Some("ssh-ed25519-cert-v01@openssh.com AAAA".to_owned()),
                created_at: UnixMillis(3),
            }),
        ),
        (
            "files",
            Spec::Storage(Storage {
                root: b"/srv/files".to_vec(),
                durability: Durability::Relaxed,
                keep_interrupted: true,
                reserve_bytes: 1 << 40,
            }),
        ),
        ("cluster", Spec::Settings(Settings::default())),
        (
            "partners",
            Spec::Group(Group {
                description: "who comes".to_owned(),
                groups: vec![name("all")],
                roles: vec![name("reader")],
                mounts: Vec::new(),
                grants: Vec::new(),
            }),
        ),
        (
            "reader",
            Spec::Role(AccessRole {
                description: String::new(),
                roles: vec![name("lister")],
                grants: Vec::new(),
            }),
        ),
        (
            "ca",
            Spec::Authority(Authority {
                revoked_serials: vec![u64::MAX],
                revoked_ids: vec!["laptop".to_owned()],
                revoked_keys: vec!["SHA256:x".to_owned()],
                ..Authority::ssh_user(vec!["ssh-ed25519 AAAA".to_owned()])
            }),
        ),
        (
            "clients",
            Spec::Authority(Authority {
                takes_stale_lists: true,
                revocation_source: Some(RevocationSource {
                    url: "http://crl.example.org/ca.crl".to_owned(),
                    every_seconds: 3_600,
                }),
                ..Authority::tls_client(
                    vec![x509::Certificate::kept(b"ca")],
                    vec![x509::RevocationList::kept(b"crl")],
                )
            }),
        ),
        (
            "web",
            Spec::Certificate(Certificate {
                issued: Some(Issued {
                    chain: vec![x509::Certificate::kept(b"own"), x509::Certificate::kept(b"above")],
                    key: CertificateKey {
                        public: b"spki".to_vec(),
                        sealed_private: vec![4, 5],
                    },
                }),
                requested: Some(Requested {
                    request: b"csr".to_vec(),
                    key: CertificateKey {
                        public: b"other".to_vec(),
                        sealed_private: vec![6],
                    },
                }),
                created_at: UnixMillis(4),
            }),
        ),
        (
            "b1",
            Spec::Ban(Ban {
                target: BanTarget::Network("192.0.2.0/24".parse().unwrap()),
                reason: "abuse".to_owned(),
                until: Some(UnixMillis(7)),
                automatic: true,
            }),
        ),
        (
            "b2",
            Spec::Ban(Ban {
                target: BanTarget::Account(name("alice")),
                reason: String::new(),
                until: None,
                automatic: false,
            }),
        ),
    ];
    let object = |(text, spec): (&str, Spec)| Object {
        name: name(text),
        spec,
        revision: 42,
        changed_by: "root@node-1".to_owned(),
        changed_at: UnixMillis(1_800_000_000_000),
    };
    specs.into_iter().map(object).collect()
}

fn restrictions() -> Restrictions {
    Restrictions {
        upload_bytes_max: Some(5),
        files_allowed: vec![Pattern::parse(Syntax::Glob, Scope::FileName, "*.csv").unwrap()],
        files_denied: Vec::new(),
        hours: vec![Hours {
            days: 0x1f,
            from_minute: 480,
            to_minute: 1080,
            zone: "Europe/Berlin".to_owned(),
        }],
        session_upload_rate: Some(1),
        session_download_rate: Some(2),
        upload_rate: Some(3),
        download_rate: Some(4),
    }
}

/// One change of each sort.
fn holdings() -> Vec<Holding> {
    let account = Name::parse("alice").unwrap();
    let until = UnixMillis(9);
    let lock = Lock {
        token: u128::MAX - 1,
        place: Place {
            storage: Name::parse("files").unwrap(),
            path: VirtualPath::parse(b"/a/\xff").unwrap(),
        },
        infinite: true,
        exclusive: true,
        account: account.clone(),
        owner: "<D:href>alice</D:href>".to_owned(),
        until,
    };
    vec![
        Holding::Take(lock),
        Holding::Renew {
            token: 2,
            account: account.clone(),
            until,
        },
        Holding::Release {
            token: 3,
            account: account.clone(),
        },
        Holding::SignOut {
            session: 4,
            ended: SignedOut { account, until },
        },
    ]
}

fn command() -> Command {
    let objects = one_of_each();
    let key = |object: &Object<Spec>| ObjectKey {
        kind: object.spec.kind(),
        name: object.name.clone(),
    };
    let expected = vec![
        (key(&objects[0]), Expected::Absent),
        (key(&objects[1]), Expected::Present),
        (key(&objects[2]), Expected::Revision(9)),
    ];
    Command {
        actor: Actor::Administrator {
            name: Name::parse("root").unwrap(),
            token: Name::parse("first").unwrap(),
            secret_hash: [7; 32],
        },
        from: Some("192.0.2.7".parse().unwrap()),
        at: UnixMillis(5),
        transaction: Transaction {
            expected,
            deletes: vec![key(&objects[3])],
            seen: vec![(Name::parse("alice").unwrap(), 20_000)],
            held: holdings(),
            puts: objects.into_iter().map(|object| (object.name, object.spec)).collect(),
        },
    }
}

#[test]
fn every_kind_comes_back_from_its_row_as_it_was() {
    for object in one_of_each() {
        assert_eq!(decode_row(&encode_row(&object)).unwrap(), object);
        let key = ObjectKey {
            kind: object.spec.kind(),
            name: object.name,
        };
        assert_eq!(parse_row_key(&row_key(&key)).unwrap(), key);
    }
}

#[test]
fn history_rows_and_days_come_back_as_they_were_and_sort_by_time() {
    let objects = one_of_each();
    let record = Record {
        revision: 42,
        actor: "root@node-1".to_owned(),
        from: Some("2001:db8::1".parse().unwrap()),
        at: UnixMillis(7),
        key: ObjectKey {
            kind: Kind::Account,
            name: Name::parse("alice").unwrap(),
        },
        before: None,
        after: Some(objects[0].clone()),
    };
    assert_eq!(decode_record(&encode_record(&record)).unwrap(), record);
    assert_eq!(history::parse_row_key(&history::row_key(42, 7)), Some((42, 7)));
    assert!(history::row_key(255, 9) < history::row_key(256, 0));
    let alice = Name::parse("alice").unwrap();
    assert_eq!(parse_seen_key(&seen_key(&alice)), Some(alice));
    assert_eq!(decode_day(&encode_day(20_000)).unwrap(), 20_000);
    for other in [&b"account/alice"[..], b"history/short", b"seen/"] {
        assert_eq!((history::parse_row_key(other), parse_seen_key(other)), (None, None));
    }
}

#[test]
fn commands_and_outcomes_come_back_as_they_were() {
    assert_eq!(decode_command(&encode_command(&command())).unwrap(), command());
    let key = ObjectKey {
        kind: Kind::Service,
        name: Name::parse("sftp").unwrap(),
    };
    for outcome in [
        Outcome::Applied,
        Outcome::Refused(Refusal::Stale {
            key: key.clone(),
            current: Some(3),
        }),
        Outcome::Refused(Refusal::Dangling {
            from: key.clone(),
            to: key.clone(),
        }),
        Outcome::Refused(Refusal::InUse {
            key: key.clone(),
            by: key,
        }),
        Outcome::Refused(Refusal::Locked { token: 5 }),
        Outcome::Refused(Refusal::Forbidden {
            reason: "no".to_owned(),
        }),
        Outcome::Refused(Refusal::Invalid {
            reason: "bad".to_owned(),
        }),
    ] {
        assert_eq!(decode_outcome(&encode_outcome(&outcome)).unwrap(), outcome);
    }
}

/// Bytes as release 0.1 writes them. If this fails, the stored format has changed: make a new version instead.
#[test]
fn the_stored_bytes_of_the_first_release_stay_readable() {
    let written = encode_command(&command());
    let frozen = include_bytes!("fixtures/command-v1.bin");
    assert_eq!(decode_command(frozen).unwrap(), command());
    assert_eq!(written, frozen, "the bytes of a command have changed");
}

#[test]
fn a_newer_format_is_refused_with_advice() {
    let mut bytes = encode_command(&command());
    bytes[0] = 2;
    assert!(decode_command(&bytes).unwrap_err().reason.contains("upgrade this node"));
}

#[test]
fn cut_or_longer_bytes_are_refused() {
    let bytes = encode_command(&command());
    for length in 0..bytes.len() {
        assert!(
            decode_command(&bytes[..length]).is_err(),
            "{length} of {} bytes",
            bytes.len()
        );
    }
    assert!(decode_command(&[&bytes[..], b"x"].concat()).is_err());
}
