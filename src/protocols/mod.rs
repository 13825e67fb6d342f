//! The protocols: each turns bytes into requests, asks `vfs`, and answers in its own words.
//!
//! What may be done is decided behind `vfs`; a protocol never knows another, but ssh, which hosts sftp and scp.

pub mod ftp;
pub mod held;
pub mod http;
pub mod node;
pub mod scp;
pub mod sftp;
pub mod ssh;

pub use node::Node;
