//! Reads a PROXY header from a socket, within a deadline and a bound; what comes after it is kept.
//!
//! What a header may hold is left to `proxy`.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};

use super::limits::{HEADER_READ_BYTES, PROXY_V2_BYTES_MAX};
use super::proxy::{Claim, Parsed, ProxyError, parse};

/// Reads the header that must come first; also gives the connection's own bytes that came with it.
/// `Ok(None)`: the peer closed without a byte, as a balancer that only tries the port.
pub(super) async fn read(
    socket: &mut (impl AsyncRead + Unpin),
    until: Instant,
) -> Result<Option<(Claim, Vec<u8>)>, ProxyError> {
    timeout_at(until, whole(socket)).await.unwrap_or(Err(ProxyError::Late))
}

/// Reads the header of a connection that belongs to another one, as FTP's data connections do: the client that it
/// names (`None`: the balancer speaks for itself), and the connection's own bytes that came with it. `Ok(None)`: the
/// peer closed without a byte.
///
/// # Errors
/// There is no header, a wrong one, or none in time.
pub async fn read_proxy_header(
    socket: &mut (impl AsyncRead + Unpin),
    until: Instant,
) -> Result<Option<(Option<SocketAddr>, Vec<u8>)>, ProxyError> {
    let read = read(socket, until).await?;
    Ok(read.map(|(claim, early)| match claim {
        Claim::Own => (None, early),
        Claim::Client { source, .. } => (Some(source), early),
    }))
}

async fn whole(socket: &mut (impl AsyncRead + Unpin)) -> Result<Option<(Claim, Vec<u8>)>, ProxyError> {
    let mut bytes = Vec::with_capacity(HEADER_READ_BYTES);
    loop {
        let mut piece = [0; HEADER_READ_BYTES];
        match socket.read(&mut piece).await {
            Ok(0) | Err(_) if bytes.is_empty() => return Ok(None),
            Ok(0) | Err(_) => return Err(ProxyError::Ended),
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
        }
        match parse(&bytes)? {
            Parsed::Whole { claim, length } => return Ok(Some((claim, bytes.split_off(length)))),
            Parsed::Incomplete if bytes.len() > PROXY_V2_BYTES_MAX => return Err(ProxyError::TooLong),
            Parsed::Incomplete => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn check(pieces: &[&[u8]], expected: Result<Option<usize>, ProxyError>) {
        let (mut there, mut here) = tokio::io::duplex(64);
        let until = Instant::now() + Duration::from_secs(5);
        let reading = tokio::spawn(async move { read(&mut here, until).await });
        for piece in pieces {
            let _ = there.write_all(piece).await;
            tokio::task::yield_now().await;
        }
        drop(there);
        let read = reading.await.unwrap();
        assert_eq!(
            read.map(|read| read.map(|(_, rest)| rest.len())),
            expected,
            "{pieces:?}"
        );
    }

    #[tokio::test]
    async fn a_header_is_read_in_any_pieces_and_what_follows_is_kept() {
        check(&[b"PROXY UNKNOWN\r\nSSH-2.0-x"], Ok(Some(9))).await;
        check(&[b"PRO", b"XY UNKN", b"OWN\r", b"\nSSH"], Ok(Some(3))).await;
        check(&[b"PROXY UNKNOWN\r\n"], Ok(Some(0))).await;
        check(&[], Ok(None)).await;
        check(&[b"PROXY"], Err(ProxyError::Ended)).await;
        check(&[b"S"], Err(ProxyError::Missing)).await;
        check(&[b"PROXY ", &[b'x'; 200]], Err(ProxyError::TooLong)).await;
    }

    #[tokio::test]
    async fn a_header_that_drips_is_late() {
        let (mut there, mut here) = tokio::io::duplex(64);
        there.write_all(b"PROXY").await.unwrap();
        let until = Instant::now() + Duration::from_millis(50);
        assert_eq!(read(&mut here, until).await, Err(ProxyError::Late));
    }
}
