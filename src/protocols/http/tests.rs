//! A node with one HTTP service, asked over real connections.

mod bad_input;
mod files;
mod pages;
mod uploads;
mod webdav;
mod webdav_locks;
mod world;
