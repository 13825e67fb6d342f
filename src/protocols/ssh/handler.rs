//! What russh asks of us on one connection: logins, channels, bytes. Runs inside russh's loop, so it never waits for
//! a file or for the peer.
//!
//! When the connection ends is left to `connection`; what a login takes, to `proving`; the words of SFTP, to `sftp`;
//! what runs on an exec request, to `program`.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use russh::keys::Certificate;
use russh::server::{Auth, ChannelOpenHandle, Handle, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, Pty, Sig};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::connection::Order;
use super::intake::Intake;
use super::limits::{ANSWERS_MAX, CHANNELS_MAX, STALL_MAX, TEXT_BYTES_MAX};
use super::line::Line;
use super::login::Login;
use super::program::{self, ProgramChannel};
use super::{Ready, SshService};
use crate::listener::Accepted;
use crate::protocols::scp::command::OFFERED;
use crate::protocols::scp::{self, Refused};
use crate::protocols::sftp::flow::Flow;
use crate::protocols::sftp::inbox::Inbox;
use crate::protocols::sftp::{self, Ended, Gone, Outlet};

/// The protocol's name in logins, and in sessions and events as long as nothing else was asked for.
pub(super) const PROTOCOL: &str = "sftp";

/// One connection, as russh sees it.
pub(super) struct Connection {
    pub(super) service: Arc<SshService>,
    pub(super) peer: std::net::SocketAddr,
    pub(super) line: Arc<Line>,
    pub(super) flow: Arc<Flow>,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) ready: Arc<Ready>,
    pub(super) login: Login,
    pub(super) session: Option<Arc<crate::session::Session>>,
    /// Why a proven user gets no session: said on the way out.
    pub(super) too_many: Option<String>,
    channels: HashMap<ChannelId, Subsystem>,
}

/// What a channel is used for.
enum Subsystem {
    /// Nothing yet.
    None { packet_bytes: usize },
    /// SFTP.
    Sftp { inbox: Arc<Inbox>, worker: Worker },
    /// A program.
    Program { intake: Arc<Intake>, worker: Worker },
}

impl Subsystem {
    /// Whether it has closed its channel. russh tells only of channels that the peer closes first.
    fn has_ended(&self) -> bool {
        match self {
            Self::None { .. } => false,
            Self::Sftp { worker, .. } | Self::Program { worker, .. } => worker.0.is_finished(),
        }
    }
}

