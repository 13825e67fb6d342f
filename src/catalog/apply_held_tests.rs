use super::*;

#[test]
fn what_an_account_holds_is_its_own_has_no_history_and_goes_with_it() {
    let mut case = Case::new();
    for who in ["alice", "bob"] {
        case.root(put(who, account("files")));
    }
    let by = |who: &str| Actor::Account { name: name(who) };
    let take = |who: &str, token| Transaction {
        held: vec![Holding::Take(Lock {
            token,
            place: Place {
                storage: name("files"),
                path: VirtualPath::parse(b"/a").unwrap(),
            },
            infinite: false,
            exclusive: true,
            account: name(who),
            owner: String::new(),
            until: UnixMillis(1_000),
        })],
        ..Transaction::default()
    };
    let history = case.catalog.history.clone();
    let forbidden = case.change(by("bob"), take("alice", 1));
    assert!(
        matches!(forbidden, Outcome::Refused(Refusal::Forbidden { .. })),
        "{forbidden:?}"
    );
    assert_eq!(case.change(by("alice"), take("alice", 1)), Outcome::Applied);
    let locked = Outcome::Refused(Refusal::Locked { token: 1 });
    assert_eq!(case.change(by("bob"), take("bob", 2)), locked);
    let ended = SignedOut {
        account: name("bob"),
        until: UnixMillis(1_000),
    };
    let sign_out = Transaction {
        held: vec![Holding::SignOut { session: 7, ended }],
        ..Transaction::default()
    };
    assert_eq!(case.change(by("bob"), sign_out), Outcome::Applied);
    assert_eq!(case.catalog.history, history);
    // What is on disk gives the same again.
    let rows = || case.rows.iter().map(|(key, value)| (&key[..], value));
    assert_eq!(Catalog::restore(&mut rows()).unwrap().view.held, case.catalog.view.held);
    let delete = Transaction {
        deletes: vec![key(Kind::Account, "alice")],
        ..Transaction::default()
    };
    assert_eq!(case.root(delete), Outcome::Applied);
    assert!(case.catalog.view.held.lock(1).is_none() && case.catalog.view.held.is_signed_out(7));
    assert!(!case.rows.keys().any(|key| key.starts_with(b"lock/")));
    assert_eq!(case.change(by("bob"), take("bob", 2)), Outcome::Applied);
}
