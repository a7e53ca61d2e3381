//! [`Own`]: a connection that one thread of a site has for itself, and what is sent over it.

use super::client::Client;
use crate::observe::meters::RoundTrip;
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;
use crate::redis::protocol::calls::Reply;
use crate::redis::protocol::script::Call;
use crate::redis::value::Value;
use crate::redis::wire::{Connection, Site};

/// To a site, and opened when needed.
pub(super) struct Own {
    pub(super) site: Arc<Site>,
    pub(super) connection: Option<Connection>,
}

/// A call, and whose it is.
pub(super) type Calls<'a> = [(&'a Client, &'a Call)];

impl Own {
    pub(super) fn new(site: Arc<Site>) -> Self {
        Self { site, connection: None }
    }

    /// A connection that is good, as far as is known, and leads to this run of a server.
    pub(super) fn connected(&mut self, run: &str, deadline: u64) -> Result<&mut Connection, Failure> {
        let is_of_use = |connection: &Connection| connection.is_good() && !connection.is_to_another(run);
        match self.connection.take().filter(is_of_use) {
            Some(connection) => Ok(self.connection.insert(connection)),
            None => Ok(self.connection.insert(self.site.open(deadline)?)),
        }
    }

    /// Runs a script.
    pub(super) fn call<T: Reply>(&mut self, client: &Client, call: &Call, deadline: u64) -> Result<T, Failure> {
        let answers = self.exchange(&[(client, call)], deadline)?;
        T::from_answer(answers.into_iter().next().expect("each call has an answer"))
    }

    /// Sends calls as one pipeline. Their answers, in order: scripts that the server does not know
    /// are sent by their text, and a server that a tree does not know is greeted. The error is that
    /// there is no connection.
    pub(super) fn exchange(
        &mut self,
        calls: &Calls<'_>,
        deadline: u64,
    ) -> Result<Vec<Result<Value, Failure>>, Failure> {
        let run = calls.iter().map(|(client, _)| client.run_id(&self.site)).find(|run| !run.is_empty());
        self.connected(&run.unwrap_or_default(), deadline)?;
        let all: Vec<usize> = (0..calls.len()).collect();
        let mut answers = vec![Err(Failure::NoScript); calls.len()];
        self.send(calls, &all, false, deadline, &mut answers);
        let mut strangers: Vec<&Client> = Vec::new();
        for ((client, _), _) in calls.iter().zip(&answers).filter(|(_, answer)| **answer == Err(Failure::Stranger)) {
            if !strangers.iter().any(|other| std::ptr::eq(*other, *client)) {
                strangers.push(client);
            }
        }
        let greeted = self.greet(&strangers, deadline).is_ok();
        let unknown = |at: &usize| match answers[*at] {
            Err(Failure::NoScript) => true,
            Err(Failure::Stranger) => greeted,
            _ => false,
        };
        let again: Vec<usize> = all.into_iter().filter(unknown).collect();
        if !again.is_empty() && self.connection.as_ref().is_some_and(Connection::is_good) {
            self.send(calls, &again, true, deadline, &mut answers);
        }
        for ((client, _), answer) in calls.iter().zip(&answers) {
            client.heed(answer);
        }
        Ok(answers)
    }

    fn send(
        &mut self,
        calls: &Calls<'_>,
        which: &[usize],
        by_text: bool,
        deadline: u64,
        answers: &mut [Result<Value, Failure>],
    ) {
        let Some(connection) = &mut self.connection else { return };
        let bytes: Vec<u8> = which.iter().flat_map(|&at| calls[at].0.pack(&self.site, calls[at].1, by_text)).collect();
        let round_trip = RoundTrip::begin();
        round_trip.end(connection.exchange(&bytes, which.len(), deadline, |at, answer| answers[which[at]] = answer));
    }

    /// Greets the server on behalf of trees that it does not know.
    pub(super) fn greet(&mut self, trees: &[&Client], deadline: u64) -> Result<(), Failure> {
        let Some(connection) = &mut self.connection else { return Err(Failure::Stranger) };
        let site = &self.site;
        trees.iter().try_for_each(|client| {
            client.greet(site, |hello| match connection.call(&client.pack(site, hello, false), deadline) {
                Err(Failure::NoScript) => connection.call(&client.pack(site, hello, true), deadline),
                answer => answer,
            })
        })
    }
}
