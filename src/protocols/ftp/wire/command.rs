//! Lines to commands: the verb, and its argument as a type. What is no command says which reply it gets.

use std::net::{SocketAddr, SocketAddrV4};

use zeroize::Zeroizing;

use super::address::{self, Extended, Family};
use super::time;
use crate::clock::UnixMillis;
use crate::vfs::Hash;

/// What a client asks for. Paths are as sent: bytes, perhaps relative.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the RFCs' own names")]
pub enum Command {
    User(String),
    Pass(Zeroizing<String>),
    Acct,
    Quit,
    Rein,
    Auth(Mechanism),
    Pbsz(u32),
    Prot(Level),
    Ccc,
    /// ADAT, MIC, CONF, ENC.
    Protected,
    Pasv,
    Epsv(Epsv),
    Port(SocketAddrV4),
    Eprt(SocketAddr),
    Type(Representation),
    Stru(bool),
    Mode(bool),
    Rest(u64),
    Allo(u64),
    Retr(Vec<u8>),
    Stor(Vec<u8>),
    Appe(Vec<u8>),
    Stou(Vec<u8>),
    List(Vec<u8>),
    Nlst(Vec<u8>),
    Mlsd(Vec<u8>),
    Mlst(Vec<u8>),
    Size(Vec<u8>),
    Mdtm(Vec<u8>),
    Mfmt(UnixMillis, Vec<u8>),
    Hash(Vec<u8>),
    /// XSHA256 and the like: its function, the file, the first byte and the byte after the last.
    Xhash(Hash, Vec<u8>, Option<(u64, Option<u64>)>),
    Cwd(Vec<u8>),
    Cdup,
    Pwd,
    Mkd(Vec<u8>),
    Rmd(Vec<u8>),
    Dele(Vec<u8>),
    Rnfr(Vec<u8>),
    Rnto(Vec<u8>),
    Abor,
    Stat(Option<Vec<u8>>),
    Noop,
    Help(Option<String>),
    Syst,
    Feat,
    OptsUtf8,
    /// Facts, as named.
    OptsMlst(Vec<String>),
    OptsHash(Option<Hash>),
    Clnt,
    Lang(Option<String>),
    SiteChmod(u32, Vec<u8>),
    /// Access time, modification time.
    SiteUtime(UnixMillis, UnixMillis, Vec<u8>),
    SiteHelp,
}

/// What AUTH names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the RFCs' own names")]
pub enum Mechanism {
    /// TLS, TLS-C, SSL: the data connections stay as PROT says.
    Tls,
    /// TLS-P.
    TlsP,
    Other,
}

/// What PROT names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the RFCs' own names")]
pub enum Level {
    Clear,
    Private,
    /// Safe, Confidential: TLS has neither.
    Other,
}

/// What EPSV asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epsv {
    /// The family of the control connection.
    Any,
    /// This family.
    Family(Family),
    /// A family that is not known here.
    OtherFamily,
    /// Nothing but EPSV from now on.
    All,
}

/// What TYPE names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the RFCs' own names")]
pub enum Representation {
    Ascii,
    Image,
    Other,
}

/// Why a line is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// Nobody has such a verb.
    Unknown,
    /// A verb that this server does not have.
    Absent,
    /// The argument cannot be understood; the text says how it is written.
    Argument(&'static str),
    /// The address family is not known here.
    Family,
    /// The option is not known here.
    Option,
}

/// Verbs that RFCs have and this server does not.
const ABSENT: [&str; 14] = [
    "SMNT", "LPRT", "LPSV", "XRSQ", "XRCP", "MAIL", "MSND", "MSOM", "MSAM", "MRSQ", "MRCP", "HOST", "RANG", "ESTP",
];

