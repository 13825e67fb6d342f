//! How a service speaks HTTP, in format version 1.

use serde::{Deserialize, Serialize};

use crate::catalog::HttpSettings;

#[derive(Serialize, Deserialize)]
pub(super) struct HttpSettingsV1 {
    file_manager: bool,
    file_api: bool,
    webdav: bool,
    redirect_port: Option<u16>,
    hsts_seconds: u32,
    header_seconds: u32,
    body_idle_seconds: u32,
    body_bytes_max: u64,
    web_session_seconds: u32,
}

impl From<&HttpSettings> for HttpSettingsV1 {
    fn from(http: &HttpSettings) -> Self {
        Self {
            file_manager: http.file_manager,
            file_api: http.file_api,
            webdav: http.webdav,
            redirect_port: http.redirect_port,
            hsts_seconds: http.hsts_seconds,
            header_seconds: http.header_seconds,
            body_idle_seconds: http.body_idle_seconds,
            body_bytes_max: http.body_bytes_max,
            web_session_seconds: http.web_session_seconds,
        }
    }
}

impl From<HttpSettingsV1> for HttpSettings {
    fn from(stored: HttpSettingsV1) -> Self {
        Self {
            file_manager: stored.file_manager,
            file_api: stored.file_api,
            webdav: stored.webdav,
            redirect_port: stored.redirect_port,
            hsts_seconds: stored.hsts_seconds,
            header_seconds: stored.header_seconds,
            body_idle_seconds: stored.body_idle_seconds,
            body_bytes_max: stored.body_bytes_max,
            web_session_seconds: stored.web_session_seconds,
        }
    }
}
