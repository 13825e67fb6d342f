//! Lines are answered in the order in which they came; while a job runs they wait, but for what may not wait: ABOR,
//! STAT, NOOP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use super::job::{Job, Kind, Outcome};
use super::{Connection, Reason};
use crate::auth::Joined;
use crate::catalog::PassiveAddress;
use crate::protocols::ftp::data::passive::{Expected, Lease};
use crate::protocols::ftp::data::stream::Gauge;
use crate::protocols::ftp::data::{Opening, Privacy};
use crate::protocols::ftp::limits::{BAD_LINES_MAX, CONTROL_HANDSHAKE_MAX, LOOKUP_MAX};
use crate::protocols::ftp::login;
use crate::protocols::ftp::state::{Door, PassiveForm, Step, Task, Transfer};
use crate::protocols::ftp::transfer::{self, Ended, Received, Work};
use crate::protocols::ftp::verbs::{self, Context, Done};
use crate::protocols::ftp::wire::{Command, Line, Reply, address, command};
use crate::protocols::node::{Arrival, NotBegun};
use crate::session::Principal;

impl Connection {
    /// Answers what waits, until a job runs.
    pub(super) async fn answer_all(&mut self) -> Result<(), Reason> {
        while self.job.is_none() {
            let Some(line) = self.lines.pop_front() else {
                return Ok(());
            };
            self.answer(line).await?;
        }
        Ok(())
    }

    async fn answer(&mut self, line: Line) -> Result<(), Reason> {
        self.active_at = Instant::now();
        match self.state.line(line) {
            Step::Reply(reply) => {
                self.bad_lines += u32::from(reply.code == 500);
                self.say(&reply).await?;
                if self.bad_lines > BAD_LINES_MAX {
                    return Err(self.goodbye("too many lines that are no commands").await);
                }
                Ok(())
            }
            Step::Quit(reply) => {
                self.say(&reply).await?;
                self.control.close().await;
                Err("the client ended the session".to_owned())
            }
            Step::Secure(private) => self.begin_tls(private).await,
            Step::Certify(user) => self.certify(user).await,
            Step::Prove(user, password) => {
                self.prove(user, password);
                Ok(())
            }
            Step::Restart(reply) => self.restart(reply).await,
            Step::OpenPassive(form) => self.open_passive(form).await,
            Step::Task(task) => {
                self.ask(task);
                Ok(())
            }
            Step::Transfer(transfer) => self.transfer(transfer).await,
            Step::Status => {
                let reply = self.status();
                self.say(&reply).await
            }
        }
    }

    /// Bytes came.
    pub(super) async fn received(&mut self, read: io::Result<usize>) -> Result<(), Reason> {
        match read {
            Ok(0) => self.gone = true,
            Ok(_) => {}
            Err(error) if self.job.is_none() => return Err(format!("the connection broke: {error}")),
            Err(_) => self.gone = true,
        }
        loop {
            match self.control.framer.next_line() {
                Ok(Some(line)) => self.arrived(line).await?,
                Ok(None) => break,
                Err(_) => return Err(self.goodbye("a line has no end").await),
            }
        }
        let is_transfer = self.job.as_ref().is_some_and(Job::is_transfer);
        if self.gone && is_transfer && !self.quits {
            // Nobody is there any more to whom it matters.
            return Err("the client ended the connection in a transfer".to_owned());
        }
        Ok(())
    }

    /// A line came; what may not wait is answered at once, if nothing before it waits.
    async fn arrived(&mut self, line: Line) -> Result<(), Reason> {
        let command = match &line {
            Line::Whole(line) => command::parse(line).ok(),
            _ => None,
        };
        let Some(job) = &self.job else {
            self.quits |= command == Some(Command::Quit);
            self.lines.push_back(line);
            return Ok(());
        };
        let first = self.lines.is_empty();
        match command {
            Some(Command::Abor) if job.may_end() => {
                let is_transfer = job.is_transfer();
                self.lines.push_back(line);
                if is_transfer {
                    self.stop_job("the transfer was aborted").await;
                } else {
                    self.job = None;
                    self.say(&Reply::new(426, "It was ended.")).await?;
                }
                Ok(())
            }
            Some(Command::Noop) if first && job.may_end() => self.say(&Reply::new(200, "A command runs.")).await,
            Some(Command::Stat(None)) if first && job.may_end() => {
                let reply = self.status();
                self.say(&reply).await
            }
            command => {
                self.quits |= command == Some(Command::Quit);
                self.lines.push_back(line);
                Ok(())
            }
        }
    }