/// Takes a line apart.
///
/// # Errors
/// Why it is no command.
pub fn parse(line: &[u8]) -> Result<Command, Unread> {
    let (verb, argument) = split(line);
    let verb = std::str::from_utf8(verb)
        .map_err(|_| Unread::Unknown)?
        .to_ascii_uppercase();
    access(&verb, argument)
        .or_else(|| transfer(&verb, argument))
        .or_else(|| names(&verb, argument))
        .or_else(|| others(&verb, argument))
        .unwrap_or(Err(if ABSENT.contains(&&*verb) {
            Unread::Absent
        } else {
            Unread::Unknown
        }))
}

/// The first word and what follows one space.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == b' ') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &[]),
    }
}

type Parsed = Option<Result<Command, Unread>>;

/// Sign-in and security.
fn access(verb: &str, argument: &[u8]) -> Parsed {
    let text = || String::from_utf8_lossy(argument);
    Some(Ok(match verb {
        "USER" if argument.is_empty() => return Some(Err(Unread::Argument("USER name"))),
        "USER" => Command::User(text().into_owned()),
        "PASS" => Command::Pass(Zeroizing::new(text().into_owned())),
        "ACCT" => Command::Acct,
        "QUIT" => Command::Quit,
        "REIN" => Command::Rein,
        "AUTH" => Command::Auth(match &*text().trim().to_ascii_uppercase() {
            "TLS" | "TLS-C" | "SSL" => Mechanism::Tls,
            "TLS-P" => Mechanism::TlsP,
            _ => Mechanism::Other,
        }),
        "PBSZ" => match decimal(argument).and_then(|size| u32::try_from(size).ok()) {
            Some(size) => Command::Pbsz(size),
            None => return Some(Err(Unread::Argument("PBSZ 0"))),
        },
        "PROT" => Command::Prot(match argument.trim_ascii() {
            b"C" | b"c" => Level::Clear,
            b"P" | b"p" => Level::Private,
            b"S" | b"s" | b"E" | b"e" => Level::Other,
            _ => return Some(Err(Unread::Argument("PROT C or PROT P"))),
        }),
        "CCC" => Command::Ccc,
        "ADAT" | "MIC" | "CONF" | "ENC" => Command::Protected,
        _ => return None,
    }))
}

/// Data connections, transfers and their parameters.
fn transfer(verb: &str, argument: &[u8]) -> Parsed {
    let path = || argument.to_vec();
    Some(match verb {
        "PASV" => Ok(Command::Pasv),
        "EPSV" => Ok(Command::Epsv(match &*String::from_utf8_lossy(argument.trim_ascii()) {
            "" => Epsv::Any,
            all if all.eq_ignore_ascii_case("ALL") => Epsv::All,
            number => Family::parse(number).map_or(Epsv::OtherFamily, Epsv::Family),
        })),
        "PORT" => match address::parse_port(argument) {
            Some(address) => Ok(Command::Port(address)),
            None => Err(Unread::Argument("PORT h1,h2,h3,h4,p1,p2")),
        },
        "EPRT" => match address::parse_extended(argument) {
            Some(Extended::Address(address)) => Ok(Command::Eprt(address)),
            Some(Extended::Family) => Err(Unread::Family),
            None => Err(Unread::Argument("EPRT |family|address|port|")),
        },
        "TYPE" => representation(argument),
        "STRU" => one_letter(argument, b'F', Command::Stru, "STRU F"),
        "MODE" => one_letter(argument, b'S', Command::Mode, "MODE S"),
        "REST" => match decimal(argument) {
            Some(offset) => Ok(Command::Rest(offset)),
            None => Err(Unread::Argument("REST offset")),
        },
        "ALLO" => match decimal(split(argument).0) {
            Some(size) => Ok(Command::Allo(size)),
            None => Err(Unread::Argument("ALLO size")),
        },
        "RETR" => named(argument, Command::Retr, "RETR path"),
        "STOR" => named(argument, Command::Stor, "STOR path"),
        "APPE" => named(argument, Command::Appe, "APPE path"),
        "STOU" => Ok(Command::Stou(path())),
        "LIST" => Ok(Command::List(without_options(argument))),
        "NLST" => Ok(Command::Nlst(without_options(argument))),
        "MLSD" => Ok(Command::Mlsd(path())),
        "ABOR" => Ok(Command::Abor),
        _ => return None,
    })
}

