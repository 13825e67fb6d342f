//! What the EXTENDED requests do that version 3 itself does not have: hashes and copies on the server, names, homes.
//!
//! Their bytes are left to `wire::extended`; everything else, to `operations`.

use bytes::Bytes;

use super::limits::{
    HANDLES_MAX, HASHED_PIECE_BYTES_MIN, HASHES_BYTES_MAX, PACKET_BYTES, QUICK_CHECK_BYTES, TRANSFER_BYTES_MAX,
};
use super::listing;
use super::operations::{Answer, Context, Done, Open, Opens, no_such_handle, ok, path_of};
use super::wire::{self, Extended, Named, Status};
use crate::vfs::{Hash, Hashing, VfsError};

/// Does one request; `opens` is what its handles name.
pub(super) async fn perform(context: &Context, id: u32, request: Extended, opens: Opens) -> Answer {
    match request {
        Extended::Limits => Ok(Done::Reply(wire::numbers(
            id,
            &[
                PACKET_BYTES.into(),
                TRANSFER_BYTES_MAX.into(),
                TRANSFER_BYTES_MAX.into(),
                HANDLES_MAX as u64,
            ],
        ))),
        Extended::Lsetstat { path, attributes } => {
            let change = listing::to_change(&attributes);
            let path = path_of(&path)?;
            context
                .vfs
                .set_link_attributes(&context.session, &path, &change)
                .await?;
            Ok(ok(id))
        }
        Extended::ExpandPath { path } => {
            let path = expanded(&path, context.session.account().as_str())?;
            let path = Bytes::copy_from_slice(path_of(&path)?.as_bytes());
            Ok(Done::Reply(wire::names(id, &[listing::bare_name(path)])))
        }
        Extended::HomeDirectory { user } => {
            if !user.is_empty() && *user != *context.session.account().as_str().as_bytes() {
                return Err(VfsError::NotFound);
            }
            let home = Bytes::from_static(b"/");
            Ok(Done::Reply(wire::names(id, &[listing::bare_name(home)])))
        }
        Extended::NamesById { users, groups } => {
            let (user, group) = context.vfs.owner();
            let name = context.session.account().as_str().as_bytes();
            let names = |numbers: &[u32], own| {
                let name = move |number: &u32| if *number == own { name } else { b"" };
                wire::concatenated(numbers.iter().map(name))
            };
            let (users, groups) = (names(&users, user), names(&groups, group));
            Ok(Done::Reply(wire::strings(id, &[&users, &groups], b"")))
        }
        Extended::CopyData {
            from_offset,
            length,
            to_offset,
            ..
        } => copy(id, opens, from_offset, length, to_offset).await,
        Extended::CheckFile {
            file,
            hashes,
            start,
            length,
            piece,
        } => {
            let (name, hash) = chosen(&hashes)?;
            let hashing = hashing(hash, start, length, piece)?;
            let Some(found) = hashes_of(context, file, opens.open, hashing).await? else {
                return Ok(Done::Reply(no_such_handle(id)));
            };
            let reply = wire::strings(id, &[b"check-file", name.as_bytes()], &found);
            Ok(Done::Reply(reply))
        }
        Extended::Md5Hash {
            file,
            start,
            length,
            quick,
        } => md5_hash(context, id, file, opens.open, (start, length, quick)).await,
    }
}

/// `~` and `~/` are the account's home, which is the root of what it sees; so is `~` with its own name.
fn expanded(path: &Bytes, account: &str) -> Result<Bytes, VfsError> {
    let Some(rest) = path.strip_prefix(b"~") else {
        return Ok(path.clone());
    };
    let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
    let (name, below) = rest.split_at(end);
    if !name.is_empty() && name != account.as_bytes() {
        return Err(VfsError::NotFound);
    }
    Ok([b"/", below].concat().into())
}

/// A copy that ends before the bytes asked for is answered as a read beyond the end, as OpenSSH does.
async fn copy(id: u32, opens: Opens, from: u64, length: u64, at: u64) -> Answer {
    let (from_file, to_file) = match (opens.open, opens.to) {
        (Some(Open::File { file: from, .. }), Some(Open::File { file: to, .. })) => (from, to),
        (Some(_), Some(_)) => return Err(VfsError::IsFolder),
        _ => return Ok(Done::Reply(no_such_handle(id))),
    };
    let wanted = (length > 0).then_some(length);
    let copied = from_file.copy_to(from, wanted, &to_file, at).await?;
    Ok(match wanted {
        Some(wanted) if copied < wanted => Done::Reply(wire::status(id, Status::Eof, "the file ended before")),
        _ => ok(id),
    })
}