    fn status(&self) -> Reply {
        let mut lines = vec![format!("Client: {}", self.peer).into_bytes()];
        if let Some(registered) = &self.registered {
            lines.push(format!("Account: {}", registered.session().account()).into_bytes());
        }
        lines.extend(self.state.shown());
        if let Some(bytes) = self.job.as_ref().and_then(Job::bytes) {
            lines.push(format!("A transfer runs: {bytes} bytes so far").into_bytes());
        }
        Reply::many(211, "The session:", lines, "End")
    }

    /// TLS round the control connection.
    ///
    /// # Errors
    /// Why it failed.
    pub(super) async fn secure(&mut self) -> Result<(), String> {
        // Who has not signed in after the grace is sent away: a handshake is no way round that.
        let grace = self.grace_at.saturating_duration_since(Instant::now());
        let deadline = grace.min(CONTROL_HANDSHAKE_MAX);
        let source = self.service.tls.clone().ok_or("the service has no certificate")?;
        let secured = self.control.secure(source()?, deadline, &self.mark).await;
        secured.map_err(|error| error.to_string())?;
        let chain = self
            .control
            .stream()
            .map(|stream| stream.client_chain())
            .unwrap_or_default();
        let authenticator = &self.service.node.authenticator;
        let shown = authenticator.shown_certificate(chain, &self.service.name);
        self.certificate = shown.map_err(|refused| refused.reason)?;
        if self.certificate.is_some() {
            self.state.certified();
        }
        Ok(())
    }

    async fn begin_tls(&mut self, private: bool) -> Result<(), Reason> {
        let usable = match &self.service.tls {
            Some(source) => source().map(drop),
            None => Err("the service has no certificate".to_owned()),
        };
        if let Err(reason) = usable {
            tracing::warn!(service = %self.service.name, reason, "no TLS");
            return self
                .say(&Reply::new(431, "There is no TLS just now; try again later."))
                .await;
        }
        // Whatever was sent in clear after AUTH is not the client's, or should not be.
        self.lines.clear();
        self.say(&Reply::new(234, "TLS begins.")).await?;
        self.secure().await.map_err(|reason| format!("no TLS: {reason}"))?;
        self.state.secured(private);
        Ok(())
    }

    fn prove(&mut self, user: String, password: Zeroizing<String>) {
        let (service, peer, before) = (self.service.clone(), self.peer, self.proven.take());
        self.job = Some(Job::new(Kind::Short, async move {
            let proven = login::prove(service, user.clone(), password, peer, before).await;
            Outcome::Proven(user, proven)
        }));
    }

    /// USER with a certificate: it lets in (232), or the password is asked for all the same (RFC 4217, section 11).
    async fn certify(&mut self, user: String) -> Result<(), Reason> {
        let Some(certificate) = &self.certificate else {
            return self.say(&Reply::new(331, "The password, please.")).await;
        };
        self.proven = None;
        match login::by_certificate(&self.service, &user, certificate, self.peer) {
            Ok(Joined::Enough(principal)) => self.begin(&user, Ok(principal), "certificate").await,
            Ok(Joined::Partly(principal, _)) => {
                self.proven = Some(principal);
                self.say(&Reply::new(331, "The password too, please.")).await
            }
            Err(reason) => {
                tracing::debug!(user, reason, "the certificate lets nobody in");
                self.say(&Reply::new(331, "The password, please.")).await
            }
        }
    }

    async fn proven(&mut self, user: String, proven: Result<Principal, String>) -> Result<(), Reason> {
        self.begin(&user, proven, "password").await
    }

