//! Options of how a service speaks HTTP: what it serves, and how long clients may take.

use clap::Args;

use super::error::CliError;
use super::input;
use super::noun::{Fields, Given, put};

const HEADING: &str = "HTTP";

/// How HTTP is spoken.
#[derive(Debug, Default, Args)]
pub struct HttpArgs {
    /// Serve the file manager for people at / (true or false)
    #[arg(long, value_name = "BOOL", help_heading = HEADING)]
    file_manager: Option<bool>,
    /// Serve the file API for programs under /api/files/v1 (true or false)
    #[arg(long, value_name = "BOOL", help_heading = HEADING)]
    file_api: Option<bool>,
    /// Serve WebDAV under /dav (true or false)
    #[arg(long, value_name = "BOOL", help_heading = HEADING)]
    webdav: Option<bool>,
    /// Send every request on to HTTPS at this port (kind http alone)
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), help_heading = HEADING)]
    redirect_port: Option<u16>,
    /// Seconds that browsers remember to come by HTTPS alone; 0 for not at all
    #[arg(long, value_name = "SECONDS", help_heading = HEADING)]
    hsts: Option<u32>,
    /// Seconds in which the head of a request must have come
    #[arg(long, value_name = "SECONDS", help_heading = HEADING)]
    header_seconds: Option<u32>,
    /// Seconds in which a body must move a byte
    #[arg(long, value_name = "SECONDS", help_heading = HEADING)]
    body_idle: Option<u32>,
    /// The most bytes of one uploaded body, such as 10G; 0 for as many as the account may upload
    #[arg(long, value_name = "BYTES", value_parser = input::bytes, help_heading = HEADING)]
    body_bytes_max: Option<u64>,
    /// Seconds after which a person signed in with a browser must do so again
    #[arg(long, value_name = "SECONDS", help_heading = HEADING)]
    web_session: Option<u32>,
}

impl Given for HttpArgs {
    fn given(self, _whose: &str) -> Result<Fields, CliError> {
        let mut http = Fields::new();
        put(&mut http, "file_manager", self.file_manager);
        put(&mut http, "file_api", self.file_api);
        put(&mut http, "webdav", self.webdav);
        put(&mut http, "redirect_port", self.redirect_port);
        put(&mut http, "hsts_seconds", self.hsts);
        put(&mut http, "header_seconds", self.header_seconds);
        put(&mut http, "body_idle_seconds", self.body_idle);
        put(&mut http, "body_bytes_max", self.body_bytes_max);
        put(&mut http, "web_session_seconds", self.web_session);
        let mut fields = Fields::new();
        put(&mut fields, "http", (!http.is_empty()).then_some(http));
        Ok(fields)
    }
}
