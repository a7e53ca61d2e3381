//! Locks below a kept one. A cover that is exclusive and of a subtree, and that nobody uses, is the
//! **host** of locks on its node and below it. Each is a **guest**: a lock with a token and a
//! fencing token of its own, which the server does not know. What a guest wants, its host has.
//!
//! | state of a host | next | by |
//! |---|---|---|
//! | kept, without guests | the same, with one | one who wants what it covers |
//! | with guests | one guest more | one who wants what it covers, and is in conflict with no guest |
//! | with guests | one guest less | a guest's user, who lets go |
//! | with guests | **exchanged** | a recall of it; the end of the store; more that is wanted of a guest (K12) |
//! | with guests | lost, and its guests with it | its deadline; a renewal that finds that it is gone; news of a `break` |
//! | being exchanged | none: its guests are locks of their own, or lost | the answer to `exchange`, which is sent until then; the end of its lease |
//!
//! As in `keep.rs` each is a step of the part that the host's node belongs to, but for the last
//! two. A loss is seen by each guest on its own, by its deadline. What the answers to `exchange` do
//! is a step as well.
//!
//! # Invariants
//!
//! * **K7, who is under a host.** A host has no user of its own, and no two of its guests are in
//!   conflict. Nobody who wants a lock waits for a guest here. Who is in conflict with one asks the
//!   server, as without this, and the server recalls the host, from the same process as from any
//!   other. So I3 says all about other processes, and a look at the guests all about this one.
//! * **K8, tokens rise below.** Each guest, shared ones as well, draws the next fencing token of
//!   its host, within the bounds of K5. So of two users below a host the later one has the greater
//!   token. `exchange` raises the tick to the last of them before anybody is granted anything, and
//!   guests keep theirs. A host without guests is given back as K5 says.
//! * **K9, no guest outlives its host.** The agenda renews a host while it has guests: the first of
//!   them is to it what a user is to a cover (K13). A guest has a deadline that its host has had.
//!   When that passes the guest has its host's deadline of then, if the host is held; else it is
//!   lost for good (P2). Whoever finds the host lost before its deadline takes it away, and makes
//!   all guests lost.
//! * **K10, the exchange forgets nobody.** It begins in one step: the host has no further guest, is
//!   renewed no more, and each guest has the host's deadline as its own. The server's end of the
//!   host is no earlier (P1), and the guests' locks have that end. So what is believed is true
//!   before the answer and after it. One script enters the guests and takes the host away, so there
//!   is no time at which neither is there. It names those that were guests when it began. *Who lets
//!   go before the answer* is given back after it: a release that the script overtook would leave a
//!   lock that nobody has. A thread waits for the answer, and then gives back a lock of its own. So
//!   nobody is refused because of what it had let go. A task cannot wait. What it lets go is *owed*
//!   until it is back, and whoever is refused in this process waits for that and asks again (D2).
//!   *Sent again*, it finds the host gone, changes nothing, and says which of
//!   the guests are held. *Without an answer up to their deadline* the guests are lost, and all
//!   tokens go back, with tombstones. The script does not enter a token that has one.
//! * **K11, no recall is lost below.** A recall looks for hosts in the step in which it is counted
//!   (K3). All that are in conflict with it are exchanged, whether or not a guest is. So a host
//!   that has guests, or gets one, was not recalled. What guests become is said to be in use in its
//!   record (K6). It is not kept: somebody may have waited for it since before the exchange (K2).
//! * **K12, a guest can let go, and nothing else.** To refresh, downgrade, upgrade, narrow or widen
//!   it, or to make it a lease, has its host exchanged first. Then it is a lock like any other. If
//!   there is no answer in time the user gets an error, and has the guest as before. To list what
//!   is held exchanges the hosts that are concerned, so that a list shows each lock with its owner
//!   and a token that can be broken. To break the host is to break all guests. What asks for a
//!   lease of its own, or comes with a set, is not served below. A grant that replicas have
//!   confirmed is confirmed for its guests. A replica that lacks the exchange has the host, up to
//!   the same end.
//!
//! # Nobody waits in a circle
//!
//! A guest is in nobody's way on the server; its host is. Who waits there waits for the host until
//! it is exchanged. That waits for no lock, and for no guest's user: it is a step here and a
//! request of the thread that gives back. So an edge to a host is gone after a round trip. Edges
//! to those guests that are in conflict take its place, and to no others. They are those of the
//! tree without this. So a circle of edges that stay is one that there would be anyway, and
//! deadlock detection finds it, as every guest in it is a lock of its own by then.
//!
//! The case that needs this: one process keeps `a`, holds `a/x` below it, and waits for `b`.
//! Another holds `b` and waits for `a/z`. Were `a` to go back when its guest has gone, both would
//! wait for ever, and no two locks of theirs are in conflict.
//!
//! Who wants more of its guest (K12) waits for the exchange, and so for no lock either.
//!
//! # Nobody overtakes for ever
//!
//! From the recall on nobody comes below, and the node is not kept for a while (K4). Who wants a
//! node below asks the server, and queues behind who was there. A process whose own threads meet
//! below a host pays an exchange, and goes on as without this.

