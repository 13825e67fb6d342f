//! Request ids, join tokens and the state hash, on one replica without a network.

use bytes::Bytes;

use super::*;
use crate::RequestId;
use crate::envelope::{AdmitNode, ClusterCommand, Refusal};
use crate::raft::ClusterRows;
use crate::raft::types::LeaderId;
use crate::sim::Ledger;

struct Fixture {
    replica: Replica<Ledger>,
    index: u64,
}

impl Fixture {
    fn new() -> Self {
        let replica = Replica::restore(&StateHeadV1::default(), Rows::new()).unwrap();
        let mut fixture = Self { replica, index: 0 };
        let found = ClusterCommand::Found {
            name: "one".to_owned(),
            node: 1,
            feature_level: 1,
            data_key_id: 1,
        };
        assert!(matches!(fixture.cluster(found), Answer::Done { .. }));
        fixture
    }

    fn apply(&mut self, envelope: &Envelope) -> Result<Answer, CodecError> {
        self.index += 1;
        let log_id = LogId::new(LeaderId { term: 1, node_id: 1 }, self.index);
        let entry = LogEntry {
            log_id,
            payload: EntryPayload::Normal(Blob(envelope.encode())),
        };
        let mut changes = Vec::new();
        let answer = self.replica.apply(&entry, &mut changes);
        assert_eq!(
            self.replica.hash,
            hash_of(&self.replica.rows, on_disk::<Ledger>),
            "the hash follows the changes"
        );
        answer
    }

    fn write(&mut self, request: u8, operation: u64) -> Answer {
        let body = Bytes::from(Ledger::encode_command(&operation));
        self.apply(&Envelope::App(AppCommand::new(RequestId([request; 16]), body)))
            .unwrap()
    }

    fn cluster(&mut self, command: ClusterCommand) -> Answer {
        self.apply(&Envelope::Cluster(command)).unwrap()
    }

    fn issue(&mut self, token: u8, expires_ms: u64) {
        self.cluster(ClusterCommand::IssueJoinToken {
            token: [token; 16],
            secret_hash: [token; 32],
            expires_ms,
        });
    }

    fn admit(&mut self, token: u8, secret: u8, name: &str, request: u8, now_ms: u64) -> Answer {
        self.cluster(ClusterCommand::AdmitNode(AdmitNode {
            token: [token; 16],
            secret_hash: [secret; 32],
            now_ms,
            name: name.to_owned(),
            peer_address: "10.0.0.2:7400".to_owned(),
            request_hash: [request; 32],
        }))
    }
}

#[test]
fn a_retried_request_is_applied_once_and_gets_the_first_answer() {
    let mut fixture = Fixture::new();
    let first = fixture.write(1, 10);
    fixture.write(2, 11);
    assert_eq!(fixture.write(1, 10), first);
    assert_eq!(fixture.replica.view().len(), 2);
}

#[test]
fn a_request_id_with_another_body_is_refused_and_changes_nothing() {
    let mut fixture = Fixture::new();
    fixture.write(1, 10);
    let before = fixture.replica.hash;
    assert_eq!(fixture.write(1, 99), Answer::Reused);
    assert_eq!(fixture.replica.hash, before);
}

#[test]
fn the_oldest_request_ids_make_room_in_log_order() {
    let mut fixture = Fixture::new();
    fixture.replica = fixture.replica.with_request_ids_max(3);
    for request in 1..=5 {
        fixture.write(request, u64::from(request));
    }
    assert_eq!(ClusterRows::new(fixture.replica.rows()).request_ids(), 3);
    let Answer::App { revision, .. } = fixture.write(5, 5) else {
        panic!()
    };
    assert!(revision < fixture.index, "remembered");
    let Answer::App { revision, .. } = fixture.write(1, 1) else {
        panic!()
    };
    assert_eq!(revision, fixture.index, "forgotten, so it is a new request");
}

#[test]
fn a_state_that_is_stored_and_restored_goes_on_as_before() {
    let mut fixture = Fixture::new();
    let first = fixture.write(1, 10);
    let restored = Replica::restore(&fixture.replica.head(), fixture.replica.rows()).unwrap();
    assert_eq!(restored.head(), fixture.replica.head());
    fixture.replica = restored;
    assert_eq!(fixture.write(1, 10), first);
}

#[test]
fn a_join_token_admits_one_node_once() {
    let mut fixture = Fixture::new();
    fixture.issue(1, 1_000);
    let check = |answer: Answer, refusal| assert_eq!(answer, Answer::Refused(refusal));
    check(fixture.admit(9, 9, "two", 1, 10), Refusal::TokenUnknown);
    check(fixture.admit(1, 9, "two", 1, 10), Refusal::TokenUnknown);
    check(fixture.admit(1, 1, "two", 1, 1_000), Refusal::TokenExpired);
    check(fixture.admit(1, 1, "one", 1, 10), Refusal::NameTaken);
    assert_eq!(fixture.admit(1, 1, "two", 1, 10), Answer::Admitted { node: 2 });
    assert_eq!(
        fixture.admit(1, 1, "two", 1, 10),
        Answer::Admitted { node: 2 },
        "the same request again"
    );
    check(fixture.admit(1, 1, "three", 2, 10), Refusal::TokenUsed);
}

#[test]
fn a_node_id_is_never_given_out_again() {
    let mut fixture = Fixture::new();
    fixture.issue(1, 1_000);
    fixture.issue(2, 1_000);
    assert_eq!(fixture.admit(1, 1, "two", 1, 10), Answer::Admitted { node: 2 });
    assert!(matches!(
        fixture.cluster(ClusterCommand::ForgetNode { node: 2 }),
        Answer::Done { .. }
    ));
    assert_eq!(fixture.admit(1, 1, "two", 1, 10), Answer::Refused(Refusal::TokenUsed));
    assert_eq!(
        fixture.admit(2, 2, "two", 1, 10),
        Answer::Admitted { node: 3 },
        "the name is free, the id is not"
    );
}

#[test]
fn settings_never_go_back() {
    let mut fixture = Fixture::new();
    assert!(matches!(
        fixture.cluster(ClusterCommand::SetDataKey { key_id: 3 }),
        Answer::Done { .. }
    ));
    assert_eq!(
        fixture.cluster(ClusterCommand::SetDataKey { key_id: 2 }),
        Answer::Refused(Refusal::GoesBack)
    );
    assert_eq!(ClusterRows::new(fixture.replica.rows()).data_key_id(), 3);
}

#[test]
fn a_feature_level_beyond_this_build_stops_the_node_with_advice() {
    let mut fixture = Fixture::new();
    let error = fixture
        .apply(&Envelope::Cluster(ClusterCommand::SetFeatureLevel { level: 2 }))
        .unwrap_err();
    assert!(error.reason.contains("install the release"), "{error}");
}

#[test]
fn join_tokens_are_bounded_and_the_first_to_end_makes_room() {
    let mut fixture = Fixture::new();
    for number in 0..=crate::limits::JOIN_TOKENS_MAX as u64 {
        let mut token = [0; 16];
        token[..8].copy_from_slice(&number.to_be_bytes());
        fixture.cluster(ClusterCommand::IssueJoinToken {
            token,
            secret_hash: [0; 32],
            expires_ms: 5_000 - number,
        });
    }
    assert_eq!(
        rows::tokens(&fixture.replica.rows).count(),
        crate::limits::JOIN_TOKENS_MAX
    );
}
