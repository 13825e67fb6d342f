use super::*;

fn policy(tls: Tls) -> Policy {
    Policy {
        tls,
        require_tls_control: false,
        require_tls_data: false,
        active: true,
        peer: "192.0.2.7".parse().unwrap(),
    }
}

/// What a step is in one word; everything that has to be done for it succeeds.
fn told(state: &mut State, line: &str) -> String {
    match state.line(Line::Whole(line.as_bytes().to_vec())) {
        Step::Reply(reply) => reply.code.to_string(),
        Step::Quit(reply) => format!("quit {}", reply.code),
        Step::Secure(private) => {
            state.secured(private);
            "tls".to_owned()
        }
        Step::Certify(user) => format!("certify {user}"),
        Step::Prove(..) => {
            state.signed_in();
            "prove".to_owned()
        }
        Step::Restart(reply) => format!("restart {}", reply.code),
        Step::OpenPassive(form) => {
            state.opened_passive();
            match form {
                PassiveForm::Plain => "passive".to_owned(),
                PassiveForm::Extended => "extended".to_owned(),
            }
        }
        Step::Task(task) => {
            match task {
                Task::RenameFrom(path) => state.done(Change::RenameFrom(path)),
                Task::ChangeFolder(path) => state.done(Change::Folder(path)),
                _ => {}
            }
            "task".to_owned()
        }
        Step::Transfer(transfer) => format!("transfer {}", transfer.offset),
        Step::Status => "status".to_owned(),
    }
}

#[track_caller]
fn check(policy: Policy, talk: &[(&str, &str)]) {
    let mut state = State::new(policy);
    for (line, expected) in talk {
        assert_eq!(told(&mut state, line), *expected, "{line}");
    }
}

const SIGN_IN: [(&str, &str); 2] = [("USER alice", "331"), ("PASS x", "prove")];

#[track_caller]
fn check_inside(policy: Policy, talk: &[(&str, &str)]) {
    check(policy, &[&SIGN_IN[..], talk].concat());
}

#[test]
fn before_the_sign_in_only_what_the_rfcs_allow_is_answered() {
    let allowed = [
        ("NOOP", "200"),
        ("SYST", "215"),
        ("FEAT", "211"),
        ("HELP", "214"),
        ("HELP RETR", "214"),
        ("HELP XYZZY", "502"),
        ("CLNT x", "200"),
        ("OPTS UTF8 ON", "200"),
        ("OPTS UTF8 OFF", "501"),
        ("OPTS MLST size;", "200"),
        ("LANG de", "504"),
        ("LANG en-GB", "200"),
        ("SITE HELP", "214"),
        ("REIN", "restart 220"),
        ("PASS x", "503"),
        ("QUIT", "quit 221"),
    ];
    check(policy(Tls::Absent), &allowed);
    let refused = [
        "ACCT x",
        "PASV",
        "EPSV",
        "PORT 192,0,2,7,200,1",
        "EPRT |1|192.0.2.7|5000|",
        "TYPE I",
        "STRU F",
        "MODE S",
        "REST 1",
        "ALLO 1",
        "RETR a",
        "STOR a",
        "APPE a",
        "STOU",
        "LIST",
        "NLST",
        "MLSD",
        "MLST",
        "SIZE a",
        "MDTM a",
        "MFMT 20260101000000 a",
        "HASH a",
        "XSHA256 a",
        "XMD5 a",
        "CWD a",
        "CDUP",
        "PWD",
        "MKD a",
        "RMD a",
        "DELE a",
        "RNFR a",
        "RNTO a",
        "ABOR",
        "STAT",
        "STAT a",
        "SITE CHMOD 644 a",
        "SITE UTIME 20260101000000 a",
    ];
    for line in refused {
        check(
            policy(Tls::Explicit),
            &[(line, "530"), ("USER a", "331"), (line, "530")],
        );
    }
}

