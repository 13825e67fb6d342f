//! What is not SSH, not yet SSH, or SSH but not SFTP: answered or ended, and nobody else notices.

use serde_json::json;

use crate::rig::{Account, Login, process, shared};

#[test]
fn garbage_before_and_inside_the_handshake_ends_that_connection_only() {
    let shared = shared();
    let account = Account::create(&shared);
    Login::new(&shared, &account, 0).python("handshake.py", json!({})).ok();
    assert!(Login::new(&shared, &account, 0).works());
    shared.no_panics();
}

#[test]
fn shell_commands_forwarding_and_the_rest_of_ssh_are_refused_with_an_answer() {
    let shared = shared();
    let account = Account::create(&shared);
    let login = Login::new(&shared, &account, 1);
    login.python("refusals.py", json!({})).ok();
    for what in [
        &["id"][..],
        &["-T"],
        &["-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22"],
    ] {
        let mut command = login.openssh("ssh");
        let (flags, words) = if what[0].starts_with('-') {
            (what, &[][..])
        } else {
            (&[][..], what)
        };
        command.args(flags).arg(login.target()).args(words);
        let done = process::run_for(command, b"", std::time::Duration::from_secs(20)).refused();
        assert!(!done.out.contains("uid="), "a command ran: {}", done.out);
    }
    shared.no_panics();
}
