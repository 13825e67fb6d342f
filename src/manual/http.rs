//! # HTTP and HTTPS
//!
//! **Two kinds of services.** `http` is in clear: names, passwords and files are for everybody on the way to read and to
//! change. With `redirect_port` it serves nothing, and sends every request on to HTTPS. `https` is in TLS; browsers are
//! told to come by HTTPS alone for `hsts_seconds`. Both speak HTTP/1.1, `https` HTTP/2 too.
//!
//! **The file API** is under `/api/files/v1/tree`: every file and folder of the account has its place there. Parts of a
//! path are percent-encoded bytes; one that is `.` or `..`, or holds an encoded slash, is refused, since whoever sends
//! it means another place than he names.
//!
//! | Request | What it does |
//! |---|---|
//! | `GET` a file | its bytes; one or several ranges, `If-Range`, `If-None-Match`, `If-Modified-Since` |
//! | `GET` a folder | a page of its entries by name (`limit`, `after`; `next` in the answer); with `Accept: application/x-ndjson` all of them as a stream of lines |
//! | `GET ?stat` | what is known of it; `checksum=sha-256` (or `sha-512`, `sha-1`, `md5`) reads the file for its checksum |
//! | `HEAD` | as `GET` without the body; 200 for a folder that is there |
//! | `PUT` | writes a file. It is there whole, under its name and on the disk, when the answer comes, or not at all. `If-Match` writes only in the place of what was read, `If-None-Match: *` only where nothing is; `Repr-Digest` or `Content-Digest` (sha-256, sha-512) is checked |
//! | `DELETE` | removes a file or an empty folder; with `?recursive` a folder and all in it |
//! | `POST ?make-folder` | makes a folder |
//! | `POST ?move-to=PATH`, `?copy-to=PATH` | moves or copies; a file there is replaced only with `overwrite` |
//! | `PATCH` | sets `modified` and `mode`, as JSON |
//!
//! Refusals are problem details (RFC 9457) whose type never changes. `If-Match` is judged when the upload begins: of two
//! clients that write at the same moment with the same condition, both may be let in, and the last one to end wins.
//!
//! **WebDAV** is under `/dav/`: see [`webdav`](super::webdav).
//!
//! **Signing in** is by name and password (Basic), by the certificate that the client shows in TLS with the name and an
//! empty password, or by both where the account asks for both. Requests with the same proof from the same address share
//! a session, which ends when nothing was asked for a minute; it is what limits count and what an administrator sees.
//!
//! **The file manager** is at `/`: folders as pages that can be sorted, filtered and paged, uploads by button and by
//! dropping files and whole folders, and everything that the file API does with them. Without scripts the pages still
//! show folders and give out files. A folder is sorted up to 50,000 entries; a larger one is shown by name, page after
//! page, and filtered. An upload is tried again with growing pauses when a connection breaks, through whatever node
//! then answers. What the account may not do is not offered. Nothing comes from elsewhere: scripts and styles are served
//! by the node, and the pages' policy lets nothing else in.
//!
//! **Web sessions.** Who signs in with the form gets a cookie (`__Host-argosy`; by plain HTTP `argosy`), sealed with a
//! key that the nodes share. It holds who proved what and until when (`web_session_seconds`), so every node takes it,
//! with or without a quorum, and judges it anew at each request: it ends everywhere when the account is disabled,
//! deleted or expires, when the password changes, when the person signs out, and when a node is removed from the
//! cluster, since its key leaves with it. A cookie is good for the service that gave it. What it asks to be changed
//! must come from a page of the service: `Sec-Fetch-Site: same-origin`, or an `Origin` with its own scheme and host.
//! The file API takes the cookie too, WebDAV does not.
//!
//! **What users uploaded** is sent as an attachment without a type, and opens in a sandbox: no file of one user runs as
//! a page of the appliance in the browser of another.
//!
//! **Time-outs.** `header_seconds` for the head of a request, `body_idle_seconds` for a body that does not move,
//! `idle_seconds` for a connection on which nothing is asked.
