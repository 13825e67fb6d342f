//! Tests of the Vfs over real folders: two nodes share one storage, sessions of several accounts.
//!
//! Each row of the design's upload table has a test here that says it in its name.

mod attributes;
mod contents;
mod disk;
mod house;
mod links;
mod listing;
mod names;
mod reads;
mod restricted;
mod resume;
mod rights;
mod takeover;
mod uploads;
