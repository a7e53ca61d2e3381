//! [`Socket`]: a connected socket whose calls end at a deadline, and are repeated when a signal
//! interrupts them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use socket2::{Domain, SockAddr, Type};

use super::super::clock::until;
use super::super::primitives::{Arc, AtomicBool, OnceLock, Ordering};
use super::bell::Bell;
use super::place::Endpoint;

/// The system is told of no longer one. A call that takes longer is repeated.
const LONGEST: Duration = Duration::from_secs(3600);
/// The system takes a timeout of zero for none.
const SHORTEST: Duration = Duration::from_millis(1);

pub(super) struct Socket {
    line: Arc<Line>,
    told: os::Told,
    /// When the calls of `Read` and `Write` end.
    pub(super) deadline: u64,
}

/// The system's socket: its owner reads and writes, and others may cut it.
pub(super) struct Line {
    socket: socket2::Socket,
    is_cut: AtomicBool,
    bell: OnceLock<Arc<Bell>>,
}

impl Line {
    /// Ends the connection, and wakes the thread that waits for it.
    pub(super) fn cut(&self) {
        // Relaxed: who does not see it finds the socket shut.
        self.is_cut.store(true, Ordering::Relaxed);
        let _ = self.socket.shutdown(Shutdown::Both); // it may be over already
    }

    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    /// From now on a read ends, as at its deadline, when this is rung.
    pub(super) fn hear(&self, bell: Arc<Bell>) {
        let _ = self.bell.set(bell);
    }

    /// The address of the other side, if it has one.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.socket.peer_addr().ok()?.as_socket()
    }
}

