//! Serves a disk by the NBD protocol (fixed newstyle negotiation, simple replies), as QEMU asks for it. No FUA is
//! offered: a client that wants a write on the disk has to flush.
//!
//! What survives a power cut is left to `disk`.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::sync::{Mutex, PoisonError};

use super::disk::Disk;
use super::limits::{OPTION_BYTES_MAX, OPTIONS_MAX, REQUEST_BYTES_MAX};

const GREETING: u64 = 0x4e42_444d_4147_4943;
const OPTION: u64 = 0x4948_4156_454f_5054;
const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
const REQUEST: u32 = 0x2560_9513;
const REPLY: u32 = 0x6744_6698;

const FIXED_NEWSTYLE: u16 = 1;
const NO_ZEROES: u16 = 2;
/// HAS_FLAGS and SEND_FLUSH.
const EXPORT_FLAGS: u16 = 1 | 4;

const OPTION_EXPORT_NAME: u32 = 1;
const OPTION_ABORT: u32 = 2;
const OPTION_INFO: u32 = 6;
const OPTION_GO: u32 = 7;

const ACK: u32 = 1;
const EXPORT: u32 = 3;
const UNSUPPORTED: u32 = 0x8000_0001;

const OK: u32 = 0;
const EINVAL: u32 = 22;

/// What a client asks of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Bytes.
    Read,
    /// Bytes follow.
    Write,
    /// The client ends.
    Disconnect,
    /// What was written is to be on the disk.
    Flush,
    /// Not offered.
    Other(u16),
}

/// A request without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// What.
    pub verb: Verb,
    /// Comes back in the reply.
    pub cookie: u64,
    /// Where, in bytes.
    pub at: u64,
    /// How many bytes.
    pub length: u32,
}

impl Request {
    /// Parses the fixed head of a request; `None` where it is none, or longer than anything that is served.
    pub fn parse(head: &[u8; 28]) -> Option<Self> {
        let magic = u32::from_be_bytes(head[..4].try_into().ok()?);
        let verb = u16::from_be_bytes(head[6..8].try_into().ok()?);
        let length = u32::from_be_bytes(head[24..28].try_into().ok()?);
        let known = magic == REQUEST && length <= REQUEST_BYTES_MAX;
        Some(Self {
            verb: match verb {
                0 => Verb::Read,
                1 => Verb::Write,
                2 => Verb::Disconnect,
                3 => Verb::Flush,
                other => Verb::Other(other),
            },
            cookie: u64::from_be_bytes(head[8..16].try_into().ok()?),
            at: u64::from_be_bytes(head[16..24].try_into().ok()?),
            length,
        })
        .filter(|_| known)
    }
}

fn option_reply(option: u32, kind: u32, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(0);
    let mut reply = OPTION_REPLY.to_be_bytes().to_vec();
    for word in [option, kind, length] {
        reply.extend_from_slice(&word.to_be_bytes());
    }
    reply.extend_from_slice(bytes);
    reply
}

