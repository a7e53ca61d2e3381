//! [`Session`]: TLS over a socket.

use std::io::{self, ErrorKind, Read, Write};

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::super::primitives::{Arc, OnceLock};
use super::socket::{Line, Socket};

/// A socket, and what rustls has to say about its bytes.
///
/// A deadline may come anywhere, in the middle of a record, too: rustls keeps what it has, and the
/// next call goes on.
pub(super) struct Session {
    socket: Socket,
    tls: ClientConnection,
}

impl Session {
    /// Over a socket that is connected to the server of this name. The handshake is made by the
    /// first calls that read and write.
    pub(super) fn new(socket: Socket, name: &str, trust: &Trust) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| io::Error::new(ErrorKind::InvalidInput, "TLS needs the name of a host, or an address"))?;
        let tls = ClientConnection::new(trust.config()?, name).map_err(io::Error::other)?;
        Ok(Self { socket, tls })
    }

    pub(super) fn line(&self) -> &Arc<Line> {
        self.socket.line()
    }

    pub(super) fn write(&mut self, bytes: &[u8], deadline: u64) -> io::Result<usize> {
        self.socket.deadline = deadline;
        // What was taken before goes out first, so that what is taken is bounded.
        self.send()?;
        let taken = self.tls.writer().write(bytes)?;
        // It has been taken, whatever comes of sending it. An error comes again with the next call,
        // and what is left goes out with it.
        let _ = self.send();
        Ok(taken)
    }

    pub(super) fn read(&mut self, buffer: &mut [u8], deadline: u64) -> io::Result<usize> {
        self.socket.deadline = deadline;
        loop {
            self.send()?;
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            self.receive()?;
        }
    }

    /// Sends all that rustls has to send, the handshake first.
    fn send(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.socket)?;
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<()> {
        self.tls.read_tls(&mut self.socket)?;
        match self.tls.process_new_packets() {
            Ok(_) => Ok(()),
            Err(error) => {
                let _ = self.send(); // the alert that tells the server
                Err(io::Error::new(ErrorKind::InvalidData, error))
            }
        }
    }
}

/// Which certificates are believed: those that the system trusts, or those that `SSL_CERT_FILE` and
/// `SSL_CERT_DIR` name. They are read when the first connection is opened.
pub(super) struct Trust(OnceLock<Arc<ClientConfig>>);

impl Trust {
    pub(super) fn new() -> Self {
        Self(OnceLock::new())
    }

    fn config(&self) -> io::Result<Arc<ClientConfig>> {
        if let Some(config) = self.0.get() {
            return Ok(config.clone());
        }
        let config = read_config()?;
        Ok(self.0.get_or_init(|| config).clone())
    }
}

fn read_config() -> io::Result<Arc<ClientConfig>> {
    let found = rustls_native_certs::load_native_certs();
    // One that cannot be read is no reason to fail while there are others.
    if let (true, Some(error)) = (found.certs.is_empty(), found.errors.first()) {
        return Err(io::Error::other(format!("the root certificates cannot be read: {error}")));
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    // The program's choice, if it has made one.
    let provider = CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()));
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
