//! A disk with a volatile cache: what was not flushed when the power goes is kept or lost by the dice.
//!
//! How requests come in is left to `nbd`.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use argosy_cluster::sim::Dice;

/// What a disk writes whole or not at all, in bytes.
pub const SECTOR: usize = 512;
const PAGE: usize = 4096;

type Page = [u8; PAGE];
type Pages = HashMap<u64, Arc<Page>>;

/// One write that was not flushed yet.
#[derive(Debug, Clone)]
struct Pending {
    at: u64,
    bytes: Vec<u8>,
    since: Instant,
}

/// What becomes of writes that were not flushed when the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All are lost.
    All,
    /// They are kept in their order up to some sector; all behind it are lost.
    Behind,
    /// Each write is kept or lost.
    Writes,
    /// Each sector has one of the contents that it had since the last flush, or the one before.
    Sectors,
}

impl Loss {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::All, Self::Behind, Self::Writes, Self::Sectors];

    /// One after the other.
    pub fn of_turn(turn: u64) -> Self {
        Self::ALL[usize::try_from(turn % 4).unwrap_or(0)]
    }

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all lost",
            Self::Behind => "kept up to a point",
            Self::Writes => "write by write",
            Self::Sectors => "sector by sector",
        }
    }
}

/// What a power cut did to a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// Bytes that were written and not flushed.
    pub pending_bytes: u64,
    /// Sectors of these writes that are kept.
    pub kept: usize,
    /// Sectors of these writes that are lost, each as often as it was written.
    pub lost: usize,
    /// Flushes that were answered since the cut before.
    pub flushes: u64,
}

/// The disk. Bytes that were never written are zero.
#[derive(Debug)]
pub struct Disk {
    bytes: u64,
    current: Pages,
    durable: Pages,
    pending: Vec<Pending>,
    /// A planted bug: a flush is answered, and only what is older than this is on the disk.
    forgets: Option<Duration>,
    flushes: u64,
    /// The next flush that has something to do is the moment of the power cut.
    armed: bool,
    struck: bool,
}

fn put(pages: &mut Pages, at: u64, bytes: &[u8]) {
    let mut done = 0;
    while done < bytes.len() {
        let (page, inside) = split(at + done as u64);
        let now = (PAGE - inside).min(bytes.len() - done);
        let page = Arc::make_mut(pages.entry(page).or_insert_with(|| Arc::new([0; PAGE])));
        page[inside..inside + now].copy_from_slice(&bytes[done..done + now]);
        done += now;
    }
}

/// The page of an offset, and where in it.
fn split(at: u64) -> (u64, usize) {
    let page = PAGE as u64;
    (at / page, usize::try_from(at % page).unwrap_or(0))
}

impl Disk {
    /// An empty disk. With `forgets` it lies: see [`super::Planted::ForgetfulDisk`].
    pub fn new(bytes: u64, forgets: Option<Duration>) -> Self {
        Self {
            bytes,
            current: Pages::new(),
            durable: Pages::new(),
            pending: Vec::new(),
            forgets,
            flushes: 0,
            armed: false,
            struck: false,
        }
    }