fn reply(cookie: u64, error: u32) -> Vec<u8> {
    let head = [REPLY.to_be_bytes(), error.to_be_bytes()].concat();
    [head, cookie.to_be_bytes().to_vec()].concat()
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

fn read_array<const N: usize>(stream: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_bytes(stream: &mut impl Read, length: u32) -> Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Serves the disk on one connection until it ends.
///
/// # Errors
/// A client that breaks off or speaks another protocol.
pub fn serve<S: Read + Write>(stream: &mut S, disk: &Mutex<Disk>) -> Result<()> {
    let bytes = disk.lock().unwrap_or_else(PoisonError::into_inner).bytes();
    if !negotiate(stream, bytes)? {
        return Ok(());
    }
    let mut silent = false;
    loop {
        let request = Request::parse(&read_array(stream)?).ok_or_else(|| wrong("not a request of NBD"))?;
        let length = usize::try_from(request.length).unwrap_or(0);
        let written = match request.verb {
            Verb::Write => read_bytes(stream, request.length)?,
            _ => Vec::new(),
        };
        let mut read = Vec::new();
        let error = {
            let mut disk = disk.lock().unwrap_or_else(PoisonError::into_inner);
            match request.verb {
                Verb::Disconnect => return Ok(()),
                Verb::Flush => {
                    silent |= !disk.flush();
                    OK
                }
                Verb::Write if disk.write(request.at, written) => OK,
                Verb::Read => match disk.read(request.at, length) {
                    Some(bytes) => {
                        read = bytes;
                        OK
                    }
                    None => EINVAL,
                },
                Verb::Write | Verb::Other(_) => EINVAL,
            }
        };
        // What comes behind a flush that is not answered is taken and not answered either, until the power is gone.
        if silent {
            continue;
        }
        let mut answer = reply(request.cookie, error);
        answer.append(&mut read);
        stream.write_all(&answer)?;
    }
}

/// True where requests follow.
fn negotiate<S: Read + Write>(stream: &mut S, bytes: u64) -> Result<bool> {
    let export = [bytes.to_be_bytes().as_slice(), &EXPORT_FLAGS.to_be_bytes()].concat();
    let greeting = [GREETING.to_be_bytes(), OPTION.to_be_bytes()].concat();
    stream.write_all(&greeting)?;
    stream.write_all(&(FIXED_NEWSTYLE | NO_ZEROES).to_be_bytes())?;
    let flags = u32::from_be_bytes(read_array(stream)?);
    for _ in 0..OPTIONS_MAX {
        let magic = u64::from_be_bytes(read_array(stream)?);
        let option = u32::from_be_bytes(read_array(stream)?);
        let length = u32::from_be_bytes(read_array(stream)?);
        if magic != OPTION || length > OPTION_BYTES_MAX {
            return Err(wrong("not an option of NBD"));
        }
        // Whatever name is asked for: there is one disk.
        read_bytes(stream, length)?;
        match option {
            OPTION_EXPORT_NAME => {
                stream.write_all(&export)?;
                if flags & u32::from(NO_ZEROES) == 0 {
                    stream.write_all(&[0; 124])?;
                }
                return Ok(true);
            }
            OPTION_GO | OPTION_INFO => {
                let export = [&0_u16.to_be_bytes(), export.as_slice()].concat();
                stream.write_all(&option_reply(option, EXPORT, &export))?;
                stream.write_all(&option_reply(option, ACK, &[]))?;
                if option == OPTION_GO {
                    return Ok(true);
                }
            }
            OPTION_ABORT => {
                stream.write_all(&option_reply(option, ACK, &[]))?;
                return Ok(false);
            }
            _ => stream.write_all(&option_reply(option, UNSUPPORTED, &[]))?,
        }
    }
    Err(wrong("too many options"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::net::UnixStream;

    use argosy_cluster::sim::Dice;

    use super::super::disk::Loss;
    use super::*;

    fn request(verb: u16, cookie: u64, at: u64, length: u32) -> Vec<u8> {
        let mut bytes = REQUEST.to_be_bytes().to_vec();
        bytes.extend_from_slice(&0_u16.to_be_bytes());
        bytes.extend_from_slice(&verb.to_be_bytes());
        bytes.extend_from_slice(&cookie.to_be_bytes());
        bytes.extend_from_slice(&at.to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes
    }

    fn option(number: u32, bytes: &[u8]) -> Vec<u8> {
        let length = u32::try_from(bytes.len()).unwrap();
        [
            OPTION.to_be_bytes().as_slice(),
            &number.to_be_bytes(),
            &length.to_be_bytes(),
            bytes,
        ]
        .concat()
    }

    /// Sends all of `asked`, and returns all that a server of a disk of 64 KiB answered, behind its greeting.
    fn answers(asked: &[Vec<u8>]) -> (Vec<u8>, Disk) {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        let disk = Mutex::new(Disk::new(1 << 16, None));
        let mut answered = Vec::new();
        std::thread::scope(|scope| {
            let disk = &disk;
            scope.spawn(move || drop(serve(&mut theirs, disk)));
            ours.write_all(&3_u32.to_be_bytes()).unwrap();
            for bytes in asked {
                ours.write_all(bytes).unwrap();
            }
            ours.shutdown(std::net::Shutdown::Write).unwrap();
            ours.read_to_end(&mut answered).unwrap();
        });
        (answered.split_off(18), disk.into_inner().unwrap())
    }

    #[test]
    fn the_head_of_a_request_is_parsed() {
        let check = |bytes: Vec<u8>, expected: Option<Request>| {
            assert_eq!(Request::parse(&bytes.try_into().unwrap()), expected);
        };
        let expected = |verb| Request {
            verb,
            cookie: 7,
            at: 4096,
            length: 512,
        };
        check(request(0, 7, 4096, 512), Some(expected(Verb::Read)));
        check(request(1, 7, 4096, 512), Some(expected(Verb::Write)));
        check(request(2, 7, 4096, 512), Some(expected(Verb::Disconnect)));
        check(request(3, 7, 4096, 512), Some(expected(Verb::Flush)));
        check(request(6, 7, 4096, 512), Some(expected(Verb::Other(6))));
        check(request(1, 7, 4096, REQUEST_BYTES_MAX + 1), None);
        check([vec![0], request(1, 7, 4096, 512)[1..].to_vec()].concat(), None);
    }

    #[test]
    fn an_option_that_is_not_known_is_told_and_the_disk_is_told_on_go() {
        let (answered, _) = answers(&[option(8, &[]), option(OPTION_GO, &[0; 6]), request(2, 1, 0, 0)]);
        let export = [&[0, 0], (1_u64 << 16).to_be_bytes().as_slice(), &[0, 5]].concat();
        let expected = [
            option_reply(8, UNSUPPORTED, &[]),
            option_reply(OPTION_GO, EXPORT, &export),
            option_reply(OPTION_GO, ACK, &[]),
        ];
        assert_eq!(answered, expected.concat());
    }

    #[test]
    fn what_was_written_is_read_and_flushed_and_what_is_behind_the_end_is_refused() {
        let (answered, mut disk) = answers(&[
            option(OPTION_EXPORT_NAME, b"any"),
            request(1, 1, 10, 3),
            b"abc".to_vec(),
            request(3, 2, 0, 0),
            request(0, 3, 9, 5),
            request(0, 4, 1 << 16, 1),
            request(4, 5, 0, 512),
            request(2, 6, 0, 0),
        ]);
        let expected = [
            [(1_u64 << 16).to_be_bytes().as_slice(), &[0, 5]].concat(),
            reply(1, OK),
            reply(2, OK),
            [reply(3, OK), b"\0abc\0".to_vec()].concat(),
            reply(4, EINVAL),
            reply(5, EINVAL),
        ];
        assert_eq!(answered, expected.concat());
        let lost = disk.cut(Loss::All, &mut Dice::new(1));
        assert_eq!((lost.flushes, lost.pending_bytes), (1, 0));
    }

    #[test]
    fn another_protocol_is_hung_up_on() {
        let (answered, _) = answers(&[b"GET / HTTP/1.1\r\n".to_vec()]);
        assert!(answered.is_empty());
    }
}
