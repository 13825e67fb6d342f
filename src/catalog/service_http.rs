//! How HTTP is spoken by a service: what is served, and how long clients may take.
//!
//! What all services have is in `service`; certificates, in `service_tls`.

/// How HTTP is spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// The file manager for people, at `/`.
    pub file_manager: bool,
    /// The file API for programs, under `/api/files/v1`.
    pub file_api: bool,
    /// WebDAV, under `/dav`.
    pub webdav: bool,
    /// Every request is sent on to HTTPS at this port instead of being served (kind `http` alone).
    pub redirect_port: Option<u16>,
    /// Seconds that browsers shall remember to come by HTTPS alone (kind `https` alone); 0: not said.
    pub hsts_seconds: u32,
    /// Seconds in which the head of a request must have come.
    pub header_seconds: u32,
    /// Seconds in which a body must move a byte, in either direction.
    pub body_idle_seconds: u32,
    /// The most bytes of one uploaded body; 0: as many as the account may upload.
    pub body_bytes_max: u64,
    /// Seconds after which a person signed in with a browser must do so again.
    pub web_session_seconds: u32,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            file_manager: true,
            file_api: true,
            webdav: true,
            redirect_port: None,
            hsts_seconds: 31_536_000,
            header_seconds: 20,
            body_idle_seconds: 120,
            body_bytes_max: 0,
            web_session_seconds: 12 * 3600,
        }
    }
}