    /// A disk with the content of a file, flushed.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn load(image: &Path, forgets: Option<Duration>) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("{}: {error}", image.display());
        let mut file = std::fs::File::open(image).map_err(told)?;
        let bytes = file.metadata().map_err(told)?.len();
        let mut disk = Self::new(bytes, forgets);
        let mut page = [0; PAGE];
        for number in 0..bytes / PAGE as u64 {
            std::io::Read::read_exact(&mut file, &mut page).map_err(told)?;
            if page.iter().any(|byte| *byte != 0) {
                disk.durable.insert(number, Arc::new(page));
            }
        }
        disk.current = disk.durable.clone();
        Ok(disk)
    }

    /// Writes what is on the disk into a sparse file.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, image: &Path) -> Result<(), String> {
        let told = |error: std::io::Error| format!("{}: {error}", image.display());
        let mut file = std::fs::File::create(image).map_err(told)?;
        file.set_len(self.bytes).map_err(told)?;
        for (number, page) in &self.durable {
            std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(number * PAGE as u64)).map_err(told)?;
            file.write_all(page.as_slice()).map_err(told)?;
        }
        Ok(())
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn holds(&self, at: u64, length: usize) -> bool {
        at.checked_add(length as u64).is_some_and(|end| end <= self.bytes)
    }

    /// Reads as if nothing could be lost; `None` behind the end.
    pub fn read(&self, at: u64, length: usize) -> Option<Vec<u8>> {
        if !self.holds(at, length) {
            return None;
        }
        let mut bytes = vec![0; length];
        let mut done = 0;
        while done < length {
            let (page, inside) = split(at + done as u64);
            let now = (PAGE - inside).min(length - done);
            if let Some(page) = self.current.get(&page) {
                bytes[done..done + now].copy_from_slice(&page[inside..inside + now]);
            }
            done += now;
        }
        Some(bytes)
    }

    /// Takes a write into the cache; false behind the end.
    pub fn write(&mut self, at: u64, bytes: Vec<u8>) -> bool {
        if !self.holds(at, bytes.len()) {
            return false;
        }
        put(&mut self.current, at, &bytes);
        let since = Instant::now();
        self.pending.push(Pending { at, bytes, since });
        true
    }

    /// From now on no flush is done that has something to do: the power goes at the next one, when all that it was for
    /// is still in the cache.
    pub fn arm(&mut self) {
        self.armed = true;
    }

    /// Whether that flush was asked for.
    pub fn is_struck(&self) -> bool {
        self.struck
    }

    /// True: what was written is on the disk; a disk that lies keeps the newest in its cache. False: the power is about to
    /// go, and nothing more is answered.
    pub fn flush(&mut self) -> bool {
        if self.armed && !self.pending.is_empty() {
            self.struck = true;
            return false;
        }
        self.flushes += 1;
        let now = Instant::now();
        let old = |write: &Pending| self.forgets.is_none_or(|forgets| now - write.since > forgets);
        let count = self.pending.iter().take_while(|write| old(write)).count();
        for write in self.pending.drain(..count) {
            put(&mut self.durable, write.at, &write.bytes);
        }
        true
    }

    /// The power is gone: what is on the disk now is all that the next start sees.
    pub fn cut(&mut self, loss: Loss, dice: &mut Dice) -> Lost {
        (self.armed, self.struck) = (false, false);
        // A disk that lies goes on in order, or no file system would survive it.
        let loss = if self.forgets.is_some() { Loss::All } else { loss };
        let pending = std::mem::take(&mut self.pending);
        let writes: Vec<_> = pending.iter().map(|write| (write.at, write.bytes.as_slice())).collect();
        let sectors: usize = writes.iter().map(|(_, bytes)| bytes.len().div_ceil(SECTOR)).sum();
        let survived = survivors(loss, &writes, dice);
        for (at, bytes) in &survived {
            put(&mut self.durable, *at, bytes);
        }
        self.current = self.durable.clone();
        Lost {
            pending_bytes: pending.iter().map(|write| write.bytes.len() as u64).sum(),
            kept: survived.len(),
            lost: sectors - survived.len(),
            flushes: std::mem::take(&mut self.flushes),
        }
    }
}

