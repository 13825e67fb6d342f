//! Fetches revocation lists from where their authorities publish them, while this node leads, and puts newer ones in
//! the catalog.
//!
//! What makes a list acceptable is judged as at the border of the admin API; obeying it is left to `listener`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use argosy_cluster::Cluster;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{bans, limits};
use crate::admin::certificates::limits::REVOCATIONS_BYTES_MAX;
use crate::admin::certificates::pem;
use crate::admin::shapes::authority::acceptable;
use crate::catalog::{Authority, Catalog, Expected, Kind, ObjectKey, Outcome, RevocationSource, Spec, Transaction};
use crate::clock::{Clock, UnixMillis};
use crate::events::{Event, Journal};
use crate::ids::Name;
use crate::x509::RevocationList;

/// Fetches what is due.
pub struct Revocations {
    cluster: Cluster<Catalog>,
    clock: Clock,
    journal: Journal,
    node: String,
    tried: Mutex<BTreeMap<Name, Tried>>,
}

/// The last fetch for an authority.
struct Tried {
    source: RevocationSource,
    again_at: Instant,
    failing: bool,
}

impl Revocations {
    /// With nothing fetched yet.
    pub fn new(cluster: Cluster<Catalog>, clock: Clock, journal: Journal, node: &str) -> Self {
        Self {
            cluster,
            clock,
            journal,
            node: node.to_owned(),
            tried: Mutex::default(),
        }
    }

    /// Looks every [`limits::REVOCATIONS_LOOK_EVERY`] while this node leads, until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(limits::REVOCATIONS_LOOK_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            if self.cluster.status().role != "leader" {
                // A node that leads again begins anew.
                self.lock().clear();
                continue;
            }
            let due = futures_util::stream::iter(self.due());
            let fetched = due.for_each_concurrent(limits::REVOCATIONS_AT_ONCE, |(name, source)| self.one(name, source));
            tokio::select! {
                () = fetched => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Name, Tried>> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn due(&self) -> Vec<(Name, RevocationSource)> {
        let view = self.cluster.view();
        let mut tried = self.lock();
        tried.retain(|name, _| view.authorities.contains_key(name));
        let sources = view.authorities.iter();
        let sources = sources.filter_map(|(name, object)| Some((name, object.spec.revocation_source.as_ref()?)));
        let now = Instant::now();
        let is_due = |(name, source): &(&Name, &RevocationSource)| {
            tried
                .get(*name)
                .is_none_or(|tried| tried.source != **source || tried.again_at <= now)
        };
        let due = sources.filter(is_due);
        due.map(|(name, source)| (name.clone(), source.clone())).collect()
    }

    /// Fetches one list; a failure is told when it begins.
    async fn one(&self, name: Name, source: RevocationSource) {
        let outcome = self.bring(&name, &source).await;
        let mut pause = Duration::from_secs(u64::from(source.every_seconds));
        let was_failing = self.lock().get(&name).is_some_and(|tried| tried.failing);
        let failing = outcome.is_err();
        match outcome {
            Ok(told) if was_failing => tracing::info!(authority = %name, told, "its revocation list is fetched again"),
            Ok(told) => tracing::debug!(authority = %name, told, "its revocation list was fetched"),
            Err(reason) => {
                pause = pause.min(limits::REVOCATION_RETRY);
                if !was_failing {
                    tracing::warn!(authority = %name, url = %source.url, reason, "no revocation list could be fetched");
                    self.journal.record(Event::RevocationFetchFailed {
                        authority: name.clone(),
                        url: source.url.clone(),
                        reason,
                    });
                }
            }
        }
        let tried = Tried {
            source,
            again_at: Instant::now() + pause,
            failing,
        };
        self.lock().insert(name, tried);
    }

    async fn bring(&self, name: &Name, source: &RevocationSource) -> Result<&'static str, String> {
        let fetching = fetch(&source.url);
        let body = tokio::time::timeout(limits::REVOCATION_FETCH_MAX, fetching).await;
        let body = body.map_err(|_| format!("no whole answer came in {:?}", limits::REVOCATION_FETCH_MAX))??;
        let list = read(&body)?;
        // Judged by what is there now: it may have been changed during the fetch.
        let view = self.cluster.view();
        let Some(object) = view.authorities.get(name) else {
            return Ok("the authority is gone");
        };
        let now = self.clock.now();
        let Some(changed) = with_list(&object.spec, list, now)? else {
            return Ok("it is the one that is there");
        };
        let key = ObjectKey {
            kind: Kind::Authority,
            name: name.clone(),
        };
        let mut transaction = Transaction::default();
        transaction.expected.push((key, Expected::Revision(object.revision)));
        transaction.puts.push((name.clone(), Spec::Authority(changed)));
        let deadline = limits::REVOCATION_CHANGE_MAX;
        match bans::propose(&self.cluster, &self.node, now, transaction, deadline).await? {
            (_, Outcome::Applied) => Ok("it is newer, and put in place"),
            (_, Outcome::Refused(refusal)) => Err(format!("it was not put in place: {refusal}")),
        }
    }
}