    async fn begin(
        &mut self,
        user: &str,
        proven: Result<Principal, String>,
        method: &'static str,
    ) -> Result<(), Reason> {
        let proven = proven.map(|principal| match &self.certificate {
            Some(certificate) => principal.within(certificate),
            None => principal,
        });
        let welcome = if method == "password" { 230 } else { 232 };
        let user = user.to_owned();
        let protocol = self.protocol();
        let begun = proven.map_err(NotBegun::Refused).and_then(|principal| {
            self.service.node.begin(Arrival {
                principal,
                peer: self.peer,
                service: &self.service.name,
                settings: &self.settings.spec,
                protocol,
                method,
            })
        });
        match begun {
            Ok(registered) => {
                self.registered = Some(registered);
                self.permit = None;
                self.state.signed_in();
                self.active_at = Instant::now();
                self.say(&Reply::new(welcome, "Welcome.")).await
            }
            Err(NotBegun::TooMany(limit)) => {
                let text = limit.to_string();
                login::refused(&self.service, &user, self.peer, (protocol, method), text.clone());
                Err(self.goodbye(&text).await)
            }
            Err(NotBegun::Refused(reason)) => {
                login::refused(&self.service, &user, self.peer, (protocol, method), reason);
                self.state.refused();
                self.attempts += 1;
                if self.attempts >= self.settings.spec.login_attempts_max {
                    return Err(self.goodbye("too many failed tries").await);
                }
                self.say(&Reply::new(530, "Not signed in.")).await
            }
        }
    }

    async fn restart(&mut self, reply: Reply) -> Result<(), Reason> {
        self.lease = None;
        if let Some(registered) = self.registered.take() {
            self.service.node.ended(&registered, "the client began anew".to_owned());
            let grace = self.settings.spec.login_grace_seconds;
            self.grace_at = Instant::now() + Duration::from_secs(grace.into());
        }
        self.say(&reply).await
    }

    /// A place at a passive port.
    fn lease(&self) -> Result<Lease, Reply> {
        let own = self
            .control
            .stream()
            .and_then(|stream| stream.socket().local_addr().ok());
        let own = own.ok_or_else(|| Reply::new(425, "The connection is gone."))?;
        let ftp = &self.settings.spec.ftp;
        let expected = Expected {
            client: self.peer.ip(),
            peer: if self.state.is_private() {
                ftp.data_peer
            } else {
                ftp.data_peer.without_tls()
            },
            balancers: self.balancers.clone(),
        };
        let passive = &self.service.shared.passive;
        let leased = passive.lease(own.ip().to_canonical(), ftp.passive_ports, expected);
        leased.map_err(|error| {
            tracing::warn!(service = %self.service.name, %error, "no passive port");
            Reply::new(425, "No port is free; try again later.")
        })
    }

    async fn open_passive(&mut self, form: PassiveForm) -> Result<(), Reason> {
        self.lease = None;
        match self.lease() {
            Ok(lease) => self.lease = Some(lease),
            Err(reply) => return self.say(&reply).await,
        }
        if form == PassiveForm::Extended {
            let port = self.lease.as_ref().map_or(0, |lease| lease.port);
            self.state.opened_passive();
            return self
                .say(&Reply::new(229, format!("Entering Extended Passive Mode (|||{port}|)")))
                .await;
        }
        let spec = &self.settings.spec;
        match spec.passive_address_for(&self.service.node.name, self.peer.ip()) {
            PassiveAddress::Connection => self.told(v4(self.local)).await,
            PassiveAddress::Address(address) => self.told(Ok(*address)).await,
            PassiveAddress::Name(name) => {
                let name = name.clone();
                self.job = Some(Job::new(
                    Kind::Short,
                    async move { Outcome::Address(look_up(&name).await) },
                ));
                Ok(())
            }
        }
    }

    /// The client is told where to go.
    async fn told(&mut self, address: Result<Ipv4Addr, Reply>) -> Result<(), Reason> {
        let reply = match (address, &self.lease) {
            (Ok(address), Some(lease)) => {
                let shown = address::show_port(SocketAddrV4::new(address, lease.port));
                self.state.opened_passive();
                Reply::new(227, format!("Entering Passive Mode ({shown})."))
            }
            (Err(reply), _) => reply,
            (Ok(_), None) => Reply::new(425, "No port is free; try again later."),
        };
        self.say(&reply).await
    }

    fn context(&self) -> Option<Context> {
        let registered = self.registered.as_ref()?;
        Some(Context {
            vfs: self.service.node.vfs.clone(),
            session: registered.session().clone(),
            clock: self.service.node.clock.clone(),
        })
    }

    fn ask(&mut self, task: Task) {
        let Some(context) = self.context() else { return };
        let is_question = matches!(task, Task::Hash(..) | Task::Xhash(..) | Task::List(_));
        let kind = if is_question { Kind::Question } else { Kind::Short };
        self.job = Some(Job::new(kind, async move {
            Outcome::Task(verbs::perform(context, task).await)
        }));
    }