/// The sectors of these writes that come onto the disk, in the order in which they are to be put there.
fn survivors<'a>(loss: Loss, writes: &[(u64, &'a [u8])], dice: &mut Dice) -> Vec<(u64, &'a [u8])> {
    let of = |(at, bytes): &(u64, &'a [u8])| {
        let at = *at;
        let sectors = bytes.chunks(SECTOR).enumerate();
        sectors.map(move |(number, sector)| (at + (number * SECTOR) as u64, sector))
    };
    match loss {
        Loss::All => Vec::new(),
        Loss::Behind => {
            let all: Vec<_> = writes.iter().flat_map(of).collect();
            let kept = usize::try_from(dice.below(all.len() as u64 + 1)).unwrap_or(0);
            all.into_iter().take(kept).collect()
        }
        Loss::Writes => {
            let kept = writes.iter().filter(|_| dice.below(2) == 0);
            kept.flat_map(of).collect()
        }
        Loss::Sectors => {
            let mut contents: BTreeMap<u64, Vec<&[u8]>> = BTreeMap::new();
            for (at, sector) in writes.iter().flat_map(of) {
                contents.entry(at).or_default().push(sector);
            }
            let pick = |(at, contents): (u64, Vec<&'a [u8]>)| {
                let which = dice.below(contents.len() as u64 + 1).checked_sub(1)?;
                Some((at, *contents.get(usize::try_from(which).ok()?)?))
            };
            contents.into_iter().filter_map(pick).collect()
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ATOM: u64 = SECTOR as u64;

    fn sector(byte: u8) -> Vec<u8> {
        vec![byte; SECTOR]
    }

    fn disk() -> Disk {
        Disk::new(1 << 20, None)
    }

    fn first(disk: &Disk, at: u64) -> u8 {
        disk.read(at, 1).unwrap()[0]
    }

    #[test]
    fn what_is_written_is_read_across_pages_and_what_was_never_written_is_zero() {
        let mut disk = disk();
        assert!(disk.write(PAGE as u64 - 2, vec![1, 2, 3, 4]));
        assert_eq!(disk.read(PAGE as u64 - 3, 6).unwrap(), [0, 1, 2, 3, 4, 0]);
    }

    #[test]
    fn nothing_is_read_or_written_behind_the_end() {
        let mut disk = disk();
        assert!(!disk.write((1 << 20) - 1, vec![1, 2]));
        assert!(disk.read((1 << 20) - 1, 2).is_none());
        assert!(disk.read(u64::MAX, 2).is_none());
    }

    #[test]
    fn what_was_flushed_survives_every_cut() {
        for loss in Loss::ALL {
            for seed in 0..50 {
                let mut disk = disk();
                disk.write(0, sector(1));
                disk.write(ATOM, sector(1));
                disk.flush();
                disk.write(ATOM, sector(2));
                disk.cut(loss, &mut Dice::new(seed));
                assert_eq!(first(&disk, 0), 1, "{loss:?}");
                assert!([1, 2].contains(&first(&disk, ATOM)), "{loss:?}");
            }
        }
    }

    #[test]
    fn an_armed_disk_does_no_flush_until_the_power_was_cut() {
        let mut disk = disk();
        disk.write(0, sector(1));
        disk.arm();
        assert!(!disk.is_struck() && !disk.flush() && disk.is_struck());
        disk.cut(Loss::All, &mut Dice::new(1));
        assert_eq!((first(&disk, 0), disk.is_struck()), (0, false));
        assert!(disk.flush());
    }

    #[test]
    fn what_was_not_flushed_is_gone_when_all_is_lost() {
        let mut disk = disk();
        disk.write(0, sector(7));
        assert_eq!(first(&disk, 0), 7);
        let lost = disk.cut(Loss::All, &mut Dice::new(1));
        assert_eq!((first(&disk, 0), lost.kept, lost.lost), (0, 0, 1));
    }

    #[test]
    fn a_cut_up_to_a_point_keeps_no_later_write_without_the_earlier() {
        for seed in 0..200 {
            let mut disk = disk();
            for number in 0..10 {
                disk.write(number * ATOM, sector(9));
            }
            disk.cut(Loss::Behind, &mut Dice::new(seed));
            let kept: Vec<u8> = (0..10).map(|number| first(&disk, number * ATOM)).collect();
            assert!(kept.is_sorted_by(|one, other| one >= other), "{kept:?}");
        }
    }

    #[test]
    fn a_write_is_torn_by_sectors_only_and_an_old_content_may_come_back() {
        let (mut torn, mut older) = (false, false);
        for seed in 0..200 {
            let mut disk = disk();
            disk.write(0, [sector(1), sector(1)].concat());
            disk.write(0, [sector(2), sector(2)].concat());
            disk.cut(Loss::Sectors, &mut Dice::new(seed));
            let bytes = disk.read(0, 2 * SECTOR).unwrap();
            for half in bytes.chunks(SECTOR) {
                assert!(half.iter().all(|byte| *byte == half[0]), "a sector is torn");
            }
            torn |= bytes[0] != bytes[SECTOR];
            older |= bytes[0] == 1;
        }
        assert!(torn && older);
    }

    #[test]
    fn a_write_is_kept_or_lost_whole_when_writes_are_lost() {
        let writes = [(0, [sector(1), sector(1)].concat()), (4 * ATOM, sector(2))];
        let writes: Vec<_> = writes.iter().map(|(at, bytes)| (*at, bytes.as_slice())).collect();
        for seed in 0..50 {
            let survived = survivors(Loss::Writes, &writes, &mut Dice::new(seed));
            assert_ne!(survived.iter().filter(|(at, _)| *at < 2 * ATOM).count(), 1);
        }
    }

    #[test]
    fn a_disk_that_lies_forgets_what_was_flushed() {
        let mut disk = Disk::new(1 << 20, Some(Duration::from_secs(60)));
        disk.write(0, sector(3));
        disk.flush();
        assert_eq!(first(&disk, 0), 3);
        disk.cut(Loss::Behind, &mut Dice::new(1));
        assert_eq!(first(&disk, 0), 0);
    }

    #[test]
    fn a_disk_is_the_same_after_it_was_saved() {
        let file = std::env::temp_dir().join(format!("argosy-disk-{}", std::process::id()));
        let mut disk = disk();
        disk.write(3 * PAGE as u64 + 5, vec![5; 5000]);
        disk.flush();
        disk.save(&file).unwrap();
        let again = Disk::load(&file, None).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(again.read(0, 1 << 20), disk.read(0, 1 << 20));
    }
}