use super::{Found, Kept, Lend, Part, lasts, most};
use crate::path::TreePath;
use crate::redis::primitives::Arc;
use crate::redis::protocol::exchange::Exchange;
use crate::redis::protocol::keys::{self, Target};
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::timing::Timing;
use crate::request::{Kind, Mode, Scope, conflicts};

/// As many are below one lock at the most: an exchange is one call (I8).
const MOST_GUESTS: usize = 64;
/// What a host is.
const HOST: Kind = Kind { mode: Mode::Exclusive, scope: Scope::Subtree };

#[derive(Debug)]
pub(super) struct Guest {
    lock: Arc<Lock>,
    kind: Kind,
}

/// A host whose exchange has begun.
#[derive(Debug)]
pub(super) struct Exchanged {
    host: Arc<Lock>,
    guests: Vec<Guest>,
    /// The numbers of those whose users have let go since.
    gone: Vec<u64>,
}

impl Exchanged {
    fn has(&self, lock: &Lock) -> bool {
        self.guests.iter().any(|guest| guest.lock.number == lock.number)
    }
}

/// What becomes of a guest whose user lets go.
#[derive(Debug, Default)]
pub(in crate::redis) struct Left {
    /// Whether that is all. Else it is a lock of its own, or was lost.
    pub(in crate::redis) is_all: bool,
    /// Whether it is being exchanged: it is given back after that, or its user asks again.
    pub(in crate::redis) is_exchanged: bool,
    /// The lock above, if that was its last guest.
    pub(in crate::redis) host: Option<Arc<Lock>>,
}

/// What an exchange has come to.
#[derive(Debug, Default)]
pub(in crate::redis) struct Exchanges {
    /// Locks of their own from now on.
    pub(in crate::redis) own: Vec<Arc<Lock>>,
    /// To be given back: nobody has them any more.
    pub(in crate::redis) back: Vec<Arc<Lock>>,
    /// How many were owed.
    pub(in crate::redis) gone: usize,
}

impl Kept {
    /// Nobody has it any more, nor what is below it.
    pub(super) fn lose(&self) {
        self.lock.lose();
        self.guests.iter().for_each(|guest| guest.lock.lose());
    }

    fn is_in_conflict(&self, target: &Target, kind: Kind) -> bool {
        self.guests.iter().any(|it| conflicts((&target.path, kind), (&it.lock.path, it.kind)))
    }
}

/// Where the texts of a node and of those above it end, from the root down.
pub(super) fn ends(text: &[u8]) -> impl Iterator<Item = usize> {
    let cuts = text.iter().enumerate().skip(1).filter(|(_, byte)| **byte == 1).map(|(at, _)| at);
    let itself = (!text.is_empty()).then_some(text.len());
    std::iter::once(0).chain(cuts).chain(itself)
}

impl Part {
    /// A lock below the one that is kept on this node, if that covers it and nobody there is in
    /// conflict. `new` makes the lock. And the lock above, if this is its first guest. `None` if
    /// none is kept there that can be a host.
    pub(super) fn take_below(
        &mut self,
        node: &[u8],
        (target, kind): (&Target, Kind),
        timing: &Timing,
        now: u64,
        new: impl FnOnce() -> Lock,
    ) -> Option<(Found, Option<Arc<Lock>>)> {
        let all = self.kept.get_mut(node)?;
        let at = all.iter().position(|it| it.kind == HOST)?;
        let it = &mut all[at];
        let is_host = !it.guests.is_empty();
        if it.guests.len() >= MOST_GUESTS || it.is_in_conflict(target, kind) {
            return Some((Found::Nothing, None));
        }
        let lend = if lasts(&it.lock, now) { it.lock.draw(most(&it.lock, timing), now) } else { Lend::Never };
        let found = match lend {
            Lend::Yes => {
                let lock = Arc::new(new().below(&it.lock, keys::number(kind)));
                it.guests.push(Guest { lock: lock.clone(), kind });
                self.hosts += usize::from(!is_host);
                self.hits += 1;
                return Some((Found::It(lock), (!is_host).then(|| it.lock.clone())));
            }
            Lend::Soon => Found::Soon,
            Lend::Never if is_host => Found::Nothing,
            Lend::Never => {
                let lock = all.swap_remove(at).lock;
                self.count -= 1;
                if all.is_empty() {
                    self.kept.remove(node);
                }
                Found::Spent(lock)
            }
        };
        Some((found, None))
    }

    /// The user of a guest lets go, whose exchange has begun. `None` if it has not. Nothing has
    /// changed, unless it `may_owe`.
    pub(super) fn leave_exchanged(&mut self, lock: &Lock, may_owe: bool, now: u64) -> Option<Left> {
        let it = self.exchanged.iter_mut().find(|it| it.has(lock))?;
        if may_owe {
            it.gone.push(lock.number);
        }
        Some(Left { is_all: may_owe && lock.is_held(now), is_exchanged: true, host: None })
    }

