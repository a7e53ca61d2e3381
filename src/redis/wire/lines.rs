//! [`Lines`]: the connections of a store that are open, so that those to a server which is not the
//! master any more can be cut, whoever waits on them.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::super::primitives::{Arc, Mutex, Weak};
use super::socket::Line;

/// So many servers are remembered.
const MOST_SEEN: usize = 16;

#[derive(Default)]
pub(super) struct Lines(Mutex<State>);

#[derive(Default)]
struct State {
    open: Vec<Open>,
    /// The run ids of servers that connections led to.
    seen: VecDeque<String>,
}

struct Open {
    line: Weak<Line>,
    peer: Option<SocketAddr>,
    run_id: Option<String>,
}

impl Lines {
    /// A connection is open to the master, which has one of these addresses. Cuts the others that
    /// lead elsewhere (L1, L2).
    pub(super) fn opened(&self, line: &Arc<Line>, addresses: &[SocketAddr], run_id: Option<String>) {
        let elsewhere = {
            let mut state = self.0.lock();
            let is_new = run_id.as_ref().is_some_and(|run_id| state.see(run_id));
            let is_elsewhere = |open: &Open| {
                let other_address = open.peer.is_some_and(|peer| !addresses.contains(&peer));
                other_address || is_new && open.run_id.is_some() && open.run_id != run_id
            };
            let (elsewhere, open) = std::mem::take(&mut state.open).into_iter().partition(is_elsewhere);
            let _: &Vec<Open> = &elsewhere;
            state.open = open;
            state.open.retain(|open| open.line.strong_count() > 0);
            state.open.push(Open { line: Arc::downgrade(line), peer: line.peer(), run_id });
            elsewhere
        };
        elsewhere.iter().filter_map(|open| open.line.upgrade()).for_each(|line| line.cut());
    }
}

impl State {
    /// Whether no connection has led to this server so far.
    fn see(&mut self, run_id: &str) -> bool {
        let is_new = !self.seen.iter().any(|seen| seen == run_id);
        if is_new {
            self.seen.push_back(run_id.to_owned());
            if self.seen.len() > MOST_SEEN {
                self.seen.pop_front();
            }
        }
        is_new
    }
}
