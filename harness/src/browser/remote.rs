//! Ending a session of a driver that is not ours, without a runtime: it is needed in destructors and when a signal ends us.

use std::{
    io::{self, Read as _, Write as _},
    net::{TcpStream, ToSocketAddrs as _},
    time::Duration,
};

use http::Uri;

/// How long each of connecting, writing and reading may take.
const LIMIT: Duration = Duration::from_secs(2);

/// A session of a driver that is not ours.
pub(super) struct RemoteSession {
    /// The driver's address, as in `http://127.0.0.1:4444`.
    pub driver: String,
    /// The session's id.
    pub id: String,
}

impl RemoteSession {
    /// Deletes it (WebDriver, section 8.2). A driver that does not answer has taken its sessions with it.
    pub(super) fn end(self) {
        let _ = self.delete();
    }

    fn delete(&self) -> io::Result<()> {
        let address: Uri = self.driver.parse().map_err(io::Error::other)?;
        let host = address.host().unwrap_or_default();
        let port = address.port_u16().unwrap_or(80);
        let path = address.path().trim_end_matches('/');
        let found = (host.trim_matches(['[', ']']), port)
            .to_socket_addrs()?
            .next();
        let found = found.ok_or_else(|| io::Error::other("the driver's host has no address"))?;
        let mut stream = TcpStream::connect_timeout(&found, LIMIT)?;
        stream.set_write_timeout(Some(LIMIT))?;
        stream.set_read_timeout(Some(LIMIT))?;
        let id = &self.id;
        write!(
            stream,
            "DELETE {path}/session/{id} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
        )?;
        // The first byte of the answer says that it is done.
        stream.read_exact(&mut [0]).map(drop)
    }
}