impl Socket {
    /// Connects by `deadline`. If there are several addresses each has its share of the time.
    pub(super) fn connect(endpoint: &Endpoint, deadline: u64) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp { addresses, .. } => {
                let mut result = Err(ErrorKind::AddrNotAvailable.into());
                for (at, address) in addresses.iter().enumerate() {
                    let left = until(deadline);
                    if left.is_zero() {
                        return Err(ErrorKind::TimedOut.into());
                    }
                    let share = left / u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
                    result = Self::connect_tcp(*address, share);
                    if result.is_ok() {
                        break;
                    }
                }
                result
            }
            #[cfg(unix)]
            Endpoint::Unix(path) => Self::connect_unix(path, deadline),
            #[cfg(not(unix))]
            Endpoint::Unix(_) => Err(ErrorKind::Unsupported.into()),
        }
    }

    fn connect_tcp(address: SocketAddr, timeout: Duration) -> io::Result<Self> {
        let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.connect_timeout(&SockAddr::from(address), timeout.clamp(SHORTEST, LONGEST))?;
        socket.set_tcp_nodelay(true)?;
        // A connection to a machine that is gone is found out also while nobody waits for it.
        let keepalive =
            socket2::TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10));
        socket.set_tcp_keepalive(&keepalive)?;
        Ok(Self::new(socket))
    }

    #[cfg(unix)]
    fn connect_unix(path: &std::path::Path, deadline: u64) -> io::Result<Self> {
        let address = SockAddr::unix(path)?;
        loop {
            let left = until(deadline);
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            // The call waits while the server's backlog is full, for as long as it may write.
            let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.set_write_timeout(Some(left.clamp(SHORTEST, LONGEST)))?;
            match socket.connect(&address) {
                Ok(()) => return Ok(Self::new(socket)),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn new(socket: socket2::Socket) -> Self {
        let line = Arc::new(Line { socket, is_cut: AtomicBool::new(false), bell: OnceLock::new() });
        Self { line, told: os::Told::default(), deadline: 0 }
    }

    /// By which others can cut it.
    pub(super) fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// The time left until the deadline, which is not zero.
    fn left(&self) -> io::Result<Duration> {
        let left = until(self.deadline);
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

/// A call that only has to be made again: a signal came, or its time was up.
fn is_passing(error: &io::Error) -> bool {
    match error.kind() {
        ErrorKind::Interrupted | ErrorKind::WouldBlock => true,
        // Elsewhere it is the connection that has been given up by the system.
        ErrorKind::TimedOut => cfg!(windows),
        _ => false,
    }
}

impl Read for Socket {
    /// Waits until the deadline at the most.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.left()?;
            if let Some(bell) = self.line.bell.get() {
                match os::read_or_hear(&self.line.socket, buffer, left, bell) {
                    Err(error) if is_passing(&error) => continue,
                    result => return result,
                }
            }
            match os::read(&self.line.socket, buffer, left, &mut self.told) {
                Err(error) if is_passing(&error) => {}
                result => return result,
            }
        }
    }
}

impl Write for Socket {
    /// Waits until the deadline at the most.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let left = self.left()?;
            match os::write(&self.line.socket, bytes, left, &mut self.told) {
                Err(error) if is_passing(&error) => {}
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One wait is made by the call itself if it is long, which saves a call, and by `poll` if it is
/// short: the timeouts of sockets are counted in ticks of some milliseconds. So a long one is told
/// to end before the deadline, and the rest is a short one.
#[cfg(unix)]
mod os {
    use std::io;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::net::{RecvFlags, SendFlags, recv, send};
    use socket2::Socket;

    use super::super::bell::Bell;
    use super::LONGEST;

    /// A wait that is longer than this is long.
    const SHORT: Duration = Duration::from_millis(100);

    /// The timeout of reads that the system was told last.
    #[derive(Default)]
    pub(super) struct Told(Option<Duration>);

    pub(super) fn read(socket: &Socket, buffer: &mut [u8], left: Duration, told: &mut Told) -> io::Result<usize> {
        if left <= SHORT {
            wait(socket, PollFlags::IN, left)?;
            return Ok(recv(socket, buffer, RecvFlags::DONTWAIT)?.0);
        }
        // One that wakes us much too soon costs a repetition, and telling the system of another
        // costs a call for each command whose deadline differs from the one before.
        let longest = (left - SHORT / 2).min(LONGEST);
        if !told.0.is_some_and(|told| told <= longest && told >= longest / 3) {
            let timeout = longest.mul_f64(0.75);
            socket.set_read_timeout(Some(timeout))?;
            told.0 = Some(timeout);
        }
        Ok(recv(socket, buffer, RecvFlags::empty())?.0)
    }

    /// The same, but a bell ends it as its deadline would.
    pub(super) fn read_or_hear(socket: &Socket, buffer: &mut [u8], left: Duration, bell: &Bell) -> io::Result<usize> {
        let mut ready = [PollFd::new(socket, PollFlags::IN), PollFd::new(bell.heard(), PollFlags::IN)];
        poll(&mut ready, Some(&timespec(left)))?;
        if !ready[1].revents().is_empty() {
            bell.hush();
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(recv(socket, buffer, RecvFlags::DONTWAIT)?.0)
    }

    pub(super) fn write(socket: &Socket, bytes: &[u8], left: Duration, _: &mut Told) -> io::Result<usize> {
        // There is room, as a rule.
        let flags = SendFlags::DONTWAIT;
        #[cfg(not(target_vendor = "apple"))] // there the socket itself sends no SIGPIPE
        let flags = flags | SendFlags::NOSIGNAL;
        match send(socket, bytes, flags) {
            Err(rustix::io::Errno::AGAIN) => {}
            result => return Ok(result?),
        }
        wait(socket, PollFlags::OUT, left)?;
        Ok(send(socket, bytes, flags)?)
    }

    /// Waits until the socket is ready, or the time is over: the call will tell.
    fn wait(socket: &Socket, what: PollFlags, left: Duration) -> io::Result<()> {
        poll(&mut [PollFd::new(socket, what)], Some(&timespec(left)))?;
        Ok(())
    }

    fn timespec(left: Duration) -> rustix::time::Timespec {
        let left = left.min(LONGEST);
        rustix::time::Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(3600),
            tv_nsec: left.subsec_nanos().into(),
        }
    }
}

#[cfg(not(unix))]
mod os {
    use std::io::{self, Read, Write};
    use std::time::Duration;

    use socket2::Socket;

    use super::super::bell::Bell;
    use super::{LONGEST, SHORTEST};

    /// How long a thread reads before it looks whether a bell was rung.
    const LOOKS: Duration = Duration::from_millis(100);

    /// The timeouts that the system was told last.
    #[derive(Default)]
    pub(super) struct Told {
        read: Option<Duration>,
        write: Option<Duration>,
    }

    pub(super) fn read(mut socket: &Socket, buffer: &mut [u8], left: Duration, told: &mut Told) -> io::Result<usize> {
        tell(&mut told.read, left, |timeout| socket.set_read_timeout(timeout))?;
        socket.read(buffer)
    }

    /// There is no bell: it ends by itself after a while.
    pub(super) fn read_or_hear(mut socket: &Socket, buffer: &mut [u8], left: Duration, _: &Bell) -> io::Result<usize> {
        socket.set_read_timeout(Some(left.min(LOOKS).max(SHORTEST)))?;
        match socket.read(buffer) {
            Err(error) if super::is_passing(&error) => Err(io::ErrorKind::TimedOut.into()),
            result => result,
        }
    }

    pub(super) fn write(mut socket: &Socket, bytes: &[u8], left: Duration, told: &mut Told) -> io::Result<usize> {
        tell(&mut told.write, left, |timeout| socket.set_write_timeout(timeout))?;
        socket.write(bytes)
    }

    fn tell(
        told: &mut Option<Duration>,
        left: Duration,
        tell: impl Fn(Option<Duration>) -> io::Result<()>,
    ) -> io::Result<()> {
        let left = left.clamp(SHORTEST, LONGEST);
        if !told.is_some_and(|told| told <= left + SHORTEST && told >= left / 2) {
            tell(Some(left))?;
            *told = Some(left);
        }
        Ok(())
    }
}
