//! # SSH: algorithms, host keys, proofs
//!
//! **Policies.** A service names one of four, or lists of its own; `auth::algorithms` holds the table. `standard` is the
//! default. `modern` has ML-KEM as its only key exchange: OpenSSH before 9.9 and many other clients cannot come in.
//! `compatible` adds what older partners need. `fips-names` has names that FIPS 140-3 approves and claims no validated
//! module; the service then needs an ECDSA or RSA host key. A change holds from the next handshake on; sessions that run
//! keep what they agreed on, also when they agree on new keys later.
//!
//! **Host keys.** A service shows one key of each algorithm: the first of its list that fits. To move clients from one
//! algorithm to another, show both for a while. To replace a key by another of the *same* algorithm, give clients a host
//! certificate (`certificate` of the host key) or the new key beforehand: OpenSSH's `UpdateHostKeys` is not served,
//! because russh 0.65 lets a server neither send `hostkeys-00@openssh.com` nor answer `hostkeys-prove-00@openssh.com`.
//! A certificate that has ended is shown no more; the key itself still is.
//!
//! **Proofs.** `password+key` is two steps of one connection, in either order. The first is answered as a partial
//! success, is forgotten with the user name, is judged again with the second, and both must hold for as long as the
//! session lasts. keyboard-interactive asks for the password and counts as one. DSA keys are taken
//! where a service has `legacy_dsa`, and nowhere else. Security keys (`sk-...`) let in; whether they were touched is left
//! to the key: russh 0.65 verifies their signatures and hands the flag for a touch to nobody, so that a key made with
//! `no-touch-required` lets in without one, unlike with OpenSSH's server.
//!
//! **User certificates.** Those of the service's `user_authorities` count as keys. They must name a principal that the
//! account answers to (its `principals`, or else its own name); one without principals is refused, and so is
//! `force-command`, as there are no commands here and a restriction must not be ignored. Where a service takes
//! certificates, an offered key is answered with "go on" whether it is known or not: only the signature shows whether a
//! certificate comes with it.
//!
//! **What a session is called** in lists, metrics and at its end: what its client asks for first, `sftp`, `scp` or
//! `exec` (the hash commands). A login is one of `sftp` in any case, as nothing was asked for yet. Each operation on a
//! file has its own word.
