//! A proxy between a store and its server, which does to their connections what networks do. Two
//! programs use it: these tests and `tools/faults`.
//!
//! It reads both streams command by command and answer by answer, so a pipeline is as many commands
//! as it holds. A command or an answer that is read is delivered later by a thread of its own: so a
//! delay keeps the order, and forty commands in flight take one delay, not forty.

/// One connection: what is read, held, delivered and lost.
mod connection;
/// Where one command or one answer ends, and what a command is.
mod frame;
/// What is to go wrong.
mod rules;

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use self::rules::Shared;

/// Every method below takes effect at once, for all connections unless it says otherwise. Only
/// scripts count as commands that are lost or counted, and a script that the server does not know
/// did not run: its answer is never lost.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    pub(crate) fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::new(server));
        let accepts = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepts.is_stopped() {
                    return;
                }
                connection::start(client, &accepts);
            }
        });
        Self { port, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Ends every connection, and lets none be made. What is held of them is gone.
    pub(crate) fn cut(&self) {
        self.shared.change(|rules| rules.cut());
    }

    /// Ends every connection; new ones work.
    pub(crate) fn cut_existing(&self) {
        self.shared.change(|rules| rules.hang_up());
    }

    /// Delivers this many more answers to scripts. The next one is lost, and then it
    /// [cuts](Self::cut).
    pub(crate) fn cut_after(&self, answers: u64) {
        self.shared.change(|rules| rules.cut_after = Some(answers));
    }

    /// The end of a [`cut`](Self::cut).
    pub(crate) fn mend(&self) {
        self.shared.change(|rules| (rules.cut, rules.cut_after) = (false, None));
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.shared.look(|rules| rules.cut)
    }

    /// The connections that exist go silent: nothing is delivered in either direction, and not even
    /// their end is noticed. New ones work.
    pub(crate) fn freeze_existing(&self) {
        self.shared.change(|rules| rules.frozen_below = rules.connections_made);
    }

    /// All connections go silent, new ones, too.
    pub(crate) fn freeze_all(&self) {
        self.shared.change(|rules| rules.frozen_below = u64::MAX);
    }

    /// What was held is delivered, late, to connections that are still open.
    pub(crate) fn thaw(&self) {
        self.shared.change(|rules| rules.frozen_below = 0);
    }

    /// New connections go to another server of this machine.
    pub(crate) fn redirect(&self, server: u16) {
        self.shared.change(|rules| rules.server = server);
    }

    /// Commands that are read from now on are delivered this much later, also if the client has
    /// gone by then. Those of a login are not: connections can be opened.
    pub(crate) fn delay_requests(&self, delay: Duration) {
        self.shared.change(|rules| rules.delay_requests = delay);
    }

    /// Answers that are read from now on are delivered this much later, those to a login left out.
    pub(crate) fn delay_answers(&self, delay: Duration) {
        self.shared.change(|rules| rules.delay_answers = delay);
    }

    /// The next answers to scripts are lost with their connections. The scripts did run.
    pub(crate) fn lose_answers(&self, count: u64) {
        self.shared.change(|rules| rules.lose_answers = count);
    }

    /// One answer in so many is lost with its connection, drawn by lot; 0 for none.
    pub(crate) fn lose_one_answer_in(&self, count: u64) {
        self.shared.change(|rules| rules.lose_one_in = count);
    }

    /// The next scripts are lost with their connections, which end when the scripts would have been
    /// delivered. They do not run.
    pub(crate) fn lose_requests(&self, count: u64) {
        self.shared.change(|rules| rules.lose_requests = count);
    }

    /// The next answers of a listener that bring a message are lost with their connections.
    pub(crate) fn lose_messages(&self, count: u64) {
        self.shared.change(|rules| rules.lose_messages = count);
    }

    /// How much was lost so far: requests, answers and messages.
    pub(crate) fn lost(&self) -> u64 {
        self.shared.look(|rules| rules.lost)
    }

    /// How many scripts it has read so far.
    pub(crate) fn scripts(&self) -> u64 {
        self.shared.look(|rules| rules.scripts)
    }

    /// How many scripts have run, and their answers were delivered.
    pub(crate) fn answered(&self) -> u64 {
        self.shared.look(|rules| rules.answered)
    }

    /// Whether a listener waits for a message.
    pub(crate) fn listens(&self) -> bool {
        self.shared.look(|rules| rules.listening > 0)
    }

    /// Whether every command that came has its answer, those of listeners not counted.
    pub(crate) fn is_quiet(&self) -> bool {
        self.shared.look(|rules| rules.unanswered == 0)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.change(|rules| rules.stop());
        let _ = std::net::TcpStream::connect(("127.0.0.1", self.port)); // so that its thread looks
    }
}
