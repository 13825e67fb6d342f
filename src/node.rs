//! The composition root: builds and connects everything; start and stop order as a readable list.

pub mod metrics;
