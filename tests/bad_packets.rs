//! SFTP packets that no right client sends, and more than a session may have.

use serde_json::json;

use crate::rig::{Account, Login, shared};

#[test]
fn a_bad_packet_is_answered_or_ends_its_channel_and_nobody_else_notices() {
    let shared = shared();
    let account = Account::create(&shared);
    account.plant("values", b"old");
    Login::new(&shared, &account, 0)
        .python("bad_packets.py", json!({}))
        .ok();
    assert!(Login::new(&shared, &account, 0).works());
    shared.no_panics();
}

#[test]
fn five_thousand_handles_are_given_or_refused_with_an_answer() {
    let shared = shared();
    let account = Account::create(&shared);
    Login::new(&shared, &account, 1)
        .python("many_handles.py", json!({}))
        .ok();
    shared.no_panics();
}
