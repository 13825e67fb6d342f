//! Tables over names and DER.