    async fn transfer(&mut self, transfer: Transfer) -> Result<(), Reason> {
        let own = self
            .control
            .stream()
            .and_then(|stream| stream.socket().local_addr().ok());
        let opening = match (transfer.door, self.lease.take(), own) {
            (Door::Passive, Some(lease), _) => Opening::Passive(lease),
            (Door::Active(to), _, Some(own)) => Opening::Active(to, own.ip()),
            _ => {
                return self
                    .say(&Reply::new(425, "PASV, EPSV, PORT or EPRT comes first."))
                    .await;
            }
        };
        let Some(context) = self.context() else {
            return self.say(&Reply::new(530, "Sign in first.")).await;
        };
        if self.drained_at.is_some() {
            return self.end_drained().await;
        }
        let config = self.control.stream().and_then(|stream| stream.tls_config().cloned());
        let ftp = &self.settings.spec.ftp;
        let privacy = match (transfer.private, config) {
            (false, _) => None,
            (true, Some(config)) => Some(Privacy {
                config,
                mark: self.mark,
                peer: ftp.data_peer,
                client: self.peer.ip(),
                shown: self.certificate.as_ref().map(|certificate| certificate.fingerprint),
            }),
            (true, None) => return self.say(&Reply::new(425, "There is no TLS to go by.")).await,
        };
        let gauge = Arc::new(Gauge::default());
        let (say, said) = mpsc::channel(1);
        let work = Work {
            context,
            transfer,
            opening,
            privacy,
            gauge: gauge.clone(),
            buffers: self.service.shared.buffers.clone(),
            lenient: ftp.lenient_tls_end,
            say,
        };
        let job = Job::new(
            Kind::Transfer,
            async move { Outcome::Transfer(transfer::run(work).await) },
        );
        self.job = Some(job.watched(gauge, said));
        Ok(())
    }

    /// A job is done.
    pub(super) async fn done(&mut self, outcome: Outcome) -> Result<(), Reason> {
        let unheard = self.job.as_mut().and_then(Job::unheard);
        self.job = None;
        self.active_at = Instant::now();
        if let Some(reply) = unheard {
            self.say(&reply).await?;
        }
        match outcome {
            Outcome::Proven(user, proven) => self.proven(user, proven).await?,
            Outcome::Address(address) => self.told(address).await?,
            Outcome::Task(Done { reply, change }) => {
                if let Some(change) = change {
                    self.state.done(change);
                }
                self.say(&reply).await?;
            }
            Outcome::Transfer(Ended::Received(received)) => return self.publish(received).await,
            Outcome::Transfer(Ended::Reply(reply)) | Outcome::Published(reply) => self.say(&reply).await?,
        }
        self.end_drained().await
    }

    /// Publishes an upload, unless its client is gone without having said that this was all: a process that was
    /// killed closes both its connections.
    async fn publish(&mut self, received: Received) -> Result<(), Reason> {
        if !received.is_sure && !self.gone {
            while let Some(read) = self.control.read().now_or_never() {
                self.received(read).await?;
                if self.gone {
                    break;
                }
            }
        }
        if !received.is_sure && self.gone && !self.quits {
            drop(received);
            return Err("the client was gone at the end of an upload, which was not published".to_owned());
        }
        let Some(context) = self.context() else { return Ok(()) };
        self.job = Some(Job::new(Kind::Short, async move {
            Outcome::Published(transfer::publish(received, &context.session).await)
        }));
        Ok(())
    }
}

fn v4(address: IpAddr) -> Result<Ipv4Addr, Reply> {
    match address {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(_) => Err(Reply::new(425, "There is no IPv4 address to tell; use EPSV.")),
    }
}

async fn look_up(name: &str) -> Result<Ipv4Addr, Reply> {
    let none = || Reply::new(425, "The address to connect to is not known just now; try EPSV.");
    let found = timeout(LOOKUP_MAX, tokio::net::lookup_host((name, 0))).await;
    let found = found.map_err(|_| none())?.map_err(|error| {
        tracing::warn!(name, %error, "a passive address was not found");
        none()
    })?;
    found
        .filter_map(|address| match address.ip() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })
        .next()
        .ok_or_else(none)
}
