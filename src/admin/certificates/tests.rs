//! Tables over chains and keys.
