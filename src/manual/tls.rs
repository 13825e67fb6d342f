//! # TLS: versions, certificates, clients' certificates, resumption
//!
//! **Versions.** 1.2 and 1.3. What a client of the last ten years cannot speak is older than both, and what only speaks
//! older ones cannot be helped: SSL, 1.0 and 1.1 are not in the program. `version_min` 1.3 shuts out clients of before
//! about 2018.
//!
//! **Cipher suites.** Those with authenticated encryption (AES-GCM, ChaCha20-Poly1305) and an ephemeral key exchange,
//! which are all that there are; nothing with CBC, nothing with RSA key exchange, so that a stolen key opens no recorded
//! traffic. The service's order counts, not the client's. TLS 1.2 suites say which kind of key signs: a service that
//! speaks 1.2 alone is refused if its suites fit none of its certificates.
//!
//! **Groups.** `X25519MLKEM768` first: recorded traffic stays closed to a later quantum computer. Then `x25519`,
//! `secp256r1`, `secp384r1`, for everybody else; TLS 1.2 knows only these.
//!
//! **Certificates** are made in the cluster (self-signed, or by a request that an authority signs) or brought, as PEM
//! or PKCS#12 (locked with AES; old ones with 3DES or RC2 are refused with the commands that write them anew). A chain
//! is taken if each certificate is signed by the next, the first fits the key, all are in force and may be used by
//! servers. The private key is sealed with the cluster's data key before it is stored, and nothing shows it again: an
//! export says of each certificate that its key is left out, and is applied elsewhere once the certificate was brought
//! there with its key (`argosy certificate import`). New keys are ECDSA on P-256: every client knows it, and a
//! handshake costs a fraction of RSA's; give a service an RSA certificate besides for those who don't. A service shows
//! the certificate that has the name the client asks for (SNI) and that the client can verify, and the first of its
//! list where none fits.
//!
//! **What a change does.** A new certificate, other versions, suites or groups: the next handshake on every node obeys.
//! No port is closed, no session, no transfer; what runs keeps what it agreed on. A certificate that cannot be opened on
//! a node (its data key is not there yet) leaves the one before in use there.
//!
//! **Resumption.** Tickets are sealed with a key that every node derives alike from the cluster's data key, the service,
//! the day, and what the service trusts: whether clients are asked, authorities, revocation lists. So a session resumes
//! on another node, for 12 hours at most; keys change every day, and the day before is still read. Once anything of the
//! trust changes, or a node is removed, former tickets are noise everywhere and each client shows its certificate again.
//! Clients of TLS 1.2 that know no tickets resume by an id, on the same node only. A ticket that was stolen together
//! with the data key opens the traffic of its sessions in TLS 1.2; that is the price of resumption on any node.
//!
//! **Client certificates.** `off`: nobody is asked. `optional`: whoever shows one shows a good one, or has no handshake.
//! `required`: nobody comes in without. Good means: signed by one of the service's `authorities` (kind `tls-client`), in
//! force, for clients, and not revoked. Which account it lets in is the account's own matter: it names a subject, an
//! alternative name or a fingerprint (`argosy account certificate add`); no account is found by what a certificate
//! says. A certificate counts as a key: `proofs` says whether a password must come with it. A subject is compared as a
//! whole, and alone says little if the authority gives one to several: a fingerprint is one certificate and no other.
//!
//! **Revocation.** A list (CRL) is taken if the authority has signed it and it is no older than the one before: nothing
//! that was revoked comes back by an old file. It is obeyed by the next handshake on every node, and sessions that came
//! in by a certificate that it names are closed. Once a list is older than it promised to be, the certificates of its
//! issuer are refused in handshakes, as nobody knows any more which are revoked; running sessions go on.
//! `takes_stale_lists` says otherwise. An authority without a list revokes nothing. With a `revocation_source` the leader
//! fetches the list over plain http (it is signed; that is also how certificates name it), at most 30 s and 1.5 MiB,
//! following at most three redirections, to http alone; a newer one is put in place as any change is. A failure is told
//! once (`revocation-fetch-failed`), until a fetch succeeds, and tried again every five minutes.
//!
//! **Before the end.** Each node tells in its journal (`certificate-expiring`) when 30, 7 and 1 days are left of a
//! certificate, of the chain above it, of an authority's certificate, and at the end (`days` is 0). A node that starts
//! tells again what holds then. Revocation lists are told likewise, but no earlier than in the second half of their own
//! time. `argosy_certificate_not_after_seconds` has the same for a monitoring; `argosy certificate list` has the days
//! left. At the end nothing is switched off: clients refuse an expired certificate themselves, and those that don't look
//! go on.
//!
//! **What is not there.** OCSP, asked or stapled; ACME; 0-RTT, which a stranger could play again; renegotiation;
//! pre-shared keys; certificates in hardware; delta CRLs and lists that cover only a part of what an authority signs,
//! which are refused when they come; policies and name constraints beyond what webpki judges.
