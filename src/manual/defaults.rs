//! # Defaults, argued
//!
//! | Setting | Default | Why |
//! |---|---|---|
//! | key exchange | `mlkem768x25519-sha256`, then `curve25519-sha256` | recorded traffic stays closed to a later quantum computer; every client of the last ten years has the second |
//! | TLS | 1.2 and 1.3, AEAD and ephemeral keys alone, `X25519MLKEM768` first | see [`tls`](super::tls) |
//! | host key | Ed25519 | small, fast, no bad random number can leak it; RSA and ECDSA can be added for old clients |
//! | password hash | argon2id, 19 MiB, 2 passes | the figures that OWASP recommends; a login costs tens of milliseconds of one core |
//! | login grace | 60 s | a person types a password in that time; a silent peer does not hold a place for longer |
//! | tries per connection | 6 | a client offers several keys before it asks for a password |
//! | delay after a failed login | 0.5 s, doubling to 10 s | by address and by account, so that neither many accounts nor many addresses help a guesser |
//! | failures that ban an address | 20 in 15 min, for 15 min | a person who forgot a password stays far below; a guesser gets 80 tries an hour through all nodes together |
//! | failures that ban an account | off | whoever knows a name could lock its owner out |
//! | connections of one address | 1,000 | partners behind one address, and yet not all of a node |
//! | drain | 30 s | small transfers end; a port that is switched off is soon off |
//! | connections not signed in | 200 in all, 20 for one address | one address cannot take every place |
//! | idle | 15 min | long enough for people, short enough for forgotten clients |
//! | keepalive | 60 s, three unanswered | a dead peer is noticed in three minutes and keeps idle firewalls open |
//! | durability | strict | an answered upload survives a power cut |
//! | interrupted uploads | kept | a partner on a bad line resumes instead of starting again |
//! | grants of a home mount | everything | it is the account's own folder |
//! | grants of a further mount | nothing | silence is deny |
//! | password rules | 8 characters, nothing else | what a partner's system generates passes; age and history make people write passwords down, so they are asked for on purpose |
//! | sizes, names, hours, rates | no limit | a limit that nobody asked for looks like a fault |
//! | idle accounts | stay usable | a partner may send once a year; `inactive_days_max` says otherwise |
//! | stale nodes | go on serving | a node that lost the others still serves its partners; `staleness_max_seconds` says otherwise |
