use proptest::prelude::*;

use super::command::{Epsv, Level, Mechanism, Representation, parse};
use super::*;
use crate::vfs::Hash;

fn lines(pieces: &[&[u8]]) -> Vec<Line> {
    let mut framer = Framer::default();
    let mut lines = Vec::new();
    for piece in pieces {
        framer.put(piece);
        while let Some(line) = framer.next_line().unwrap() {
            lines.push(line);
        }
        assert!(framer.buffer.len() < LINE_BYTES_MAX);
    }
    lines
}

fn whole(text: &[u8]) -> Line {
    Line::Whole(text.to_vec())
}

#[test]
fn lines_end_with_a_line_feed_and_telnet_is_taken_out() {
    for (sent, expected) in [
        (&b"NOOP\r\n"[..], vec![whole(b"NOOP")]),
        (b"NOOP\n", vec![whole(b"NOOP")]),
        (b"A\r\nB\r\nC", vec![whole(b"A"), whole(b"B")]),
        (b"\r\n", vec![whole(b"")]),
        (b"CWD a\rb\r\n", vec![whole(b"CWD a\rb")]),
        (b"\xff\xf4\xff\xf2ABOR\r\n", vec![whole(b"ABOR")]),
        (b"\xff\xfb\x03NO\xff\xfd\x01OP\r\n", vec![whole(b"NOOP")]),
        (b"CWD \xff\xff\r\n", vec![whole(b"CWD \xff")]),
        (b"CWD a\xff\r\n", vec![whole(b"CWD a")]),
        (b"CWD a\0b\r\nNOOP\r\n", vec![Line::Nul, whole(b"NOOP")]),
        (b"CWD \xc3\xa9\x80\r\n", vec![whole(b"CWD \xc3\xa9\x80")]),
    ] {
        assert_eq!(lines(&[sent]), expected, "{}", sent.escape_ascii());
        let single: Vec<&[u8]> = sent.chunks(1).collect();
        assert_eq!(lines(&single), expected, "{}", sent.escape_ascii());
    }
}

#[test]
fn a_line_of_a_megabyte_is_dropped_and_the_next_one_counts() {
    let long = vec![b'x'; 1024 * 1024];
    assert_eq!(lines(&[&long, b"\r\nNOOP\r\n"]), [Line::TooLong, whole(b"NOOP")]);
    let pieces: Vec<&[u8]> = long.chunks(1000).chain([&b"\nNOOP\r\n"[..]]).collect();
    assert_eq!(lines(&pieces), [Line::TooLong, whole(b"NOOP")]);
    let just = [&vec![b'x'; LINE_BYTES_MAX - 2][..], b"\r\n"].concat();
    assert!(matches!(lines(&[&just])[..], [Line::Whole(_)]));
    let over = [&vec![b'x'; LINE_BYTES_MAX - 1][..], b"\r\n"].concat();
    assert_eq!(lines(&[&over]), [Line::TooLong]);
}

#[test]
fn a_line_without_an_end_is_given_up() {
    let mut framer = Framer::default();
    let piece = vec![b'x'; 64 * 1024];
    for _ in 0..=LINE_DISCARD_BYTES_MAX / piece.len() {
        framer.put(&piece);
        if framer.next_line().is_err() {
            return;
        }
    }
    panic!("it was read without end");
}

#[test]
fn what_was_sent_before_tls_is_forgotten() {
    let mut framer = Framer::default();
    framer.put(b"AUTH TLS\r\nUSER eve\r\nPAS");
    assert_eq!(framer.next_line(), Ok(Some(whole(b"AUTH TLS"))));
    framer.clear();
    framer.put(b"S x\r\n");
    assert_eq!(framer.next_line(), Ok(Some(whole(b"S x"))));
}

