//! The owner of a connection: reads answers in the order of the commands, and lets go.

use super::super::super::error::Failure;
use super::super::super::value::Value;
use super::super::NO_ANSWER;
use super::super::answer::Answer;
use super::super::refusal::Refusal;
use super::super::transport::Halt;
use super::request::Turn;
use super::shared::{Shared, To};
use super::{Connect, Pool, Transport};

impl<C: Connect> Pool<C> {
    /// Reads answers until one's own is there, and gives the others to whom they are for.
    pub(super) fn read(&self, mut connection: Box<Shared<C::Transport>>, deadline: u64) -> Result<Value, Failure> {
        loop {
            let until = deadline.min(connection.overdue_at(self.timeout));
            // The owner before may have left in the middle of writing, and what is not sent is not
            // answered.
            let transport = &mut connection.transport;
            match transport.flush(until).and_then(|()| transport.receive(until)) {
                Ok(answer) => {
                    if let Some(own) = self.deliver(&mut connection, answer) {
                        self.deliver_received(connection);
                        return own;
                    }
                }
                Err(Halt::TimedOut) if !connection.is_overdue(self.timeout) => {
                    connection.disown();
                    self.let_go(connection);
                    return Err(self.unsure(NO_ANSWER.into()));
                }
                Err(halt) => {
                    let failure = self.unsure(halt.reason());
                    self.fail(*connection, &failure);
                    return Err(failure);
                }
            }
        }
    }

    /// Gives out the answers that have come together with one's own, and lets go.
    fn deliver_received(&self, mut connection: Box<Shared<C::Transport>>) {
        while connection.is_owed() {
            match connection.transport.received() {
                Ok(Some(answer)) => drop(self.deliver(&mut connection, answer)),
                Ok(None) => break,
                Err(halt) => {
                    let failure = self.unsure(halt.reason());
                    return self.fail(*connection, &failure);
                }
            }
        }
        self.let_go(connection);
    }

    /// Gives an answer to the first that waits for one; returns it if that is the owner.
    pub(super) fn deliver(
        &self,
        connection: &mut Shared<C::Transport>,
        answer: Answer,
    ) -> Option<Result<Value, Failure>> {
        let answer = answer.map_err(|message| {
            let refusal = Refusal::new(&message, &self.connector.address());
            if refusal.wrong_server && self.connector.misled(&message) {
                self.give_up(); // before anybody learns of it and calls again
            }
            refusal.failure
        });
        match connection.take_first()? {
            To::Owner => Some(answer),
            To::Follower(request) => {
                request.finish(answer);
                None
            }
            To::Nobody => None,
        }
    }

    /// Lets go of a connection, all of whose own answers are there or not waited for: somebody else
    /// reads on (W5), or it is idle.
    pub(super) fn let_go(&self, mut connection: Box<Shared<C::Transport>>) {
        while let Some(follower) = connection.first_follower() {
            match follower.give(Turn::Read(connection), |turn| matches!(turn, Turn::Sent)) {
                Ok(()) => return,
                Err(Turn::Read(back)) => {
                    connection = back; // it has left: the next one
                    connection.leave_out(&follower);
                }
                Err(_) => unreachable!("a gift that is not taken comes back as it was"),
            }
        }
        if !connection.is_owed() && connection.transport.has_more() {
            // What nobody asked for would be taken for the answer to the next command.
            let failure = self.unsure("it answered more than it was asked".into());
            return self.fail(*connection, &failure);
        }
        self.pass_on(Some(connection));
    }

    /// A connection is of no more use, and nothing that is outstanding will be answered.
    pub(super) fn fail(&self, connection: Shared<C::Transport>, failure: &Failure) {
        self.give_up(); // before anybody learns of it and calls again
        for follower in connection.into_followers() {
            follower.finish(Err(failure.clone()));
        }
        self.pass_on(None);
    }
}
