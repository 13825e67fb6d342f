use bytes::BufMut;
use proptest::collection::vec;
use proptest::prelude::*;

use super::reply::{put_attributes, put_string};
use super::*;
use crate::protocols::sftp::limits::IDS_MAX;

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
        (b"limits@openssh.com", Request::Extended(Extended::Limits)),
        (b"nobody's", Request::Unknown),
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

#[track_caller]
fn check_extended(name: &'static [u8], fields: impl FnOnce(&mut BytesMut), expected: Extended) {
    check(
        200,
        |out| {
            put_string(out, name);
            fields(out);
        },
        Request::Extended(expected),
    );
}

#[test]
fn every_extended_request_is_read_and_a_cut_one_is_malformed() {
    let path = || bytes(b"/a\xff");
    check_extended(
        b"lsetstat@openssh.com",
        |out| {
            put_string(out, b"/a\xff");
            out.put_u32(flag::PERMISSIONS);
            out.put_u32(0o600);
        },
        Extended::Lsetstat {
            path: path(),
            attributes: WireAttributes {
                permissions: Some(0o600),
                ..WireAttributes::default()
            },
        },
    );
    let string = |out: &mut BytesMut| put_string(out, b"/a\xff");
    check_extended(
        b"expand-path@openssh.com",
        string,
        Extended::ExpandPath { path: path() },
    );
    check_extended(b"home-directory", string, Extended::HomeDirectory { user: path() });
    check_extended(
        b"users-groups-by-id@openssh.com",
        |out| {
            put_string(out, b"\0\0\0\x07\xff\xff\xff\xff");
            put_string(out, b"\0\0\0\x01");
        },
        Extended::NamesById {
            users: vec![7, u32::MAX],
            groups: vec![1],
        },
    );
    check_extended(
        b"copy-data",
        |out| {
            put_string(out, b"h");
            out.put_u64(1);
            out.put_u64(2);
            put_string(out, b"g");
            out.put_u64(3);
        },
        Extended::CopyData {
            from: bytes(b"h"),
            from_offset: 1,
            length: 2,
            to: bytes(b"g"),
            to_offset: 3,
        },
    );
    for (name, file) in [
        (&b"check-file-name"[..], Named::Path(path())),
        (b"check-file-handle", Named::Handle(path())),
        (b"check-file", Named::Handle(path())),
    ] {
        let fields = |out: &mut BytesMut| {
            put_string(out, b"/a\xff");
            put_string(out, b"md5,sha1");
            out.put_u64(1);
            out.put_u64(2);
            out.put_u32(256);
        };
        let expected = Extended::CheckFile {
            file,
            hashes: bytes(b"md5,sha1"),
            start: 1,
            length: 2,
            piece: 256,
        };
        check_extended(name, fields, expected);
    }
    for (name, file) in [
        (&b"md5-hash"[..], Named::Path(path())),
        (b"md5-hash-handle", Named::Handle(path())),
    ] {
        let fields = |out: &mut BytesMut| {
            put_string(out, b"/a\xff");
            out.put_u64(1);
            out.put_u64(2);
            put_string(out, b"quick");
        };
        let expected = Extended::Md5Hash {
            file,
            start: 1,
            length: 2,
            quick: bytes(b"quick"),
        };
        check_extended(name, fields, expected);
    }
}

#[test]
fn numbers_of_users_are_whole_and_bounded() {
    for (count, spare, accepted) in [(0, 0, true), (IDS_MAX, 0, true), (IDS_MAX + 1, 0, false), (1, 1, false)] {
        let read = parse(packet(200, 1, |out| {
            put_string(out, b"users-groups-by-id@openssh.com");
            put_string(out, &vec![0; 4 * count + spare]);
            put_string(out, b"");
        }));
        let found = matches!(read, Packet::Request { .. });
        assert_eq!(found, accepted, "{count} {spare}");
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
    let whole = |reply: Reply| match reply {
        Reply::Words(words) => words.to_vec(),
        Reply::Data(data) => data.to_vec(),
    };
    assert_eq!(
        whole(status(258, Status::NoSuchFile, "no")),
        b"\0\0\0\x15\x65\0\0\x01\x02\0\0\0\x02\0\0\0\x02no\0\0\0\x02en"
    );
    assert_eq!(&data_head(1, 3), b"\0\0\0\x0c\x67\0\0\0\x01\0\0\0\x03");
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
    assert_eq!(
        whole(strings(1, &[b"a", b""], b"xyz")),
        b"\0\0\0\x11\xc9\0\0\0\x01\0\0\0\x01a\0\0\0\0xyz"
    );
    assert_eq!(
        concatenated([&b"ab"[..], b""].into_iter()),
        &b"\0\0\0\x02ab\0\0\0\0"[..]
    );
    let version = whole(version());
    assert_eq!(&version[4..9], b"\x02\0\0\0\x03");
    let mut announced = Fields(Bytes::from(version).slice(9..));
    let mut names = Vec::new();
    while let (Some(name), Some(value)) = (announced.bytes(), announced.bytes()) {
        assert!(!value.is_empty());
        names.push(name);
    }
    for name in &names {
        let asked = parse(packet(200, 1, |out| {
            put_string(out, name);
            out.put_slice(&[0; 64]);
        }));
        let known = matches!(&asked, Packet::Request { request, .. } if *request != Request::Unknown);
        assert!(known, "{name:?} is announced and not known");
    }
    assert_eq!(names.len(), 16);
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
