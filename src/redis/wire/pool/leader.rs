//! The leader: sends its own command, and all that have queued up, as one pipeline.

use super::super::super::clock::clock;
use super::super::super::error::Failure;
use super::super::super::primitives::Arc;
use super::super::super::value::Value;
use super::super::NO_ANSWER;
use super::super::transport::{Halt, Partly};
use super::shared::{Shared, To, Waiting};
use super::{Connect, Pool, Transport};

/// As many commands as this go with the leader's own.
const MOST_FOLLOWERS: usize = 63;
/// No pipeline is sent behind more unread answers than this.
const MOST_OUTSTANDING: usize = 64;

impl<C: Connect> Pool<C> {
    /// Sends a command, and all that have queued up behind it, over a connection or over a new one.
    /// The caller has a permit.
    pub(super) fn lead(
        &self,
        connection: Option<Box<Shared<C::Transport>>>,
        (own, run): (&[u8], &str),
        deadline: u64,
    ) -> Result<Value, Failure> {
        if clock() >= deadline {
            self.pass_on(connection);
            return Err(self.down(NO_ANSWER.into()));
        }
        let mut connection = match self.usable(connection, deadline) {
            Ok(connection) => connection,
            Err(failure) => {
                self.pass_on(None);
                return Err(failure);
            }
        };
        if let Err(halt) = self.make_room(&mut connection, deadline) {
            // Nothing of the command has been sent, and nobody else waits on this connection (W5).
            let failure = self.down(halt.clone().reason());
            if halt == Halt::TimedOut && !connection.is_overdue(self.timeout) {
                self.let_go(connection);
            } else {
                self.fail(*connection, &failure);
            }
            return Err(failure);
        }
        if connection.transport.is_to_another(run) {
            self.let_go(connection);
            return Err(Failure::Stranger);
        }
        let followers = self.take_followers(&connection.transport);
        // Entered before they are written (W3): if that fails, this is who has to be told.
        let sent_at = clock();
        connection.expect(To::Owner, sent_at);
        let pipeline = pipeline(own, &followers);
        let is_alone = followers.is_empty();
        for follower in followers {
            connection.expect(To::Follower(follower), sent_at);
        }
        let commands = pipeline.as_deref().unwrap_or(own);
        let until = deadline.min(connection.overdue_at(self.timeout));
        let Err(Partly { written, halt }) = connection.transport.write(commands, until) else {
            return self.read(connection, deadline);
        };
        let is_late = halt == Halt::TimedOut && !connection.is_overdue(self.timeout);
        let failure =
            if written == 0 && (is_alone || !is_late) { self.down(halt.reason()) } else { self.unsure(halt.reason()) };
        if !is_late {
            self.fail(*connection, &failure);
        } else if written == 0 && is_alone {
            connection.forget_last();
            self.let_go(connection);
        } else {
            // What has begun goes out whole, and what followers wait for goes out, too.
            connection.transport.leave(&commands[written..]);
            connection.disown();
            self.let_go(connection);
        }
        Err(failure)
    }

    /// A connection to send over: the one that was given, unless too much is overdue on it (W6), or
    /// it was cut.
    fn usable(
        &self,
        given: Option<Box<Shared<C::Transport>>>,
        deadline: u64,
    ) -> Result<Box<Shared<C::Transport>>, Failure> {
        if let Some(connection) = given {
            if !connection.is_overdue(self.timeout) && !connection.transport.is_cut() {
                return Ok(connection);
            }
            self.give_up();
        }
        // Of the generation from before it was looked for: what is given up meanwhile includes it.
        let generation = self.state.lock().generation;
        let transport = self.connector.connect(deadline.min(clock().saturating_add(self.timeout)))?;
        Ok(Box::new(Shared::new(transport, generation)))
    }

    /// Sends what was begun before, and reads what nobody waits for, if that is too much (W8).
    fn make_room(&self, connection: &mut Shared<C::Transport>, deadline: u64) -> Result<(), Halt> {
        connection.transport.flush(deadline.min(connection.overdue_at(self.timeout)))?;
        while connection.outstanding() > MOST_OUTSTANDING {
            let until = deadline.min(connection.overdue_at(self.timeout));
            let answer = connection.transport.receive(until)?;
            self.deliver(connection, answer);
        }
        Ok(())
    }

    /// All that have queued up, as far as they fit into one pipeline. They count as sent. Those
    /// that are for another server are told so (W9).
    fn take_followers(&self, transport: &C::Transport) -> Vec<Arc<Waiting<C::Transport>>> {
        let mut state = self.state.lock();
        let (mut followers, mut strangers) = (Vec::new(), Vec::new());
        while followers.len() < MOST_FOLLOWERS
            && let Some(request) = state.queue.pop_front()
        {
            if !request.is_taken() {
                continue;
            }
            if transport.is_to_another(&request.run) {
                strangers.push(request);
            } else {
                followers.push(request);
            }
        }
        drop(state);
        strangers.iter().for_each(|request| request.finish(Err(Failure::Stranger)));
        followers
    }
}

/// The commands of leader and followers in one piece; `None` if there is only the leader's.
fn pipeline<T>(own: &[u8], followers: &[Arc<Waiting<T>>]) -> Option<Vec<u8>> {
    if followers.is_empty() {
        return None;
    }
    let mut commands = own.to_vec();
    for follower in followers {
        commands.extend_from_slice(&follower.command);
    }
    Some(commands)
}
