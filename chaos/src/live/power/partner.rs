//! A partner in load: several uploads in one login of OpenSSH's `sftp`, most of them small, since a login costs seconds
//! in a machine that is emulated.
//!
//! What stands there in the end is left to `look`.

use argosy_cluster::sim::Dice;

use super::limits::{SMALL_BYTES_MAX, UPLOADS_PER_LOGIN};
use crate::live::cluster::ACCOUNT;
use crate::live::files::{Files, content};
use crate::live::limits::FILE_BYTES_MAX;
use crate::live::load::Desk;

/// One upload of a login.
struct Upload {
    name: String,
    number: u64,
    /// What is sent.
    from: String,
    /// A file that the client makes once the upload is acknowledged.
    told: String,
}

/// Uploads to a node until the load ends. `process` is used once in a run: its names are its own.
pub fn upload(files: &Files, desk: &Desk, process: u64, seed: u64) {
    let mut dice = Dice::new(seed ^ (process << 40));
    let mut count = 0;
    while !desk.is_over() {
        let uploads: Vec<Upload> = (0..UPLOADS_PER_LOGIN)
            .filter_map(|at| prepare(files, process, at, &mut count, &mut dice))
            .collect();
        let batch: String = uploads
            .iter()
            .map(|one| format!("put {} {}\n!touch {}\n", one.from, one.name, one.told))
            .collect();
        // The first that fails ends the batch: what was told before counts all the same.
        let done = files.clients().sftp(0, ACCOUNT, &batch);
        let mut shown = files.shown();
        for one in &uploads {
            if std::fs::remove_file(&one.told).is_ok() {
                shown.acknowledged += 1;
                shown.names.entry(one.name.clone()).or_default().acknowledged = one.number;
            }
        }
        if done.is_err() {
            shown.failed += 1;
        }
    }
}

/// Writes the content down that is sent; every third replaces one that this partner sent before.
fn prepare(files: &Files, process: u64, at: usize, count: &mut u64, dice: &mut Dice) -> Option<Upload> {
    let large = dice.below(6) == 0;
    // A content's length follows from its number: one is looked for.
    let (number, bytes) = loop {
        *count += 1;
        let number = (process << 32) | *count;
        if large || length(number) <= SMALL_BYTES_MAX {
            break (number, content(number));
        }
    };
    let name = match dice.below(3) {
        0 => format!("again-{process}-{}", dice.below(2)),
        _ => format!("file-{process}-{count}"),
    };
    let from = files.folder().join(format!("up-{process}-{at}"));
    std::fs::write(&from, bytes).ok()?;
    files.shown().names.entry(name.clone()).or_default().tried = number;
    Some(Upload {
        name,
        number,
        told: format!("{}.told", from.display()),
        from: from.display().to_string(),
    })
}

/// The length of content `number`, in bytes.
fn length(number: u64) -> u64 {
    32 + Dice::new(number).below(FILE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_content_is_known_from_its_number() {
        for number in [1, 7 << 32 | 1, 7 << 32 | 2, 7 << 32 | 3] {
            assert_eq!(content(number).len() as u64, length(number));
        }
    }
}
