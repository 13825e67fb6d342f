//! A service on a free port and a small client: what clients see.

mod bad_input;
mod certificates;
mod client;
mod clients;
mod doors;
mod tls;
mod transfers;
mod verbs;
mod world;
