//! Chaos: breaks a cluster on purpose and judges whether it kept its promises.
//!
//! Two halves will share one oracle and one list of nemeses. `sim/` runs the consensus crate on simulated
//! time, where one seed derives a whole run; `live/` runs the real binary as real processes behind a faulty
//! network. The crate is empty until the second protocol stands: what exists today of both halves lives with
//! the tests that need it (`cluster/src/sim`, `tests/`).