/// Names and attributes.
fn names(verb: &str, argument: &[u8]) -> Parsed {
    let hash = |hash: Hash| xhash(hash, argument);
    Some(match verb {
        "MLST" => Ok(Command::Mlst(argument.to_vec())),
        "SIZE" => named(argument, Command::Size, "SIZE path"),
        "MDTM" => named(argument, Command::Mdtm, "MDTM path"),
        "MFMT" => {
            let (when, path) = split(argument);
            match time::parse(&String::from_utf8_lossy(when)) {
                Some(at) if !path.is_empty() => Ok(Command::Mfmt(at, path.to_vec())),
                _ => Err(Unread::Argument("MFMT YYYYMMDDHHMMSS path")),
            }
        }
        "HASH" => named(argument, Command::Hash, "HASH path"),
        "XSHA256" => hash(Hash::Sha256),
        "XSHA512" => hash(Hash::Sha512),
        "XSHA1" | "XSHA" => hash(Hash::Sha1),
        "XMD5" => hash(Hash::Md5),
        "CWD" | "XCWD" => named(argument, Command::Cwd, "CWD path"),
        "CDUP" | "XCUP" => Ok(Command::Cdup),
        "PWD" | "XPWD" => Ok(Command::Pwd),
        "MKD" | "XMKD" => named(argument, Command::Mkd, "MKD path"),
        "RMD" | "XRMD" => named(argument, Command::Rmd, "RMD path"),
        "DELE" => named(argument, Command::Dele, "DELE path"),
        "RNFR" => named(argument, Command::Rnfr, "RNFR path"),
        "RNTO" => named(argument, Command::Rnto, "RNTO path"),
        _ => return None,
    })
}

/// What is asked about the server, and SITE.
fn others(verb: &str, argument: &[u8]) -> Parsed {
    let text = String::from_utf8_lossy(argument).trim().to_owned();
    let some = || (!text.is_empty()).then(|| text.clone());
    Some(match verb {
        "STAT" => Ok(Command::Stat((!argument.is_empty()).then(|| without_options(argument)))),
        "NOOP" => Ok(Command::Noop),
        "HELP" => Ok(Command::Help(some())),
        "SYST" => Ok(Command::Syst),
        "FEAT" => Ok(Command::Feat),
        "OPTS" => options(&text),
        "CLNT" => Ok(Command::Clnt),
        "LANG" => Ok(Command::Lang(some())),
        "SITE" => site(argument),
        _ => return None,
    })
}

fn named(argument: &[u8], make: fn(Vec<u8>) -> Command, usage: &'static str) -> Result<Command, Unread> {
    if argument.is_empty() {
        return Err(Unread::Argument(usage));
    }
    Ok(make(argument.to_vec()))
}

fn one_letter(argument: &[u8], known: u8, make: fn(bool) -> Command, usage: &'static str) -> Result<Command, Unread> {
    match argument.trim_ascii() {
        [letter] if letter.is_ascii_alphabetic() => Ok(make(letter.eq_ignore_ascii_case(&known))),
        _ => Err(Unread::Argument(usage)),
    }
}

/// `A`, `A N`, `I`, `L 8`, `L8`.
fn representation(argument: &[u8]) -> Result<Command, Unread> {
    let text = String::from_utf8_lossy(argument).to_ascii_uppercase();
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    Ok(Command::Type(match words[..] {
        ["A"] | ["A", "N"] => Representation::Ascii,
        ["I"] | ["L8"] | ["L", "8"] => Representation::Image,
        ["E" | "A" | "I" | "L", ..] => Representation::Other,
        _ => return Err(Unread::Argument("TYPE A, TYPE I or TYPE L 8")),
    }))
}