#[test]
fn verbs_are_read_in_any_case_with_their_arguments() {
    let path = |text: &str| text.as_bytes().to_vec();
    let (nobody, hash) = (Command::Cdup, Hash::Sha256);
    let at = |text| super::time::parse(text).unwrap();
    for (line, expected) in [
        ("user alice", Ok(Command::User("alice".to_owned()))),
        ("USER", Err(Unread::Argument("USER name"))),
        ("cDuP", Ok(nobody.clone())),
        ("XCUP", Ok(nobody)),
        ("AUTH tls", Ok(Command::Auth(Mechanism::Tls))),
        ("AUTH KERBEROS_V4", Ok(Command::Auth(Mechanism::Other))),
        ("PBSZ 0", Ok(Command::Pbsz(0))),
        ("PBSZ x", Err(Unread::Argument("PBSZ 0"))),
        ("PROT p", Ok(Command::Prot(Level::Private))),
        ("PROT E", Ok(Command::Prot(Level::Other))),
        ("PROT", Err(Unread::Argument("PROT C or PROT P"))),
        ("EPSV", Ok(Command::Epsv(Epsv::Any))),
        ("EPSV ALL", Ok(Command::Epsv(Epsv::All))),
        ("EPSV 2", Ok(Command::Epsv(Epsv::Family(address::Family::V6)))),
        ("EPSV 7", Ok(Command::Epsv(Epsv::OtherFamily))),
        ("EPRT |9|x|5000|", Err(Unread::Family)),
        ("TYPE L 8", Ok(Command::Type(Representation::Image))),
        ("TYPE a n", Ok(Command::Type(Representation::Ascii))),
        ("TYPE E", Ok(Command::Type(Representation::Other))),
        ("TYPE", Err(Unread::Argument("TYPE A, TYPE I or TYPE L 8"))),
        ("MODE Z", Ok(Command::Mode(false))),
        ("STRU f", Ok(Command::Stru(true))),
        ("REST 18446744073709551615", Ok(Command::Rest(u64::MAX))),
        ("REST 18446744073709551616", Err(Unread::Argument("REST offset"))),
        ("REST -1", Err(Unread::Argument("REST offset"))),
        ("ALLO 10 R 20", Ok(Command::Allo(10))),
        ("RETR  a b ", Ok(Command::Retr(path(" a b ")))),
        ("STOU", Ok(Command::Stou(Vec::new()))),
        ("LIST -la -R dir", Ok(Command::List(path("dir")))),
        ("LIST -la", Ok(Command::List(Vec::new()))),
        ("MLSD -la", Ok(Command::Mlsd(path("-la")))),
        (
            "MFMT 20260101000000 a b",
            Ok(Command::Mfmt(at("20260101000000"), path("a b"))),
        ),
        ("MFMT yesterday a", Err(Unread::Argument("MFMT YYYYMMDDHHMMSS path"))),
        ("XSHA256 a b 5", Ok(Command::Xhash(hash, path("a b 5"), None))),
        (
            "XSHA256 \"a b\" 0 9",
            Ok(Command::Xhash(hash, path("a b"), Some((0, Some(9))))),
        ),
        ("XSHA256 \"a", Err(Unread::Argument("XSHA256 path [start end]"))),
        ("SITE chmod 0644 a b", Ok(Command::SiteChmod(0o644, path("a b")))),
        ("SITE CHMOD 99 a", Err(Unread::Argument("SITE CHMOD 644 path"))),
        ("SITE CHMOD 77777 a", Err(Unread::Argument("SITE CHMOD 644 path"))),
        (
            "SITE UTIME 202601010000 a",
            Ok(Command::SiteUtime(
                at("20260101000000"),
                at("20260101000000"),
                path("a"),
            )),
        ),
        (
            "SITE UTIME a b 20260101000000 20260102000000 20260103000000 UTC",
            Ok(Command::SiteUtime(
                at("20260101000000"),
                at("20260102000000"),
                path("a b"),
            )),
        ),
        ("SITE EXEC rm", Err(Unread::Absent)),
        ("SITE CPFR /etc/passwd", Err(Unread::Absent)),
        ("OPTS UTF8 ON", Ok(Command::OptsUtf8)),
        ("OPTS UTF8 OFF", Err(Unread::Option)),
        (
            "OPTS MLST type;size;",
            Ok(Command::OptsMlst(vec!["type".to_owned(), "size".to_owned()])),
        ),
        ("OPTS HASH SHA-1", Ok(Command::OptsHash(Some(Hash::Sha1)))),
        ("OPTS HASH CRC32", Err(Unread::Option)),
        ("HOST x", Err(Unread::Absent)),
        ("XYZZY", Err(Unread::Unknown)),
        ("", Err(Unread::Unknown)),
        ("\u{e9}", Err(Unread::Unknown)),
    ] {
        assert_eq!(parse(line.as_bytes()), expected, "{line}");
    }
}

#[test]
fn a_reply_cannot_be_forged_by_what_it_names() {
    let reply = Reply::new(257, [&b"\"/a\r\n230 in\xff\""[..], b" is the folder"].concat());
    let text = reply.to_bytes();
    assert_eq!(text, b"257-\"/a?\r\n257 230 in\xff\xff\" is the folder\r\n");
    let many = Reply::many(211, "Features:", [b"UTF8".to_vec(), b"211 x\r\n200 y".to_vec()], "End");
    let expected = "211-Features:\r\n UTF8\r\n 211 x??200 y\r\n211 End\r\n";
    assert_eq!(String::from_utf8(many.to_bytes()).unwrap(), expected);
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_give_the_same_lines(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 1usize..40) {
        let pieces: Vec<&[u8]> = bytes.chunks(at).collect();
        prop_assert_eq!(lines(&[&bytes]), lines(&pieces));
    }

    #[test]
    fn no_line_makes_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), verb in "[A-Za-z]{0,8}") {
        let _ = parse(&bytes);
        let _ = parse(&[verb.as_bytes(), b" ", &bytes].concat());
    }

    #[test]
    fn every_line_of_a_reply_is_closed_and_only_the_last_ends_it(
        code in 100u16..600,
        text in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let sent = Reply::new(code, &text).to_bytes();
        prop_assert!(sent.ends_with(b"\r\n"));
        let end = format!("{code} ");
        let all: Vec<&[u8]> = sent[..sent.len() - 2].split(|byte| *byte == b'\n').collect();
        let ends = all.iter().filter(|line| line.starts_with(end.as_bytes())).count();
        prop_assert_eq!(ends, 1);
        prop_assert!(all.last().unwrap().starts_with(end.as_bytes()));
    }
}
