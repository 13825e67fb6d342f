//! # Releases side by side
//!
//! Everything stored or sent starts with a format version. A type of a released version is never changed; a new shape
//! is a new version with a conversion. Fixtures of stored bytes are tests.
//!
//! A new command, or an apply that gives another result, needs a higher *feature level*. The level is in the
//! replicated state from the first commit and is raised only when all voters support it. A node that meets a command
//! that it does not know stops with advice instead of guessing.