/// The list of an answer, in DER (RFC 5280, 4.2.1.13) or PEM.
fn read(body: &[u8]) -> Result<RevocationList, String> {
    let text = std::str::from_utf8(body).ok();
    let list = match text.filter(|text| text.contains("-----BEGIN")) {
        Some(text) => pem::revocation_list(text),
        None => RevocationList::read(body),
    };
    list.map_err(|reason| format!("the answer {reason}"))
}

/// The authority with this list, if it is acceptable; `None`: it is no newer than the one that is there.
fn with_list(authority: &Authority, list: RevocationList, now: UnixMillis) -> Result<Option<Authority>, String> {
    let facts = list.facts().ok_or_else(|| "the list cannot be read".to_owned())?;
    let same_issuer = |present: &RevocationList| {
        let present = present.facts();
        present.is_some_and(|present| present.issuer_der == facts.issuer_der)
    };
    let mut lists = authority.revocation_lists.clone();
    let present = lists.iter().find(|list| same_issuer(list));
    let stale_from = (!authority.takes_stale_lists).then_some(now);
    let acceptable = acceptable(&list, &authority.certificates, Some(authority), stale_from);
    acceptable.map_err(|reason| format!("the list {reason}"))?;
    if let Some(present) = present.and_then(RevocationList::facts)
        && !facts.is_newer_than(present)
    {
        return Ok(None);
    }
    lists.retain(|list| !same_issuer(list));
    lists.push(list.clone());
    let bytes: usize = lists.iter().map(|list| list.der().len()).sum();
    if bytes > REVOCATIONS_BYTES_MAX {
        return Err(format!(
            "the authority's lists would have {bytes} bytes in all, over the limit of {REVOCATIONS_BYTES_MAX}"
        ));
    }
    Ok(Some(Authority {
        revocation_lists: lists,
        ..authority.clone()
    }))
}

/// The body of what an `http://` URL answers; redirections are followed to such URLs only.
async fn fetch(url: &str) -> Result<Bytes, String> {
    let mut url = url.to_owned();
    for _ in 0..=limits::REVOCATION_REDIRECTS_MAX {
        match get(&url).await? {
            Answer::Body(body) => return Ok(body),
            Answer::Moved(there) => url = there,
        }
    }
    Err(format!(
        "more than {} redirections follow one another",
        limits::REVOCATION_REDIRECTS_MAX
    ))
}

enum Answer {
    Body(Bytes),
    Moved(String),
}

