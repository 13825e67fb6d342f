//! The codec: what is written is read, what was frozen stays readable, what is unknown is refused with advice.

use proptest::prelude::*;

use super::wire::{AppendV1, EntryV1, Framed, SnapshotHeadV1};
use super::*;

fn membership() -> MembershipV1 {
    let node = NodeV1 {
        name: "north".to_owned(),
        peer_address: "10.0.0.1:7400".to_owned(),
        fingerprint: [9; 32],
    };
    MembershipV1 {
        voters: vec![BTreeSet::from([1, 2]), BTreeSet::from([1])],
        nodes: BTreeMap::from([(1, node.clone()), (2, node)]),
    }
}

/// One envelope of each kind, in the order of `FROZEN`.
fn one_of_each() -> Vec<Envelope> {
    vec![
        Envelope::Blank,
        Envelope::Membership(membership()),
        Envelope::App(AppCommand::new(RequestId([7; 16]), Bytes::from_static(b"command"))),
        Envelope::Cluster(ClusterCommand::Found {
            name: "north".to_owned(),
            node: 1,
            feature_level: 1,
            data_key_id: 1,
        }),
        Envelope::Cluster(ClusterCommand::IssueJoinToken {
            token: [1; 16],
            secret_hash: [2; 32],
            expires_ms: 1_700_000_000_000,
        }),
        Envelope::Cluster(ClusterCommand::AdmitNode(AdmitNode {
            token: [1; 16],
            secret_hash: [2; 32],
            now_ms: 1_700_000_000_000,
            name: "south".to_owned(),
            peer_address: "10.0.0.2:7400".to_owned(),
            request_hash: [4; 32],
        })),
        Envelope::Cluster(ClusterCommand::SetDataKey { key_id: 300 }),
        Envelope::Cluster(ClusterCommand::SetFeatureLevel { level: 2 }),
        Envelope::Cluster(ClusterCommand::ForgetNode { node: 70_000 }),
    ]
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The stored bytes of release 0.1, one envelope of each kind per line. These lines never change: a new form gets a
/// new kind or format version, and lines of its own.
const FROZEN: &str = include_str!("frozen_0_1.txt");

#[test]
fn stored_bytes_of_release_0_1_are_still_written_and_read() {
    let frozen: Vec<&str> = FROZEN.lines().collect();
    let written: Vec<String> = one_of_each()
        .iter()
        .map(|envelope| hexadecimal(&envelope.encode()))
        .collect();
    assert_eq!(written, frozen);
    for envelope in one_of_each() {
        assert_eq!(Envelope::decode(&envelope.encode()), Ok(envelope));
    }
}

#[test]
fn an_unknown_kind_or_format_is_refused_with_advice() {
    for bytes in [[FORMAT, 200].as_slice(), &[FORMAT + 1, KIND_APP]] {
        let error = Envelope::decode(&Bytes::copy_from_slice(bytes)).unwrap_err();
        assert!(error.reason.contains("install that release"), "{error}");
    }
}

#[test]
fn an_unknown_command_is_kept_unopened_and_an_unknown_format_is_not() {
    assert_eq!(Envelope::decode_for_raft(&Bytes::from_static(&[FORMAT, 200])), Ok(None));
    assert!(Envelope::decode_for_raft(&Bytes::from_static(&[FORMAT + 1, 200])).is_err());
}

#[test]
fn a_message_of_another_kind_is_refused() {
    let head = SnapshotHeadV1 {
        vote: VoteV1::default(),
    };
    assert!(AppendV1::decode(&head.encode()).is_err());
    assert_eq!(SnapshotHeadV1::decode(&head.encode()), Ok(head));
}

fn any_command() -> impl Strategy<Value = Envelope> {
    let app = (any::<[u8; 16]>(), any::<Vec<u8>>());
    let token = (any::<[u8; 16]>(), any::<[u8; 32]>(), any::<u64>());
    let admit = (token, any::<(String, String)>(), any::<[u8; 32]>());
    prop_oneof![
        Just(Envelope::Blank),
        app.prop_map(|(id, body)| Envelope::App(AppCommand::new(RequestId(id), body.into()))),
        token.prop_map(|(token, secret_hash, expires_ms)| {
            Envelope::Cluster(ClusterCommand::IssueJoinToken {
                token,
                secret_hash,
                expires_ms,
            })
        }),
        admit.prop_map(|((token, secret_hash, now_ms), (name, peer_address), request_hash)| {
            Envelope::Cluster(ClusterCommand::AdmitNode(AdmitNode {
                token,
                secret_hash,
                now_ms,
                name,
                peer_address,
                request_hash,
            }))
        }),
        any::<u32>().prop_map(|level| Envelope::Cluster(ClusterCommand::SetFeatureLevel { level })),
    ]
}

proptest! {
    #[test]
    fn every_envelope_is_read_as_it_was_written(envelope in any_command()) {
        prop_assert_eq!(Envelope::decode(&envelope.encode()), Ok(envelope));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in any::<Vec<u8>>()) {
        let bytes = Bytes::from(bytes);
        let _ = Envelope::decode(&bytes);
        let _ = AppendV1::decode(&bytes);
        let _ = Answer::decode(&bytes);
    }

    #[test]
    fn entries_on_the_wire_keep_their_envelopes(bodies in prop::collection::vec(any::<Vec<u8>>(), 0..5)) {
        let entries = bodies.into_iter().enumerate().map(|(index, body)| EntryV1 {
            log_id: LogIdV1 { term: 3, node: 2, index: index as u64 },
            envelope: Blob(body.into()),
        });
        let append = AppendV1 {
            vote: VoteV1::default(),
            previous: None,
            entries: entries.collect(),
            committed: Some(LogIdV1::default()),
        };
        prop_assert_eq!(AppendV1::decode(&append.encode()), Ok(append));
    }
}
