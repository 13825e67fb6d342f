//! Bounds of a decision. What an account inherits is bounded in [`crate::catalog::limits`].

/// Patterns that are looked at for one move of a folder; with more it is refused.
pub const MOVE_PATTERNS_MAX: usize = 64;
