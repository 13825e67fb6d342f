//! Every planted bug is caught.
