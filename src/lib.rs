//! Argosy.
