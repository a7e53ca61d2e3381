//! What addresses a name has, in time.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::thread;

use super::super::clock::until;
use super::NO_ANSWER;

/// Looks a name up, and tells why it failed.
///
/// The system's call for it has no time limit, and may take as long as its own settings say. So a
/// thread makes it, and is left to itself at the deadline. An address needs neither.
pub(super) fn resolve(host: &str, port: u16, deadline: u64) -> Result<Vec<SocketAddr>, String> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (sender, receiver) = crossbeam_channel::bounded(1);
    let name = host.to_owned();
    let look_up = move || {
        let _ = sender.send(look_up(&name, port));
    };
    let thread = thread::Builder::new().name("mutextree-resolve".into()).spawn(look_up);
    thread.map_err(|error| format!("no thread to look its name up: {error}"))?;
    match receiver.recv_timeout(until(deadline)) {
        Ok(Ok(addresses)) if addresses.is_empty() => Err("its name has no address".into()),
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(NO_ANSWER.into()),
    }
}

fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    loop {
        match (host, port).to_socket_addrs() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            answer => return answer.map(Iterator::collect),
        }
    }
}
