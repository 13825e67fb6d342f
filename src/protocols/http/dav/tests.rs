//! WebDAV as clients speak it.
