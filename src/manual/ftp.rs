//! # FTP and FTPS
//!
//! **Three kinds of services.** `ftp` is in clear: names, passwords and files are for everybody on the way to read and
//! to change. Nothing makes such a service but an administrator. `ftps` begins in clear and goes on in TLS after
//! AUTH TLS; by default nobody signs in before, and no file or listing moves without (`require_tls_control`,
//! `require_tls_data`). `ftps-implicit` is in TLS from the first byte. What a client sent in clear after AUTH is
//! forgotten. CCC, which ends TLS on the control connection, is refused.
//!
//! **Accounts** sign in by password, by the certificate that the client shows in TLS (it counts as a key), or by both
//! where the account asks for both. One whose password has to be changed first cannot come in: FTP has no way to do
//! that. A client that has shown a certificate shows the same one on each data connection, or resumes the session in
//! which it did; with another, or with none, nothing moves (522). Once the certificate is revoked its session ends, also
//! one that came in by password, as long as the service asks for certificates at all.
//!
//! **Data connections.** Passive ones come to `passive_ports`, which a firewall must let through to every node; a
//! session waits on a random one of them for one connection. Clients in IPv4 that use PASV are told an address:
//! the one that they came to (with a PROXY header, the one in the header), or `passive_address`, for all, for a node, or
//! for clients of a network. EPSV tells the port alone. Whose connection is taken is `data_peer`: the same address as the
//! control connection's; the same network, for clients behind several addresses; or whoever resumes the TLS session of
//! the control connection, which is the only one that a neighbour behind the same address cannot fake. Clients must
//! know how to resume; FileZilla and WinSCP do, others not always. Sessions of one client that wait at one time need a
//! port each, with `resumed` all sessions do: be generous with ports.
//! A connection from a balancer's network carries a PROXY header exactly when its control connection did.
//! In active mode the server connects to the client, only to its own address and to no port below 1024, and from no
//! fixed port; `active` switches it off.
//!
//! **When an upload is whole.** In TLS the client says that it was all (close_notify); without it nothing is published,
//! unless the service is `lenient_tls_end` for clients that never say it. In clear there is no such word: the end of the
//! data connection is all that the server sees. An upload in clear is published only if the control connection still
//! lives at that moment and, where the client sent ALLO, the length is right. What remains: a client whose data
//! connection alone is ended by something between (a firewall, a balancer) looks as if it had sent all. Where that
//! matters, use TLS, or have clients send ALLO, or upload under another name and rename.
//! What was interrupted is kept or removed as the storage says; REST with STOR, or APPE, goes on with it.
//! An upload that begins anew (STOR without REST) replaces the old file at its end; one that goes on with an existing
//! file writes into it in place.
//!
//! **Names** are bytes, and should be UTF-8. TYPE A converts ends of lines (CR LF on the wire, LF in the file), only
//! from the first byte on, and SIZE is not known in it. Times are UTC. A rename replaces what has the new name, where the
//! account may overwrite it. LIST and NLST take a pattern (`*`, `?`, `[a-z]`) in the last part of the path.
//!
//! **Time-outs.** `idle_seconds` for a session without a command or a transfer, `data_idle_seconds` for a transfer in
//! which the client moves nothing, `minimum_rate` for one in which it moves too little over half a minute. Time that a
//! transfer waits for a rate limit of its own does not count.