/// Ends its task when dropped.
struct Worker(JoinHandle<()>);

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    pub(super) fn new(
        service: Arc<SshService>,
        ready: Arc<Ready>,
        accepted: &Accepted,
        line: Arc<Line>,
        flow: Arc<Flow>,
        orders: mpsc::Sender<Order>,
    ) -> Self {
        Self {
            service,
            ready,
            peer: accepted.peer,
            line,
            flow,
            orders,
            login: Login::default(),
            session: None,
            too_many: None,
            channels: HashMap::new(),
        }
    }

    /// Refuses what would run a program: says why on the peer's terminal, and ends as a program that failed.
    /// Clients do not show the text if the request itself is answered by a failure.
    fn refuse_program(
        &mut self,
        channel: ChannelId,
        refused: &Refused,
        russh: &mut Session,
    ) -> Result<(), russh::Error> {
        // Something runs there already: one channel serves one thing (RFC 4254, 6.5).
        if !matches!(self.channels.get(&channel), Some(Subsystem::None { .. })) {
            return russh.channel_failure(channel);
        }
        self.channels.remove(&channel);
        russh.channel_success(channel)?;
        russh.extended_data(channel, 1, program::refusal(refused))?;
        russh.exit_status_request(channel, refused.status)?;
        russh.eof(channel)?;
        russh.close(channel)
    }

    fn outlet(&self, channel: ChannelId, handle: &Handle) -> ChannelOutlet {
        ChannelOutlet {
            handle: handle.clone(),
            channel,
            line: self.line.clone(),
            orders: self.orders.clone(),
        }
    }

    fn start_program(&mut self, channel: ChannelId, program: scp::Program, russh: &Session) -> Option<Subsystem> {
        let context = scp::Context {
            vfs: self.service.node.vfs.clone(),
            session: self.session.clone()?,
        };
        context.session.speaks(program.protocol());
        let intake = Intake::new(self.flow.clone());
        let running = ProgramChannel {
            outlet: self.outlet(channel, &russh.handle()),
            intake: intake.clone(),
            flow: self.flow.clone(),
        };
        let worker = tokio::spawn(program::run(program, context, running));
        Some(Subsystem::Program {
            intake,
            worker: Worker(worker),
        })
    }

    fn start_sftp(&mut self, channel: ChannelId, packet_bytes: usize, russh: &Session) -> Option<Subsystem> {
        let handle = russh.handle();
        let session = self.session.clone()?;
        session.speaks(PROTOCOL);
        let inbox = Inbox::new(self.flow.clone());
        let outlet = self.outlet(channel, &handle);
        let serving = sftp::serve(sftp::Channel {
            vfs: self.service.node.vfs.clone(),
            session: session.clone(),
            clock: self.service.node.clock.clone(),
            inbox: inbox.clone(),
            flow: self.flow.clone(),
            outlet,
            packet_bytes,
            link_first: sftp::sends_link_first(russh.remote_sshid()),
        });
        let worker = tokio::spawn(async move {
            let ended = AssertUnwindSafe(serving).catch_unwind().await.unwrap_or_else(|_| {
                tracing::error!(session = %session.id, "an SFTP channel panicked; only it has ended");
                Ended::Broken("the server failed".to_owned())
            });
            close_channel(&handle, channel, ended).await;
        });
        Some(Subsystem::Sftp {
            inbox,
            worker: Worker(worker),
        })
    }
}

/// What was typed; what is no text matches nothing.
fn answer(typed: Bytes) -> Zeroizing<String> {
    Zeroizing::new(String::from_utf8_lossy(&typed).into_owned())
}

/// Ends a channel as a program ends.
async fn close_channel(handle: &Handle, channel: ChannelId, ended: Ended) {
    let status = match ended {
        Ended::Finished => 0,
        Ended::Broken(reason) => {
            let mut text = format!("SFTP: {reason}\r\n");
            text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
            let _ = handle.extended_data(channel, 1, text).await;
            1
        }
        Ended::Gone => return,
    };
    program::end(handle, channel, status).await;
}

/// What one channel sends, on its way through russh.
pub(super) struct ChannelOutlet {
    pub(super) handle: Handle,
    pub(super) channel: ChannelId,
    line: Arc<Line>,
    orders: mpsc::Sender<Order>,
}

impl Outlet for ChannelOutlet {
    async fn send(&self, chunk: Bytes) -> Result<(), Gone> {
        self.line.reserve(chunk.len()).await;
        self.in_time(self.handle.data(self.channel, chunk)).await
    }
}

impl ChannelOutlet {
    /// Sends to the peer's standard error.
    pub(super) async fn complain(&self, text: Bytes) -> Result<(), Gone> {
        self.line.reserve(text.len()).await;
        self.in_time(self.handle.extended_data(self.channel, 1, text)).await
    }

    /// Waits while the peer takes nothing, but not for ever.
    async fn in_time(&self, sending: impl Future<Output = Result<(), Bytes>>) -> Result<(), Gone> {
        match tokio::time::timeout(STALL_MAX, sending).await {
            Ok(Ok(())) => {
                self.line.touch();
                Ok(())
            }
            Ok(Err(_)) => Err(Gone),
            Err(_) => {
                let _ = self.orders.try_send(Order::Stalled);
                Err(Gone)
            }
        }
    }
}

impl russh::server::Handler for Connection {
    type Error = russh::Error;

    async fn auth_none(&mut self, user: &str) -> Result<Auth, Self::Error> {
        self.login.bind(user);
        Ok(self.reject())
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        Ok(self.by_password(user, password).await)
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        Ok(self.offered(user, offer))
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(self.by_key(user, key))
    }

