//! [`Net`]: the sites that a client has to do with; and [`Wire`], the way of one tree to its own.
//!
//! One server, or a master with Sentinels, is one site, for all trees. In a cluster each master is
//! one, and a tree is at the site whose master has its slot. A site is found by the slot of one of
//! its trees, which stands for all: when another server takes over, it takes over all of them.
//!
//! * **R1, one site a master.** A tree that comes is put where its slot's master is, as far as a
//!   node has said who that is. Two sites that turn out to have one master become one, when
//!   somebody next [looks](Net::join).
//! * **R2, a slot that moves alone.** `MOVED` for the slot of one tree, at a site with trees of
//!   several slots, is about that tree only. Nothing of the site is given up. The tree goes to the
//!   site of the master that is named, which is made if there is none. If a guide says that the
//!   slot which stands for all has left, and another one has not, that one does from then on.
//! * **R3, all slots move.** At a site whose trees have one slot the site itself goes there, unless
//!   there is another with that master already. A store of one tree is that case.
//! * **R4, nobody is stranded.** A tree at the wrong site is told `MOVED` by its next command
//!   there, whoever sends it. So what is guessed, and what is old, is put right by that.
//!
//! Locks: the list of sites comes before a way's, and that before those of a site.

use std::time::Duration;

use super::super::clock::clock;
use super::super::error::{Failure, RedisStoreError};
use super::super::primitives::{Arc, AtomicBool, AtomicU64, Mutex, Ordering, Weak};
use super::super::server::Server;
use super::super::value::Value;
use super::cluster;
use super::connector::Connector;
use super::destination::Destination;
use super::pauses::Pauses;
use super::place::Place;
use super::refusal;
use super::site::Site;
use super::slots::{Slots, Table};

/// Between a command that was passed on, and the same one again.
const PAUSES: Pauses = Pauses { first: Duration::from_millis(1), longest: Duration::from_millis(50) };

/// All sites of a client. Nothing of it may be used in a child of the process that made it.
pub(in crate::redis) struct Net {
    to: Destination,
    client_name: Option<String>,
    timeout: u64,
    /// Whether servers are asked for their node.
    names: AtomicBool,
    table: Arc<Table>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sites: Vec<Weak<Site>>,
    ways: Vec<Weak<Way>>,
    /// When there are as many as this, those that are gone are dropped.
    due: usize,
}

/// The way of one tree to the server that is master for it.
pub(in crate::redis) struct Wire {
    net: Arc<Net>,
    way: Arc<Way>,
}

struct Way {
    process: u32,
    slot: u16,
    site: Mutex<Arc<Site>>,
    /// How often it led to another site than before.
    moves: AtomicU64,
}

impl Net {
    /// Nothing is opened yet. What [`Destination`] says of a tree does not count.
    pub(in crate::redis) fn new(to: &Destination, client_name: Option<String>, timeout: u64) -> Arc<Self> {
        let names = AtomicBool::new(to.names);
        let (to, table, state) = (to.clone(), Arc::default(), Mutex::default());
        Arc::new(Self { to, client_name, timeout, names, table, state })
    }

    /// The way of a tree. Its site is one that is there already, if it can be told which.
    pub(in crate::redis) fn wire(self: &Arc<Self>, tree: &str) -> Result<Wire, RedisStoreError> {
        let slot = if self.to.is_cluster() { cluster::slot(tree) } else { 0 };
        let mut state = self.state.lock();
        let site = if self.to.is_cluster() {
            let master = self.table.master_of(slot);
            match master.as_ref().and_then(|master| state.site_of(master)) {
                Some(site) => site,
                None => self.new_site(&mut state, slot, master)?,
            }
        } else {
            match state.sites.iter().find_map(Weak::upgrade) {
                Some(site) => site,
                None => self.new_site(&mut state, slot, None)?,
            }
        };
        site.connector().slots().enter(slot);
        let (process, moves) = (std::process::id(), AtomicU64::new(0));
        let way = Arc::new(Way { process, slot, site: Mutex::new(site), moves });
        if state.ways.len() >= state.due {
            state.ways.retain(|way| way.strong_count() > 0);
            state.due = state.ways.len() * 2 + 16;
        }
        state.ways.push(Arc::downgrade(&way));
        Ok(Wire { net: self.clone(), way })
    }

    fn new_site(&self, state: &mut State, slot: u16, master: Option<Place>) -> Result<Arc<Site>, RedisStoreError> {
        let to = Destination { names: self.names.load(Ordering::Relaxed), ..self.to.clone() };
        let connector = Connector::new(&to, self.client_name.clone(), Arc::new(Slots::new(slot)), &self.table)?;
        if self.to.is_cluster() {
            let known = self.table.masters();
            if master.is_some() || !known.is_empty() {
                connector.hint(master, known);
            }
        }
        let site = Arc::new(Site::new(connector, self.timeout));
        state.sites.retain(|site| site.strong_count() > 0);
        state.sites.push(Arc::downgrade(&site));
        Ok(site)
    }

    /// Servers have to say their node from now on, as a tree with a grace period needs it.
    pub(in crate::redis) fn ask_node(&self) {
        if !self.names.swap(true, Ordering::Relaxed) {
            let sites: Vec<_> = self.state.lock().sites.iter().filter_map(Weak::upgrade).collect();
            sites.iter().for_each(|site| site.ask_node());
        }
    }

