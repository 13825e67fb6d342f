use bytes::BufMut;
use proptest::collection::vec;
use proptest::prelude::*;

use super::reply::{put_attributes, put_string};
use super::*;

/// A packet as a client sends it, without its length field.
fn packet(kind: u8, id: u32, fields: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut packet = BytesMut::new();
    packet.put_u8(kind);
    packet.put_u32(id);
    fields(&mut packet);
    packet.freeze()
}

#[track_caller]
fn check(kind: u8, fields: impl FnOnce(&mut BytesMut), expected: Request) {
    let packet = packet(kind, 7, fields);
    let read = parse(packet.clone());
    assert_eq!(
        read,
        Packet::Request {
            id: 7,
            request: expected
        }
    );
    for cut in 5..packet.len() {
        let read = parse(packet.slice(..cut));
        assert_eq!(read, Packet::Malformed { id: 7 }, "cut at {cut}");
    }
}

fn bytes(text: &'static [u8]) -> Bytes {
    Bytes::from_static(text)
}

#[test]
fn every_request_is_read_and_a_cut_one_is_malformed() {
    let string = |text: &'static [u8]| move |out: &mut BytesMut| put_string(out, text);
    let (path, handle) = (bytes(b"/a\xff"), bytes(b"h"));
    let all = WireAttributes {
        size: Some(1 << 40),
        owner: Some((1, 2)),
        permissions: Some(0o644),
        times: Some((3, 4)),
    };
    let sent = all.clone();
    check(
        3,
        move |out| {
            put_string(out, b"/a\xff");
            out.put_u32(0x1a);
            put_attributes(out, &sent);
        },
        Request::Open {
            path: path.clone(),
            flags: 0x1a,
            attributes: all,
        },
    );
    check(4, string(b"h"), Request::Close { handle: handle.clone() });
    check(
        5,
        |out| {
            put_string(out, b"h");
            out.put_u64(u64::MAX);
            out.put_u32(9);
        },
        Request::Read {
            handle: handle.clone(),
            offset: u64::MAX,
            length: 9,
        },
    );
    check(
        6,
        |out| {
            put_string(out, b"h");
            out.put_u64(5);
            put_string(out, b"abc");
        },
        Request::Write {
            handle: handle.clone(),
            offset: 5,
            chunk: bytes(b"abc"),
        },
    );
    check(7, string(b"/a\xff"), Request::Lstat { path: path.clone() });
    check(8, string(b"h"), Request::Fstat { handle: handle.clone() });
    check(11, string(b"/a\xff"), Request::Opendir { path: path.clone() });
    check(12, string(b"h"), Request::Readdir { handle: handle.clone() });
    check(13, string(b"/a\xff"), Request::Remove { path: path.clone() });
    check(15, string(b"/a\xff"), Request::Rmdir { path: path.clone() });
    check(16, string(b""), Request::Realpath { path: Bytes::new() });
    check(17, string(b"/a\xff"), Request::Stat { path: path.clone() });
    check(19, string(b"/a\xff"), Request::Readlink { path: path.clone() });
    let two = |out: &mut BytesMut| {
        put_string(out, b"/a\xff");
        put_string(out, b"b");
    };
    check(
        18,
        two,
        Request::Rename {
            from: path.clone(),
            to: bytes(b"b"),
        },
    );
    check(
        20,
        two,
        Request::Symlink {
            target: path.clone(),
            link: bytes(b"b"),
        },
    );
    let none = WireAttributes::default;
    let with_none = |text: &'static [u8]| {
        move |out: &mut BytesMut| {
            put_string(out, text);
            out.put_u32(0);
        }
    };
    check(
        9,
        with_none(b"/a\xff"),
        Request::Setstat {
            path: path.clone(),
            attributes: none(),
        },
    );
    check(
        10,
        with_none(b"h"),
        Request::Fsetstat {
            handle: handle.clone(),
            attributes: none(),
        },
    );
    check(
        14,
        with_none(b"/a\xff"),
        Request::Mkdir {
            path: path.clone(),
            attributes: none(),
        },
    );
    for (name, expected) in [
        (
            &b"posix-rename@openssh.com"[..],
            Request::PosixRename {
                from: path.clone(),
                to: bytes(b"b"),
            },
        ),
        (
            b"hardlink@openssh.com",
            Request::Hardlink {
                existing: path.clone(),
                link: bytes(b"b"),
            },
        ),
        (b"fsync@openssh.com", Request::Fsync { handle: path.clone() }),
        (b"statvfs@openssh.com", Request::Statvfs { path: path.clone() }),
        (b"fstatvfs@openssh.com", Request::Fstatvfs { handle: path.clone() }),
        (b"limits@openssh.com", Request::Limits),
        (b"copy-data", Request::Unknown),
    ] {
        let read = parse(packet(200, 1, |out| {
            put_string(out, name);
            two(out);
        }));
        assert_eq!(
            read,
            Packet::Request {
                id: 1,
                request: expected
            }
        );
    }
}

