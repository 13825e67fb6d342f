//! Power cuts: the real node in virtual machines whose disks keep by chance what nobody flushed. Under load the power
//! goes, for all machines at once; they start again from their disks, and what was acknowledged must be there.
//!
//! A killed process loses nothing that it wrote: only a lost page cache and a disk's lost cache show a missing sync.
//!
//! * `disk`, `nbd`: the disk, and how QEMU reaches it.
//! * `guest`, `machine`: what is started, and how.
//! * `bench`, `partner`: the cluster on the machines, and who uploads.
//! * `run`, `look`: load and cuts, and what is judged after each.
//! * `report`: for a person to read.

mod bench;
mod disk;
mod guest;
mod limits;
mod look;
mod machine;
mod nbd;
mod partner;
mod report;
mod run;

pub use disk::{Loss, Lost};
pub use run::{Asked, Cut, Planted, Verdict, run};
