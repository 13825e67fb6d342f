//! The bytes of the control connection: read into lines, replies written, TLS put round it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::listener::Stream;
use crate::protocols::ftp::limits::{CONTROL_READ_BYTES, GOODBYE, REPLY_MAX};
use crate::protocols::ftp::wire::{Framer, Reply};

/// A control connection's bytes.
pub(super) struct Control {
    /// `None` while TLS begins, and once that failed.
    stream: Option<Stream>,
    pub(super) framer: Framer,
}

impl Control {
    pub(super) fn new(stream: Stream) -> Self {
        // Clients send the last byte of ABOR as urgent: it must stay where it is.
        if let Err(error) = rustix::net::sockopt::set_socket_oobinline(stream.socket(), true) {
            tracing::debug!(%error, "urgent bytes of a control connection are lost");
        }
        Self {
            stream: Some(stream),
            framer: Framer::default(),
        }
    }

    pub(super) fn stream(&self) -> Option<&Stream> {
        self.stream.as_ref()
    }

    /// Takes in what comes; 0: the client has closed.
    pub(super) async fn read(&mut self) -> io::Result<usize> {
        let Some(stream) = &mut self.stream else { return Ok(0) };
        let mut piece = [0; CONTROL_READ_BYTES];
        let read = stream.read(&mut piece).await?;
        self.framer.put(&piece[..read]);
        Ok(read)
    }

    /// Sends a reply.
    ///
    /// # Errors
    /// The client is gone or takes nothing; why, for the journal.
    pub(super) async fn say(&mut self, reply: &Reply) -> Result<(), String> {
        let Some(stream) = &mut self.stream else {
            return Err("the connection is gone".to_owned());
        };
        let bytes = reply.to_bytes();
        let saying = async {
            stream.write_all(&bytes).await?;
            stream.flush().await
        };
        match timeout(REPLY_MAX, saying).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(format!("the connection broke: {error}")),
            Err(_) => Err("the client took no reply".to_owned()),
        }
    }

    /// Puts TLS round it. What came in clear and was not looked at is forgotten.
    ///
    /// # Errors
    /// The handshake failed, or took longer than `deadline`.
    pub(super) async fn secure(
        &mut self,
        config: Arc<rustls::ServerConfig>,
        deadline: Duration,
        mark: &[u8],
    ) -> io::Result<()> {
        self.framer.clear();
        let gone = || io::Error::new(io::ErrorKind::NotConnected, "the connection is gone");
        let stream = self.stream.take().ok_or_else(gone)?;
        self.stream = Some(stream.secure_marked(config, deadline, mark).await?);
        Ok(())
    }

    /// Ends it in order.
    pub(super) async fn close(&mut self) {
        if let Some(stream) = &mut self.stream {
            let _ = timeout(GOODBYE, stream.shutdown()).await;
        }
    }
}