/// A decimal number without a sign.
fn decimal(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Clients put options of ls before the path; none of them changes anything.
fn without_options(mut argument: &[u8]) -> Vec<u8> {
    while argument.first() == Some(&b'-') {
        argument = split(argument).1;
    }
    argument.to_vec()
}

/// `path`, `path start end`; a path with spaces in quotation marks.
fn xhash(hash: Hash, argument: &[u8]) -> Result<Command, Unread> {
    const USAGE: Unread = Unread::Argument("XSHA256 path [start end]");
    let (path, rest) = match argument {
        [] => return Err(USAGE),
        [b'"', quoted @ ..] => {
            let end = quoted.iter().position(|byte| *byte == b'"').ok_or(USAGE)?;
            (&quoted[..end], quoted[end + 1..].trim_ascii())
        }
        // Without quotation marks a name may end in numbers: it is one name.
        _ => (argument, &[][..]),
    };
    let range = match rest {
        [] => None,
        _ => {
            let (start, end) = split(rest);
            let end = (!end.is_empty()).then(|| decimal(end).ok_or(USAGE)).transpose()?;
            Some((decimal(start).ok_or(USAGE)?, end))
        }
    };
    Ok(Command::Xhash(hash, path.to_vec(), range))
}

/// The hash functions by the names of the HASH draft.
pub const HASHES: [(&str, Hash); 4] = [
    ("SHA-256", Hash::Sha256),
    ("SHA-512", Hash::Sha512),
    ("SHA-1", Hash::Sha1),
    ("MD5", Hash::Md5),
];

fn options(text: &str) -> Result<Command, Unread> {
    let (of, given) = text.split_once(' ').unwrap_or((text, ""));
    let given = given.trim();
    match &*of.to_ascii_uppercase() {
        "UTF8" | "UTF-8" if matches!(&*given.to_ascii_uppercase(), "" | "ON" | "NLST") => Ok(Command::OptsUtf8),
        "MLST" => {
            let facts = given.split(';').filter(|fact| !fact.is_empty()).take(32);
            Ok(Command::OptsMlst(facts.map(str::to_owned).collect()))
        }
        "HASH" if given.is_empty() => Ok(Command::OptsHash(None)),
        "HASH" => {
            let known = HASHES.iter().find(|(name, _)| name.eq_ignore_ascii_case(given));
            known.map_or(Err(Unread::Option), |(_, hash)| Ok(Command::OptsHash(Some(*hash))))
        }
        _ => Err(Unread::Option),
    }
}

fn site(argument: &[u8]) -> Result<Command, Unread> {
    let (verb, rest) = split(argument);
    match &*String::from_utf8_lossy(verb).to_ascii_uppercase() {
        "CHMOD" => {
            let (mode, path) = split(rest);
            let octal = std::str::from_utf8(mode).ok().filter(|text| !text.starts_with('+'));
            let mode = octal.and_then(|text| u32::from_str_radix(text, 8).ok());
            match mode.filter(|mode| *mode <= 0o7777) {
                Some(mode) if !path.is_empty() => Ok(Command::SiteChmod(mode, path.to_vec())),
                _ => Err(Unread::Argument("SITE CHMOD 644 path")),
            }
        }
        "UTIME" => site_utime(rest).ok_or(Unread::Argument("SITE UTIME YYYYMMDDHHMMSS path")),
        "HELP" | "" => Ok(Command::SiteHelp),
        _ => Err(Unread::Absent),
    }
}

/// `time path`, or `path access modification creation UTC` with a path that may hold spaces.
fn site_utime(argument: &[u8]) -> Option<Command> {
    let (first, path) = split(argument);
    if let Some(at) = time::parse(&String::from_utf8_lossy(first))
        && !path.is_empty()
    {
        return Some(Command::SiteUtime(at, at, path.to_vec()));
    }
    let mut words = argument.rsplitn(5, |byte| *byte == b' ');
    let zone = words.next()?;
    let mut moment = || time::parse(&String::from_utf8_lossy(words.next()?));
    let (_created, modified, accessed) = (moment()?, moment()?, moment()?);
    let path = words.next().filter(|path| !path.is_empty())?;
    zone.eq_ignore_ascii_case(b"UTC")
        .then(|| Command::SiteUtime(accessed, modified, path.to_vec()))
}