#[test]
fn what_is_not_here_gets_the_reply_that_the_rfcs_name() {
    check_inside(
        policy(Tls::Absent),
        &[
            ("XYZZY", "500"),
            ("", "500"),
            ("SMNT a", "502"),
            ("HOST a", "502"),
            ("LPSV", "502"),
            ("SITE EXEC ls", "502"),
            ("MODE Z", "504"),
            ("MODE B", "504"),
            ("STRU R", "504"),
            ("TYPE E", "504"),
            ("TYPE", "501"),
            ("ACCT a", "202"),
            ("CCC", "533"),
            ("ADAT x", "503"),
            ("MIC x", "503"),
            ("AUTH TLS", "502"),
            ("AUTH GSSAPI", "504"),
            ("REST x", "501"),
            ("REST 9223372036854775808", "501"),
            ("USER bob", "503"),
            ("PASS x", "503"),
        ],
    );
}

#[test]
fn where_tls_is_required_nothing_goes_without() {
    let strict = Policy {
        require_tls_control: true,
        require_tls_data: true,
        ..policy(Tls::Explicit)
    };
    check(
        strict,
        &[
            ("USER alice", "534"),
            ("PASS x", "503"),
            ("PBSZ 0", "503"),
            ("PROT P", "503"),
            ("AUTH TLS", "tls"),
            ("AUTH TLS", "503"),
            ("USER alice", "331"),
            ("PASS x", "prove"),
            ("PASV", "passive"),
            ("RETR a", "521"),
            ("PROT P", "503"),
            ("PBSZ 0", "200"),
            ("PROT E", "536"),
            ("PROT C", "534"),
            ("PROT P", "200"),
            ("CCC", "534"),
            ("RETR a", "transfer 0"),
        ],
    );
}

#[test]
fn auth_forgets_who_was_named_and_comes_before_the_sign_in() {
    let tls = || policy(Tls::Explicit);
    check(tls(), &[("USER eve", "331"), ("AUTH TLS", "tls"), ("PASS x", "503")]);
    check_inside(tls(), &[("AUTH TLS", "503")]);
    check(
        tls(),
        &[
            ("AUTH TLS-P", "tls"),
            ("USER a", "331"),
            ("PASS x", "prove"),
            ("PROT C", "200"),
        ],
    );
    let implicit = policy(Tls::Implicit);
    check_inside(implicit, &[("AUTH TLS", "503"), ("PROT C", "200"), ("PROT P", "200")]);
}

#[test]
fn a_data_port_is_the_clients_own_and_no_port_of_the_system() {
    check_inside(
        policy(Tls::Absent),
        &[
            ("RETR a", "425"),
            ("PORT 192,0,2,7,200,1", "200"),
            ("RETR a", "transfer 0"),
            ("RETR a", "425"),
            ("PORT 192,0,2,8,200,1", "501"),
            ("PORT 127,0,0,1,200,1", "501"),
            ("PORT 192,0,2,7,3,255", "501"),
            ("PORT 192,0,2,7,0,0", "501"),
            ("PORT 1,2,3", "501"),
            ("EPRT |1|192.0.2.7|5000|", "200"),
            ("EPRT |1|192.0.2.9|5000|", "501"),
            ("EPRT |2|2001:db8::1|5000|", "501"),
            ("EPRT |2|::ffff:192.0.2.7|5000|", "200"),
            ("EPRT |3|x|5000|", "522"),
            ("EPRT x", "501"),
            ("EPSV 2", "522"),
            ("EPSV 9", "522"),
            ("EPSV 1", "extended"),
            ("PASV", "passive"),
            ("EPSV ALL", "200"),
            ("PASV", "503"),
            ("PORT 192,0,2,7,200,1", "503"),
            ("EPRT |1|192.0.2.7|5000|", "503"),
            ("EPSV", "extended"),
        ],
    );
    let off = Policy {
        active: false,
        ..policy(Tls::Absent)
    };
    check_inside(
        off,
        &[("PORT 192,0,2,7,200,1", "502"), ("EPRT |1|192.0.2.7|5000|", "502")],
    );
    let six = Policy {
        peer: "2001:db8::1".parse().unwrap(),
        ..policy(Tls::Absent)
    };
    check_inside(
        six,
        &[
            ("PASV", "425"),
            ("EPSV 1", "522"),
            ("EPSV", "extended"),
            ("EPRT |2|2001:db8::1|5000|", "200"),
            ("EPRT |2|2001:db8::2|5000|", "501"),
        ],
    );
}