    async fn auth_openssh_certificate(&mut self, user: &str, certificate: &Certificate) -> Result<Auth, Self::Error> {
        Ok(self.by_certificate(user, certificate))
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let answers = response.map(|response| response.take(ANSWERS_MAX).map(answer).collect());
        Ok(self.by_keyboard(user, answers).await)
    }

    async fn auth_succeeded(&mut self, russh: &mut Session) -> Result<(), Self::Error> {
        match &self.too_many {
            Some(text) => russh.disconnect(Disconnect::TooManyConnections, text, ""),
            None => Ok(()),
        }
    }

    async fn authentication_banner(&mut self) -> Result<Option<String>, Self::Error> {
        let banner = &self.ready.service().banner;
        Ok((!banner.is_empty()).then(|| {
            let mut text = banner.replace("\r\n", "\n").replace('\n', "\r\n");
            text.push_str("\r\n");
            text
        }))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _russh: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channels.retain(|_, subsystem| !subsystem.has_ended());
        if self.session.is_none() || self.channels.len() >= CHANNELS_MAX {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        let packet_bytes = channel.writable_packet_size().await.clamp(1, 64 * 1024);
        self.channels.insert(channel.id(), Subsystem::None { packet_bytes });
        reply.accept().await;
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, _russh: &mut Session) -> Result<(), Self::Error> {
        match self.channels.get(&channel) {
            Some(Subsystem::Sftp { inbox, .. }) => inbox.end(),
            Some(Subsystem::Program { intake, .. }) => intake.end(),
            Some(Subsystem::None { .. }) | None => {}
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _russh: &mut Session) -> Result<(), Self::Error> {
        self.channels.remove(&channel);
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, received: &[u8], _russh: &mut Session) -> Result<(), Self::Error> {
        match self.channels.get(&channel) {
            Some(Subsystem::Sftp { inbox, .. }) => inbox.put(received),
            Some(Subsystem::Program { intake, .. }) => intake.put(received),
            Some(Subsystem::None { .. }) | None => return Ok(()),
        }
        self.line.touch();
        Ok(())
    }

    fn adjust_window(&mut self, _channel: ChannelId, _current: u32) -> u32 {
        self.flow.window()
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        russh: &mut Session,
    ) -> Result<(), Self::Error> {
        let started = match (name, self.channels.get(&channel)) {
            ("sftp", Some(Subsystem::None { packet_bytes })) => self.start_sftp(channel, *packet_bytes, russh),
            _ => None,
        };
        match started {
            Some(subsystem) => {
                self.channels.insert(channel, subsystem);
                russh.channel_success(channel)
            }
            None => russh.channel_failure(channel),
        }
    }

    async fn shell_request(&mut self, channel: ChannelId, russh: &mut Session) -> Result<(), Self::Error> {
        let refused = Refused {
            status: 1,
            text: OFFERED.to_owned(),
        };
        self.refuse_program(channel, &refused, russh)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        russh: &mut Session,
    ) -> Result<(), Self::Error> {
        let program = match scp::command::parse(command) {
            Ok(program) => program,
            Err(refused) => return self.refuse_program(channel, &refused, russh),
        };
        let started = match self.channels.get(&channel) {
            Some(Subsystem::None { .. }) => self.start_program(channel, program, russh),
            _ => None,
        };
        match started {
            Some(subsystem) => {
                self.channels.insert(channel, subsystem);
                russh.channel_success(channel)
            }
            None => russh.channel_failure(channel),
        }
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        russh: &mut Session,
    ) -> Result<(), Self::Error> {
        russh.channel_failure(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        _value: &str,
        russh: &mut Session,
    ) -> Result<(), Self::Error> {
        russh.channel_failure(channel)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        russh: &mut Session,
    ) -> Result<(), Self::Error> {
        russh.channel_failure(channel)
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        russh: &mut Session,
    ) -> Result<(), Self::Error> {
        russh.channel_failure(channel)
    }

    async fn signal(&mut self, channel: ChannelId, _signal: Sig, russh: &mut Session) -> Result<(), Self::Error> {
        russh.channel_failure(channel)
    }
}
