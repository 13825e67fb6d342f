//! A node with one HTTP service, asked over real connections.

mod bad_input;
mod files;
mod uploads;
mod world;