async fn get(url: &str) -> Result<Answer, String> {
    let uri: Uri = url.parse().map_err(|_| format!("`{url}` is not a URL"))?;
    let (Some("http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(format!("`{url}` is not an http:// URL"));
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(80)))
        .await
        .map_err(|error| format!("{authority} cannot be reached: {error}"))?;
    let broken = |error: hyper::Error| format!("{authority} does not answer as HTTP: {error}");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // It ends by itself when the answer has been read or is dropped.
    tokio::spawn(connection);
    let request = Request::get(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, authority.as_str())
        .header(header::USER_AGENT, concat!("argosy/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("`{url}` cannot be asked for: {error}"))?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status();
    if status.is_redirection() {
        let there = answer.headers().get(header::LOCATION);
        let there = there.and_then(|there| there.to_str().ok()).unwrap_or_default();
        return match there.strip_prefix('/').filter(|rest| !rest.starts_with('/')) {
            Some(path) => Ok(Answer::Moved(format!("http://{authority}/{path}"))),
            None => Ok(Answer::Moved(there.to_owned())),
        };
    }
    if status != StatusCode::OK {
        return Err(format!("{authority} answers {status}"));
    }
    let body = Limited::new(answer.into_body(), limits::REVOCATION_ANSWER_BYTES_MAX);
    let whole = body.collect().await.map_err(|error| {
        let max = limits::REVOCATION_ANSWER_BYTES_MAX;
        format!("the answer of {authority} broke off, or is over the limit of {max} bytes: {error}")
    })?;
    Ok(Answer::Body(whole.to_bytes()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa,
        KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
    };
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::x509::Certificate;

    type Issuer = CertifiedIssuer<'static, KeyPair>;

    fn issuer(name: &str) -> Issuer {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn list(issuer: &Issuer, number: u64) -> RevocationList {
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2036, 1, 1),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        RevocationList::read(params.signed_by(issuer).unwrap().der()).unwrap()
    }

    #[test]
    fn only_a_newer_list_of_the_authority_is_put_in_place() {
        let (own, other) = (issuer("Partners"), issuer("Others"));
        let certificate = Certificate::read(own.der()).unwrap();
        let present = Authority::tls_client(vec![certificate], vec![list(&own, 5)]);
        let now = UnixMillis::from_rfc3339("2027-01-01T00:00:00Z").unwrap();
        let check = |list: RevocationList, now: UnixMillis, expected: Result<bool, &str>| {
            let found = with_list(&present, list.clone(), now);
            match (found, expected) {
                (Ok(found), Ok(changes)) => {
                    assert_eq!(found.is_some(), changes);
                    assert!(found.is_none_or(|found| found.revocation_lists == [list]));
                }
                (Err(reason), Err(part)) => assert!(reason.contains(part), "{reason}"),
                (found, expected) => panic!("{found:?} is not {expected:?}"),
            }
        };
        check(list(&own, 6), now, Ok(true));
        check(list(&own, 5), now, Ok(false));
        check(list(&own, 4), now, Err("older"));
        check(list(&other, 9), now, Err("none of the authority's certificates"));
        let late = UnixMillis::from_rfc3339("2037-01-01T00:00:00Z").unwrap();
        check(list(&own, 6), late, Err("stale"));
    }

    #[test]
    fn an_answer_is_read_in_der_and_in_pem() {
        let made = list(&issuer("Partners"), 1);
        assert_eq!(read(made.der()).unwrap(), made);
        assert_eq!(read(pem::write("X509 CRL", made.der()).as_bytes()).unwrap(), made);
        for wrong in [&b""[..], b"<html>not found</html>", b"-----BEGIN X509 CRL-----\n"] {
            assert!(read(wrong).unwrap_err().starts_with("the answer "));
        }
    }

    /// Answers each request with what `answers` has for its path, and ends.
    async fn server(answers: Vec<(&'static str, Vec<u8>)>) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                let request = String::from_utf8(request).unwrap();
                let path = request.split(' ').nth(1).unwrap();
                let answer = answers.iter().find(|(known, _)| *known == path);
                let _ = stream.write_all(&answer.unwrap().1).await;
            }
        });
        url
    }

    #[tokio::test]
    async fn an_answer_is_bounded_and_redirections_stay_with_http() {
        let ok = |body: &[u8]| [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", body].concat();
        let moved =
            |there: &str| format!("HTTP/1.1 302 Found\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n").into_bytes();
        let url = server(vec![
            ("/ca.crl?x=1", ok(b"list")),
            ("/moved", moved("/ca.crl?x=1")),
            ("/round", moved("/round")),
            ("/secure", moved("https://127.0.0.1/ca.crl")),
            ("/file", moved("file:///etc/passwd")),
            ("/nowhere", moved("")),
            ("/gone", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()),
            ("/long", ok(&vec![0; limits::REVOCATION_ANSWER_BYTES_MAX + 1])),
            ("/ssh", b"SSH-2.0-OpenSSH\r\n".to_vec()),
        ])
        .await;
        for (path, expected) in [
            ("/ca.crl?x=1", Ok("list")),
            ("/moved", Ok("list")),
            ("/round", Err("redirections")),
            ("/secure", Err("not an http:// URL")),
            ("/file", Err("not")),
            ("/nowhere", Err("not")),
            ("/gone", Err("404")),
            ("/long", Err("over the limit")),
            ("/ssh", Err("as HTTP")),
        ] {
            let found = fetch(&format!("{url}{path}")).await;
            match (found, expected) {
                (Ok(found), Ok(body)) => assert_eq!(found, body.as_bytes(), "{path}"),
                (Err(reason), Err(part)) => assert!(reason.contains(part), "{path}: {reason}"),
                (found, _) => panic!("{path}: {found:?}"),
            }
        }
    }
}
