//! A small client that does what it is told, also what no client should do.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

pub(super) trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}

pub(super) struct Client {
    stream: Option<Box<dyn Bytes>>,
    pub(super) connector: TlsConnector,
    pub(super) private: bool,
    /// Where passive data connections go.
    pub(super) host: IpAddr,
}

const PATIENCE: Duration = Duration::from_secs(30);

impl Client {
    pub(super) fn new(stream: impl Bytes + 'static, connector: TlsConnector) -> Self {
        Self {
            stream: Some(Box::new(stream)),
            connector,
            private: false,
            host: Ipv4Addr::LOCALHOST.into(),
        }
    }

    pub(super) fn stream(&mut self) -> &mut Box<dyn Bytes> {
        self.stream.as_mut().unwrap()
    }

    /// The connection itself, for who goes on by itself.
    pub(super) fn take(&mut self) -> Box<dyn Bytes> {
        self.stream.take().unwrap()
    }

    /// One line; `None`: the server has closed.
    async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        loop {
            match self.stream().read_u8().await {
                Ok(b'\n') => return Some(String::from_utf8_lossy(&line).trim_end().to_owned()),
                Ok(byte) => line.push(byte),
                Err(_) => return None,
            }
        }
    }

    /// The next reply; code 0: the server has closed.
    pub(super) async fn reply(&mut self) -> (u16, String) {
        timeout(PATIENCE, self.reply_lines()).await.expect("no reply in time")
    }

    async fn reply_lines(&mut self) -> (u16, String) {
        let Some(first) = self.line().await else {
            return (0, String::new());
        };
        let code = first[..3].parse().unwrap();
        let mut text = first.clone();
        if first.as_bytes()[3] == b'-' {
            let end = format!("{code} ");
            while let Some(line) = self.line().await {
                text.push('\n');
                text.push_str(&line);
                if line.starts_with(&end) {
                    break;
                }
            }
        }
        (code, text)
    }

    pub(super) async fn send(&mut self, line: &str) {
        let line = format!("{line}\r\n");
        self.stream().write_all(line.as_bytes()).await.unwrap();
        self.stream().flush().await.unwrap();
    }

    /// The reply's code; `None`: the connection is gone.
    pub(super) async fn try_code(&mut self, line: &str) -> Option<u16> {
        let line = format!("{line}\r\n");
        self.stream().write_all(line.as_bytes()).await.ok()?;
        self.stream().flush().await.ok()?;
        Some(self.reply().await.0).filter(|code| *code != 0)
    }

    pub(super) async fn ask(&mut self, line: &str) -> (u16, String) {
        self.send(line).await;
        self.reply().await
    }

    pub(super) async fn code(&mut self, line: &str) -> u16 {
        self.ask(line).await.0
    }

    pub(super) async fn sign_in(&mut self) {
        assert_eq!(self.code("USER alice").await, 331);
        assert_eq!(self.ask("PASS secret").await.0, 230);
        assert_eq!(self.code("TYPE I").await, 200);
    }

    /// AUTH TLS.
    pub(super) async fn secure(&mut self) {
        assert_eq!(self.code("AUTH TLS").await, 234);
        self.begin_tls().await;
    }

    pub(super) async fn begin_tls(&mut self) {
        let stream = self.stream.take().unwrap();
        self.stream = Some(self.tls(stream).await);
        self.private = true;
    }

    async fn tls(&self, stream: impl Bytes + 'static) -> Box<dyn Bytes> {
        let host = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        Box::new(self.connector.connect(host, stream).await.unwrap())
    }

    /// EPSV's port.
    pub(super) async fn port(&mut self) -> u16 {
        let (code, text) = self.ask("EPSV").await;
        assert_eq!(code, 229, "{text}");
        let port = text.split("|||").nth(1).unwrap();
        port.trim_end_matches("|)").parse().unwrap()
    }

    /// A passive data connection, in clear as yet.
    pub(super) async fn passive(&mut self) -> TcpStream {
        let port = self.port().await;
        TcpStream::connect((self.host, port)).await.unwrap()
    }

    /// The data connection as the session has it, once the transfer has begun.
    pub(super) async fn wrapped(&self, stream: TcpStream) -> Box<dyn Bytes> {
        if self.private {
            self.tls(stream).await
        } else {
            Box::new(stream)
        }
    }

    /// Begins a transfer; its data connection.
    pub(super) async fn begin(&mut self, line: &str) -> Box<dyn Bytes> {
        let stream = self.passive().await;
        let (code, text) = self.ask(line).await;
        assert_eq!(code, 150, "{text}");
        self.wrapped(stream).await
    }

    /// A whole download; the reply's code and the bytes.
    pub(super) async fn download(&mut self, line: &str) -> (u16, Vec<u8>) {
        let stream = self.passive().await;
        let (code, _) = self.ask(line).await;
        if code != 150 {
            return (code, Vec::new());
        }
        let mut stream = self.wrapped(stream).await;
        let mut content = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut content)).await.unwrap();
        assert!(read.is_ok(), "{read:?}");
        drop(stream);
        (self.reply().await.0, content)
    }

    /// A whole upload; the reply's code.
    pub(super) async fn upload(&mut self, line: &str, content: &[u8]) -> u16 {
        let stream = self.passive().await;
        let (code, _) = self.ask(line).await;
        if code != 150 {
            return code;
        }
        let mut stream = self.wrapped(stream).await;
        stream.write_all(content).await.unwrap();
        stream.shutdown().await.unwrap();
        self.reply().await.0
    }
}
