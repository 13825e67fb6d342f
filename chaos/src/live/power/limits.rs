//! Every bound of the power cuts, with its unit and its reason. A virtual machine without the processor's help is ten
//! to thirty times slower than this machine, so nothing here says anything of the product's speed.

use std::time::Duration;

/// The virtual disk, in bytes: room for all uploads of a seed.
pub const DISK_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Memory of a virtual machine, in MiB: the program and its libraries lie in it too.
pub const MEMORY_MIB: u32 = 640;
/// The largest request that the disk takes, in bytes; QEMU sends at most this.
pub const REQUEST_BYTES_MAX: u32 = 32 * 1024 * 1024;
/// The longest option in the disk's negotiation, in bytes.
pub const OPTION_BYTES_MAX: u32 = 8 * 1024;
/// How many options a client may negotiate.
pub const OPTIONS_MAX: u32 = 64;
/// How long a cut waits for a flush, in the middle of which it comes.
pub const STRIKE_MAX: Duration = Duration::from_secs(4);
/// How long QEMU may take until it opens its disk.
pub const DISK_OPENED_MAX: Duration = Duration::from_secs(20);
/// How long a virtual machine may take from power on until its node is ready.
pub const BOOT_MAX: Duration = Duration::from_secs(240);
/// How long one answer may take when the node is looked at after a cut.
pub const LOOK_MAX: Duration = Duration::from_secs(15);
/// How often files and histories are tried to be looked at.
pub const LOOKS_MAX: usize = 8;
/// How often a register is read until it is told: each answer has the time of a machine that is not emulated.
pub const READS_MAX: usize = 40;
/// How many names are read back in one login.
pub const NAMES_PER_LOGIN: usize = 25;
/// The shortest load before a cut, in milliseconds.
pub const LOAD_MS_MIN: u64 = 6_000;
/// By how much longer it is at most, in milliseconds.
pub const LOAD_MS_SPREAD: u64 = 20_000;
/// A cut while the node starts comes up to so many milliseconds after power on.
pub const STARTING_MS_SPREAD: u64 = 14_000;
/// A disk that forgets what was flushed keeps what is older than this.
pub const FORGETS: Duration = Duration::from_millis(1_500);
/// How many uploads a partner does in one login.
pub const UPLOADS_PER_LOGIN: usize = 6;
/// The largest of the small uploads, in bytes.
pub const SMALL_BYTES_MAX: u64 = 96 * 1024;