#[test]
fn an_offset_counts_for_one_transfer() {
    check_inside(
        policy(Tls::Absent),
        &[
            ("TYPE I", "200"),
            ("REST 5", "350"),
            ("PASV", "passive"),
            ("RETR a", "transfer 5"),
            ("PASV", "passive"),
            ("RETR a", "transfer 0"),
            ("REST 5", "350"),
            ("ABOR", "226"),
            ("PASV", "passive"),
            ("STOR a", "transfer 0"),
            ("PASV", "passive"),
            ("REST 5", "350"),
            ("APPE a", "transfer 0"),
            ("PASV", "passive"),
            ("REST 5", "350"),
            ("MLSD", "transfer 0"),
            ("TYPE A", "200"),
            ("REST 5", "350"),
            ("PASV", "passive"),
            ("RETR a", "550"),
            ("SIZE a", "550"),
            ("TYPE L 8", "200"),
            ("SIZE a", "task"),
        ],
    );
}

#[test]
fn a_rename_is_two_commands_in_a_row() {
    check_inside(
        policy(Tls::Absent),
        &[
            ("RNTO b", "503"),
            ("RNFR a", "task"),
            ("RNTO b", "task"),
            ("RNTO b", "503"),
            ("RNFR a", "task"),
            ("NOOP", "200"),
            ("RNTO b", "503"),
        ],
    );
}

#[test]
fn rein_forgets_everything_but_tls() {
    let mut state = State::new(policy(Tls::Explicit));
    let talk = [
        "AUTH TLS", "PBSZ 0", "PROT P", "USER a", "PASS x", "CWD /in", "TYPE I", "REST 7", "PASV", "REIN",
    ];
    for line in talk {
        told(&mut state, line);
    }
    assert_eq!(state.login, Login::Nobody);
    assert!(state.is_secure() && state.is_private());
    assert_eq!(
        (&state.folder, state.ascii, state.offset),
        (&VirtualPath::root(), true, 0)
    );
    assert_eq!(
        (told(&mut state, "PWD"), told(&mut state, "USER b")),
        ("530".to_owned(), "331".to_owned())
    );
}

#[test]
fn paths_are_the_folders_own_and_never_leave_the_root() {
    let mut state = State::new(policy(Tls::Absent));
    for (line, _) in SIGN_IN {
        told(&mut state, line);
    }
    told(&mut state, "CWD /a/b");
    for (line, expected) in [
        ("DELE c", "/a/b/c"),
        ("DELE ../c", "/a/c"),
        ("DELE ../../../../etc/passwd", "/etc/passwd"),
        ("DELE /c", "/c"),
        ("DELE  c", "/a/b/ c"),
    ] {
        let step = state.line(Line::Whole(line.as_bytes().to_vec()));
        let expected = VirtualPath::parse(expected.as_bytes()).unwrap();
        assert_eq!(step, Step::Task(Task::Delete(expected)), "{line}");
    }
    let long = format!("DELE {}", "x".repeat(300));
    assert_eq!(told(&mut state, &long), "553");
    assert!(matches!(state.line(Line::TooLong), Step::Reply(reply) if reply.code == 500));
    assert!(matches!(state.line(Line::Nul), Step::Reply(reply) if reply.code == 501));
}