/// The first hash of the client's list that this server has.
fn chosen(list: &[u8]) -> Result<(&'static str, Hash), VfsError> {
    const KNOWN: [(&str, Hash); 5] = [
        ("md5", Hash::Md5),
        ("sha1", Hash::Sha1),
        ("sha256", Hash::Sha256),
        ("sha384", Hash::Sha384),
        ("sha512", Hash::Sha512),
    ];
    list.split(|byte| *byte == b',')
        .find_map(|wanted| KNOWN.into_iter().find(|(name, _)| name.as_bytes() == wanted))
        .ok_or_else(|| {
            let known = KNOWN.map(|(name, _)| name).join(", ");
            VfsError::Limit(format!("none of these hashes is known here; known are {known}"))
        })
}

fn hashing(hash: Hash, start: u64, length: u64, piece: u32) -> Result<Hashing, VfsError> {
    if piece > 0 && piece < HASHED_PIECE_BYTES_MIN {
        return Err(VfsError::Limit(format!(
            "a piece to be hashed by itself has at least {HASHED_PIECE_BYTES_MIN} bytes"
        )));
    }
    Ok(Hashing {
        hash,
        start,
        length: (length > 0).then_some(length),
        piece: (piece > 0).then_some(piece.into()),
        answer_bytes_max: HASHES_BYTES_MAX,
    })
}

/// The hashes of a file by its handle or its path; `None`: there is no such handle.
async fn hashes_of(
    context: &Context,
    file: Named,
    open: Option<Open>,
    hashing: Hashing,
) -> Result<Option<Vec<u8>>, VfsError> {
    match (file, open) {
        (Named::Path(path), _) => {
            let path = path_of(&path)?;
            context.vfs.hashes(&context.session, &path, hashing).await.map(Some)
        }
        (Named::Handle(_), Some(Open::File { file, .. })) => file.hashes(hashing).await.map(Some),
        (Named::Handle(_), Some(Open::Folder(_))) => Err(VfsError::IsFolder),
        (Named::Handle(_), None) => Ok(None),
    }
}

/// The draft's quick check comes first: where the beginning differs already, the answer is an empty hash.
async fn md5_hash(
    context: &Context,
    id: u32,
    file: Named,
    open: Option<Open>,
    (start, length, quick): (u64, u64, Bytes),
) -> Answer {
    let whole = hashing(Hash::Md5, start, length, 0)?;
    let answer = |hash: &[u8]| {
        let mut bytes = (hash.len() as u32).to_be_bytes().to_vec();
        bytes.extend_from_slice(hash);
        Ok(Done::Reply(wire::strings(id, &[b"md5-hash"], &bytes)))
    };
    if !quick.is_empty() {
        let beginning = Hashing {
            length: Some(whole.length.map_or(QUICK_CHECK_BYTES, |all| all.min(QUICK_CHECK_BYTES))),
            ..whole
        };
        match hashes_of(context, file.clone(), open.clone(), beginning).await? {
            None => return Ok(Done::Reply(no_such_handle(id))),
            Some(found) if found != *quick => return answer(b""),
            Some(_) => {}
        }
    }
    match hashes_of(context, file, open, whole).await? {
        None => Ok(Done::Reply(no_such_handle(id))),
        Some(found) => answer(&found),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_the_accounts_own_home_and_nobody_elses() {
        for (sent, expected) in [
            (&b"~"[..], Ok(&b"/"[..])),
            (b"~/", Ok(b"//")),
            (b"~/a/b", Ok(b"//a/b")),
            (b"~alice", Ok(b"/")),
            (b"~alice/a\xff", Ok(b"//a\xff")),
            (b"~bob", Err(VfsError::NotFound)),
            (b"~alic", Err(VfsError::NotFound)),
            (b"/~", Ok(b"/~")),
            (b"a/~alice", Ok(b"a/~alice")),
            (b"", Ok(b"")),
        ] {
            let found = expanded(&Bytes::from_static(sent), "alice");
            assert_eq!(found, expected.map(Bytes::from_static), "{sent:?}");
        }
    }

    #[test]
    fn the_first_known_hash_of_the_clients_list_is_taken() {
        for (list, expected) in [
            (&b"md5"[..], Some(Hash::Md5)),
            (b"crc32,sha512,md5", Some(Hash::Sha512)),
            (b"sha1", Some(Hash::Sha1)),
            (b"sha256,sha1", Some(Hash::Sha256)),
            (b"sha384", Some(Hash::Sha384)),
            (b"sha224,crc32", None),
            (b"SHA256", None),
            (b"", None),
        ] {
            assert_eq!(chosen(list).ok().map(|(_, hash)| hash), expected, "{list:?}");
        }
    }

    #[test]
    fn a_piece_is_none_at_all_or_at_least_as_long_as_the_draft_says() {
        for (piece, accepted) in [(0, true), (1, false), (255, false), (256, true), (u32::MAX, true)] {
            assert_eq!(hashing(Hash::Md5, 0, 0, piece).is_ok(), accepted, "{piece}");
        }
    }
}