#[test]
fn an_unknown_kind_is_a_request_that_can_be_answered() {
    for kind in [0, 2, 21, 99, 101, 201, 255] {
        let read = parse(packet(kind, 3, |_| ()));
        assert_eq!(
            read,
            Packet::Request {
                id: 3,
                request: Request::Unknown
            },
            "{kind}"
        );
    }
    assert_eq!(parse(packet(1, 3, |_| ())), Packet::Init { version: 3 });
    assert_eq!(parse(Bytes::new()), Packet::Malformed { id: 0 });
    assert_eq!(parse(bytes(b"\x05\0\0")), Packet::Malformed { id: 0 });
}

#[test]
fn extended_attributes_are_skipped_and_bounded() {
    let mkdir = |count: u32, pairs: u32| {
        parse(packet(14, 1, |out| {
            put_string(out, b"d");
            out.put_u32(flag::EXTENDED | flag::PERMISSIONS);
            out.put_u32(0o700);
            out.put_u32(count);
            for _ in 0..pairs {
                put_string(out, b"name");
                put_string(out, b"value");
            }
        }))
    };
    let attributes = WireAttributes {
        permissions: Some(0o700),
        ..WireAttributes::default()
    };
    let good = Packet::Request {
        id: 1,
        request: Request::Mkdir {
            path: bytes(b"d"),
            attributes,
        },
    };
    assert_eq!(mkdir(2, 2), good);
    for (count, pairs) in [(3, 2), (u32::MAX, 0), (65, 65)] {
        assert_eq!(mkdir(count, pairs), Packet::Malformed { id: 1 }, "{count}");
    }
}

#[test]
fn a_length_out_of_bounds_ends_the_stream_before_anything_is_set_aside() {
    for length in [0, PACKET_BYTES_MAX as u32 + 1, u32::MAX] {
        let mut framer = Framer::default();
        assert_eq!(framer.next(&mut &length.to_be_bytes()[..]), Err(BadLength(length)));
        assert_eq!(framer.held(), 0);
    }
}

#[test]
fn replies_have_their_length_and_fields() {
    let whole = |reply: Reply| [&reply.head[..], &reply.body[..]].concat();
    assert_eq!(
        whole(status(258, Status::NoSuchFile, "no")),
        b"\0\0\0\x15\x65\0\0\x01\x02\0\0\0\x02\0\0\0\x02no\0\0\0\x02en"
    );
    assert_eq!(whole(data(1, bytes(b"abc"))), b"\0\0\0\x0c\x67\0\0\0\x01\0\0\0\x03abc");
    assert_eq!(whole(handle(1, b"h")), b"\0\0\0\x0a\x66\0\0\0\x01\0\0\0\x01h");
    assert_eq!(whole(numbers(1, &[5])), b"\0\0\0\x0d\xc9\0\0\0\x01\0\0\0\0\0\0\0\x05");
    let attributes = WireAttributes {
        permissions: Some(1),
        ..WireAttributes::default()
    };
    assert_eq!(
        whole(super::attributes(1, &attributes)),
        b"\0\0\0\x0d\x69\0\0\0\x01\0\0\0\x04\0\0\0\x01"
    );
    let version = whole(version());
    assert_eq!(&version[4..9], b"\x02\0\0\0\x03");
}

proptest! {
    #[test]
    fn a_stream_is_cut_into_its_packets_however_it_arrives(
        packets in vec(vec(any::<u8>(), 1..300), 0..20),
        cuts in vec(1_usize..200, 1..50),
    ) {
        let mut stream = Vec::new();
        for packet in &packets {
            stream.extend_from_slice(&(packet.len() as u32).to_be_bytes());
            stream.extend_from_slice(packet);
        }
        let (mut framer, mut found, mut rest) = (Framer::default(), Vec::new(), &stream[..]);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (mut now, later) = rest.split_at((*cut).min(rest.len()));
            rest = later;
            while let Some(packet) = framer.next(&mut now).unwrap() {
                found.push(packet.to_vec());
            }
        }
        prop_assert_eq!(found, packets);
    }

    #[test]
    fn no_bytes_make_the_parser_panic_or_hold_too_much(bytes in vec(any::<u8>(), 0..2000)) {
        parse(Bytes::from(bytes.clone()));
        let (mut framer, mut input) = (Framer::default(), &bytes[..]);
        while let Ok(Some(packet)) = framer.next(&mut input) {
            parse(packet);
        }
        prop_assert!(framer.held() <= PACKET_BYTES_MAX + 64);
    }

    #[test]
    fn attributes_are_read_as_they_were_written(
        size in any::<Option<u64>>(),
        owner in any::<Option<(u32, u32)>>(),
        permissions in any::<Option<u32>>(),
        times in any::<Option<(u32, u32)>>(),
    ) {
        let attributes = WireAttributes { size, owner, permissions, times };
        let mut out = BytesMut::new();
        put_attributes(&mut out, &attributes);
        let mut fields = Fields(out.freeze());
        prop_assert_eq!(fields.attributes(), Some(attributes));
        prop_assert!(fields.0.is_empty());
    }
}
