use std::collections::BTreeMap;
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// What is to go wrong, and what has happened so far.
#[derive(Default)]
pub(super) struct Rules {
    pub(super) server: u16,
    pub(super) cut: bool,
    pub(super) cut_after: Option<u64>,
    /// Connections with a smaller number are silent.
    pub(super) frozen_below: u64,
    pub(super) connections_made: u64,
    pub(super) delay_requests: Duration,
    pub(super) delay_answers: Duration,
    pub(super) lose_answers: u64,
    pub(super) lose_one_in: u64,
    pub(super) lose_requests: u64,
    pub(super) lose_messages: u64,
    pub(super) lost: u64,
    pub(super) scripts: u64,
    pub(super) answered: u64,
    pub(super) unanswered: u64,
    pub(super) listening: u64,
    stopped: bool,
    /// Both ends of each connection that lives.
    open: BTreeMap<u64, [TcpStream; 2]>,
}

impl Rules {
    /// Takes in a connection, and gives it a number.
    pub(super) fn take_in(&mut self, ends: [TcpStream; 2]) -> u64 {
        let number = self.connections_made;
        self.connections_made += 1;
        self.open.insert(number, ends);
        number
    }

    pub(super) fn forget(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// Whether this connection is neither cut nor over.
    pub(super) fn is_open(&self, number: u64) -> bool {
        self.open.contains_key(&number)
    }

    pub(super) fn cut(&mut self) {
        self.cut = true;
        self.hang_up();
    }

    pub(super) fn hang_up(&mut self) {
        for (_, ends) in std::mem::take(&mut self.open) {
            ends.iter().for_each(|end| _ = end.shutdown(Shutdown::Both));
        }
    }

    pub(super) fn stop(&mut self) {
        self.stopped = true;
        self.cut();
    }

    /// Whether this script is lost on its way to the server.
    pub(super) fn loses_request(&mut self) -> bool {
        self.scripts += 1;
        self.loses(|rules| &mut rules.lose_requests)
    }

    /// Whether this answer to a script that ran is lost.
    pub(super) fn loses_answer(&mut self) -> bool {
        match &mut self.cut_after {
            Some(0) => {
                self.lost += 1;
                self.cut_after = None;
                self.cut();
                return true;
            }
            Some(left) => *left -= 1,
            None => {}
        }
        if self.lose_one_in > 0 && fastrand::u64(..self.lose_one_in) == 0 {
            self.lost += 1;
            return true;
        }
        self.loses(|rules| &mut rules.lose_answers)
    }

    pub(super) fn loses_message(&mut self) -> bool {
        self.loses(|rules| &mut rules.lose_messages)
    }

    fn loses(&mut self, count: fn(&mut Self) -> &mut u64) -> bool {
        let count = count(self);
        if *count == 0 {
            return false;
        }
        *count -= 1;
        self.lost += 1;
        true
    }
}

pub(super) struct Shared {
    rules: Mutex<Rules>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn new(server: u16) -> Self {
        Self { rules: Mutex::new(Rules { server, ..Rules::default() }), changed: Condvar::new() }
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&mut Rules) -> T) -> T {
        look(&mut self.rules.lock().unwrap())
    }

    /// The same, and whatever waits for a rule to change looks at it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Rules) -> T) -> T {
        let result = change(&mut self.rules.lock().unwrap());
        self.changed.notify_all();
        result
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.look(|rules| rules.stopped)
    }

    /// Waits until what is due then may be delivered on this connection. `false` if it is over.
    pub(super) fn wait_to_deliver(&self, number: u64, due: Instant) -> bool {
        let mut rules = self.rules.lock().unwrap();
        loop {
            if !rules.is_open(number) {
                return false;
            }
            let now = Instant::now();
            if number < rules.frozen_below {
                rules = self.changed.wait(rules).unwrap();
            } else if due > now {
                rules = self.changed.wait_timeout(rules, due - now).unwrap().0;
            } else {
                return true;
            }
        }
    }
}