    /// A server said that another one has the slot of this tree (R2).
    fn moved(&self, way: &Way, error: &str) {
        let mut state = self.state.lock();
        let site = way.site.lock().clone();
        let Some(asked) = site.master() else { return };
        let Some(to) = cluster::moved_to(error, &asked).filter(|to| *to != asked) else { return };
        let there = match state.site_of(&to) {
            Some(there) => there,
            None if !site.connector().slots().are_several() => return, // R3: it goes there itself
            None => match self.new_site(&mut state, way.slot, Some(to)) {
                Ok(site) => site,
                Err(_) => return, // the URL was good before
            },
        };
        way.go(&there);
    }

    /// Sites that have one master become one: the first of them (R1).
    pub(in crate::redis) fn join(&self) {
        if !self.to.is_cluster() {
            return;
        }
        let state = self.state.lock();
        let sites: Vec<_> = state.sites.iter().filter_map(Weak::upgrade).collect();
        let masters: Vec<_> = sites.iter().map(|site| site.master()).collect();
        for (at, site) in sites.iter().enumerate() {
            let first = masters.iter().position(|master| *master == masters[at]);
            if let (Some(first), true) = (first.filter(|&first| first < at), masters[at].is_some()) {
                for way in state.ways.iter().filter_map(Weak::upgrade) {
                    if Arc::ptr_eq(&way.site.lock(), site) {
                        way.go(&sites[first]);
                    }
                }
            }
        }
    }
}

impl State {
    fn site_of(&self, master: &Place) -> Option<Arc<Site>> {
        self.sites.iter().filter_map(Weak::upgrade).find(|site| site.master().as_ref() == Some(master))
    }
}

impl Way {
    fn go(&self, there: &Arc<Site>) {
        let mut site = self.site.lock();
        if Arc::ptr_eq(&site, there) {
            return;
        }
        there.connector().slots().enter(self.slot);
        site.connector().slots().leave(self.slot);
        *site = there.clone();
        self.moves.fetch_add(1, Ordering::Release);
    }
}

/// In a forked child a lock may be locked for ever.
impl Drop for Way {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            self.site.lock().connector().slots().leave(self.slot);
        }
    }
}

/// Nothing of it may be used in a child of the process that made it, whose sockets these are.
/// Dropping it sends nothing.
impl Wire {
    /// The way of the only tree that a client has. `timeout`, in microseconds, is how long it may
    /// take for one command; `u64::MAX` is for ever. Nothing is opened yet.
    #[cfg(all(test, not(mutextree_shuttle)))]
    pub(in crate::redis) fn new(
        to: &Destination,
        client_name: Option<String>,
        timeout: u64,
    ) -> Result<Self, RedisStoreError> {
        Net::new(to, client_name, timeout).wire(&to.tree)
    }

    /// Where the tree is now.
    pub(in crate::redis) fn site(&self) -> Arc<Site> {
        self.way.site.lock().clone()
    }

    /// How often it led to another site than before.
    pub(in crate::redis) fn moves(&self) -> u64 {
        self.way.moves.load(Ordering::Acquire)
    }

    /// Host and port, the path of the socket, or the URL without user and password: for messages.
    pub(in crate::redis) fn address(&self) -> String {
        self.site().address().into()
    }

    /// The server that the last connection was opened to; `None` if servers are not asked.
    pub(in crate::redis) fn server(&self) -> Option<Server> {
        self.site().server()
    }

    /// Sends one command over a connection that callers share, and waits for its answer until
    /// `deadline` on the [`clock`](super::clock::clock), but no longer than the timeout after it
    /// was sent. With guides, a command that a server passed on is sent again until then.
    ///
    /// At the deadline a command that was sent is [`Failure::Unsure`], and one that was not is
    /// [`Failure::Down`].
    pub(in crate::redis) fn call(&self, command: &[u8], deadline: u64) -> Result<Value, Failure> {
        self.call_to("", command, deadline)
    }

    /// The same for a command that is for this run of a server, unless that is empty. If another
    /// one is there it is not sent: [`Failure::Stranger`].
    pub(in crate::redis) fn call_to(&self, run: &str, command: &[u8], deadline: u64) -> Result<Value, Failure> {
        let site = self.site();
        if !site.is_guided() {
            return site.call_to(run, command, deadline);
        }
        let deadline = deadline.min(clock().saturating_add(self.net.timeout));
        PAUSES.between(deadline, refusal::is_passing_on, || {
            let answer = self.site().call_to(run, command, deadline);
            if let Err(failure) = &answer {
                self.heed(failure);
            }
            answer
        })
    }

    /// Heeds what a server said of where the tree is.
    pub(in crate::redis) fn heed(&self, failure: &Failure) {
        if let Failure::Later(RedisStoreError::Busy { reason }) = failure
            && cluster::moved_slot(reason) == Some(self.way.slot)
        {
            self.net.moved(&self.way, reason);
        }
    }

    /// The error of a command that has had no answer in time.
    pub(in crate::redis) fn too_late(&self) -> RedisStoreError {
        self.site().too_late()
    }

    /// The sites of the client.
    pub(in crate::redis) fn net(&self) -> &Arc<Net> {
        &self.net
    }

    #[cfg(all(test, not(mutextree_shuttle)))]
    pub(super) fn open(&self, deadline: u64) -> Result<super::Connection, Failure> {
        self.site().open(deadline)
    }

    #[cfg(all(test, not(mutextree_shuttle), feature = "redis-sentinel", feature = "redis-cluster"))]
    pub(super) fn look(&self, deadline: u64) {
        self.site().look(deadline);
    }
}