    /// The user of a guest lets go, whose host is on this node.
    pub(super) fn leave(&mut self, node: &[u8], lock: &Lock, may_owe: bool, now: u64) -> Left {
        if let Some(left) = self.leave_exchanged(lock, may_owe, now) {
            return left;
        }
        let is_held = lock.is_held(now);
        let Some((it, at)) = self.find(node, lock) else { return Left::default() };
        it.guests.swap_remove(at);
        let is_last = it.guests.is_empty();
        let host = is_last.then(|| it.lock.clone());
        if is_last {
            it.since = now;
            it.lock.was_host();
            self.hosts -= 1;
        }
        Left { is_all: is_held, is_exchanged: false, host }
    }

    /// Whether a guest is to become a lock of its own, and the server has not said yet that it is.
    pub(super) fn is_exchanged(&self, lock: &Lock) -> bool {
        self.exchanged.iter().any(|it| it.has(lock))
    }

    /// The host of a guest, and which of its guests that is.
    fn find(&mut self, node: &[u8], lock: &Lock) -> Option<(&mut Kept, usize)> {
        let number = |it: &Guest| it.lock.number == lock.number;
        let mut all = self.kept.get_mut(node)?.iter_mut();
        all.find_map(|it| it.guests.iter().position(number).map(|at| (it, at)))
    }

    /// A guest is to be more than that (K12): if its host is on this node, it is exchanged.
    pub(super) fn exchange(&mut self, node: &[u8], lock: &Lock) {
        let hosts = self.drain(node, |it| it.guests.iter().any(|it| it.lock.number == lock.number));
        self.go_back(hosts);
    }

    /// What is held at a node, above it and below it is to be shown (K12). Returns the numbers of
    /// the locks there that are being exchanged.
    pub(super) fn exchange_around(&mut self, target: &Target) -> Vec<u64> {
        let is_near = |lock: &Lock| lock.path.starts_with(&target.path) || target.path.starts_with(&lock.path);
        if self.hosts > 0 {
            let hosts = self.drain_all(|it| !it.guests.is_empty() && is_near(&it.lock));
            self.go_back(hosts);
        }
        self.exchanged.iter().filter(|it| is_near(&it.host)).map(|it| it.host.number).collect()
    }

    /// Whether one of these is being exchanged.
    pub(super) fn is_exchanging(&self, hosts: &[u64]) -> bool {
        self.exchanged.iter().any(|it| hosts.contains(&it.host.number))
    }

    /// Whether the lock with this token has others below it, or had, and is being exchanged.
    pub(super) fn is_host(&self, token: &str, path: &TreePath) -> bool {
        let all = self.kept.get(&*keys::encode(path));
        all.is_some_and(|all| all.iter().any(|it| it.lock.token == token && !it.guests.is_empty()))
            || self.exchanged.iter().any(|it| it.host.token == token)
    }

    /// What was taken goes back. The exchange of what is a host begins (K10).
    pub(super) fn go_back(&mut self, taken: Vec<Kept>) -> Vec<Arc<Lock>> {
        let mut back = Vec::new();
        for Kept { lock, guests, .. } in taken {
            if guests.is_empty() {
                back.push(lock);
                continue;
            }
            guests.iter().for_each(|guest| guest.lock.leave_host());
            self.begun.push(Exchange::new(&lock, guests.iter().map(|it| (it.lock.clone(), it.kind))));
            self.exchanged.push(Exchanged { host: lock, guests, gone: Vec::new() });
        }
        back
    }

    /// How many exchanges have begun, and have not been answered.
    pub(super) fn exchanging(&self) -> usize {
        self.exchanged.len()
    }

    /// Exchanges that have begun, to be sent until they are answered. From now on nobody renews
    /// the locks that they end.
    pub(super) fn begun(&mut self) -> Vec<Exchange> {
        std::mem::take(&mut self.begun)
    }

    /// An exchange was answered: which of its locks the server has now; none if it never was.
    pub(super) fn exchanged(&mut self, exchange: &Exchange, found: &[bool], now: u64) -> Exchanges {
        let mut result = Exchanges::default();
        let Some(at) = self.exchanged.iter().position(|it| it.host.number == exchange.host.number) else {
            return result;
        };
        let Exchanged { gone, .. } = self.exchanged.swap_remove(at);
        result.gone = gone.len();
        for (at, (lock, _)) in exchange.guests.iter().enumerate() {
            let is_found = found.get(at).copied().unwrap_or(false);
            let is_wanted = !gone.contains(&lock.number) && lock.is_held(now);
            match (is_found, is_wanted) {
                (true, true) => {
                    lock.became_own();
                    result.own.push(lock.clone());
                }
                (true, false) => result.back.push(lock.clone()),
                (false, _) => lock.lose(),
            }
        }
        result
    }

    /// A host was lost, and with it its guests (K9).
    pub(super) fn lost(&mut self, host: &Lock) {
        let node = keys::encode(&host.path);
        self.drain(&node, |it| it.lock.number == host.number).iter().for_each(Kept::lose);
    }
}

#[cfg(test)]
mod tests;
