//! [`Keep`]: locks that their users have let go of, and that the server does not know to be free.
//! The next user of the same lock in this process has it without a request.
//!
//! A **cover** is a lock that the server has granted to this process. It has one user, or none.
//! One without a user is **kept**. A **recall** is a message from the server: somebody wants a
//! lock, and something that this client may keep is in conflict with it. A kept cover of a subtree
//! also serves locks below it, several at a time: `below.rs` (K7 to K12). One on a node may come in
//! place of many below it: `grow.rs` (K14 to K17).
//!
//! | state of a cover | next | by |
//! |---|---|---|
//! | asked for | in use; or none, if it is refused | the server's answer |
//! | in use | kept, if K2 allows it; else on its way back | its user, who lets go |
//! | kept | in use by another user | one who wants the same lock, with the same owner |
//! | kept | on its way back | a recall; the end of `idle`; the end of the store; too little time left |
//! | in use or kept | lost | its deadline; a renewal that finds that it is gone; news of a `break` |
//! | on its way back | none | `give_back`, sent until it is answered (P4) |
//!
//! All but the first and the last two are steps of this state machine, of the part that the node
//! of the cover belongs to, under the mutex of that part. It is held for arithmetic only. So the
//! steps of one cover come one after the other, and there is nothing else for two threads to race
//! for. Why a step in each part is as good as one in all: `parts.rs`.
//!
//! # Invariants
//!
//! * **K1, a cover is a lock.** Whoever uses one holds what the server granted to this process, and
//!   has not been given back. So the server's I3 (exclusion) says all about other processes, and
//!   "one user or none" all about this one. A cover is kept and lent by its own deadline (P1), with
//!   at least a quarter of its lease left. Only one that has a user is renewed, or had one since
//!   its renewal was due.
//! * **K2, whoever waits has recalled it.** A cover is kept only if it was granted without having
//!   waited, no request of it is in doubt, nothing has changed it since, and no recall came since
//!   its present user has it that is in conflict with it. *Granted at once* means that nobody in
//!   conflict waited at that time (I4). So whoever waits for it now has queued later, and the
//!   script that queued it saw the cover among the holders and sent the recall.
//! * **K3, no recall is lost.** A recall is counted, and then looked for among what is kept, in one
//!   step of each part. *If that of its part comes before the cover is let go of*, the cover is
//!   given back: the count that its user began with is older than the recall. *If it comes after*,
//!   the cover is among what is kept, and goes back now. A recall that comes before the answer that
//!   grants is counted as well, as the count is taken before the request is sent. The message
//!   itself is a hint: it is sent again with each heartbeat of the waiter, and a listener that had
//!   to connect anew counts as a recall of everything.
//! * **K4, nobody overtakes for ever.** A recalled cover has no further user. What comes in between
//!   the waiter's queueing and the recall lasts as long as the message takes. A node that was
//!   recalled is not kept for a while, which doubles with each recall: two processes that want one
//!   node in turns pay for one recall, and then take turns as without this.
//! * **K5, tokens rise.** The first user's fencing token is the one that the server drew. Each
//!   further user of an exclusive cover has the next number; those of a shared one are in conflict
//!   with none of each other, and share it. A conflicting lock is granted by the server, after the
//!   cover is gone. *If it was given back*, `give_back` has raised the tree's `tick` to the last
//!   token first. *If its user has other work with the server*, `in_use` has done so before. *If
//!   its lease has ended*, the tree's time is at least the first token plus the first time that it
//!   was granted for, and no more tokens are lent than half of that in microseconds. No more than
//!   one a microsecond is lent since the cover was first let go of, so that a raised tick is not
//!   ahead of the server's clock (I1). A lock whose own token is ahead of the tick is of before
//!   the tree lost its data and its clock was set back: its users' tokens raise nothing.
//! * **K6, a try is not refused by what nobody uses.** If all that is in its way may be kept, the
//!   server answers "ask again", and sends the recall. The client that keeps it gives it back, or
//!   says that it is in use (`in_use`), and from then on it is in the way like any lock. So it must
//!   not be kept again. It is marked before that is said, in a step of its own. *If its user lets
//!   go after that step*, it is released. *If he did before*, it is kept, and goes back in that
//!   step. A client that does not answer in time counts as a holder: its process may be stopped, or
//!   cut off.
//!
//! * **K13, whoever is lent a cover has it renewed.** The agenda knows a cover from its grant until
//!   it goes back, so that to let go and to take again change nothing there. A renewal that is due
//!   while nobody uses the cover is *left*: that is one step with the look whether it has a user,
//!   under the mutex of the lock, and so is lending. *If it is lent first*, it has a user, and is
//!   renewed. *If its renewal is left first*, its next user finds that, and tells the agenda. To
//!   lose it and to let go of it are such steps as well. So what is kept was not lost before, and
//!   if it is lost after that nobody is told.
//!
//! # Nobody waits in a circle
//!
//! Here nobody waits for a cover. Who finds no kept one asks the server, as without this. So the
//! edges of the wait-for graph are the server's: waiter to holder, waiter to earlier waiter. Those
//! that a kept cover adds end at the cover. It has no user, so nobody behind it waits for anything:
//! it goes back when the recall comes, and that waits for no lock. The listener's thread takes the
//! mutexes of the parts and of the agenda, which no one holds while it waits. The thread that
//! gives back has a connection of its own, and no work but this. If that fails, the agenda goes on
//! with it. A cover is exactly what its user asked for, so one in use is in nobody's way who would
//! not have been in conflict with the user.

use std::collections::{BTreeMap, VecDeque};

use super::exchange::Exchange;
use super::keys::{self, Target};
use super::lock::{Lend, Lock};
use super::timing::Timing;
use crate::path::TreePath;
use crate::redis::primitives::Arc;
use crate::request::{Kind, Mode, Owner, conflicts};

/// As many recalls are remembered, by each part. A cover whose user has it since an earlier one is
/// not kept.
const REMEMBERED: usize = 128;
/// As many locks are kept at the most.
const MOST: usize = 65_536;
/// As many recalled nodes are remembered.
const MOST_HOT: usize = 4096;
/// For how long a recalled node is not kept, at first and at the most.
const COOLS: u64 = 1_000_000;
const LONGEST_COOLS: u64 = 60_000_000;

/// What a process keeps on the nodes of one part.
#[derive(Debug)]
struct Part {
    /// How long a lock is kept without a user.
    idle: u64,
    /// By path, as the scripts write it: so what is below a node lies in one range.
    kept: BTreeMap<Box<[u8]>, Vec<Kept>>,
    count: usize,
    /// How many of them are hosts.
    hosts: usize,
    /// Hosts that are being exchanged.
    exchanged: Vec<Exchanged>,
    /// Exchanges that have begun, and that nobody has taken to send.
    begun: Vec<Exchange>,
    /// The latest recalls, each the same for all parts, and how many there have been.
    recalls: VecDeque<Arc<(TreePath, Kind)>>,
    recalled: u64,
    /// How often one of these was lent, or was taken below.
    hits: u64,
    /// Nodes that were recalled: until when they are not kept, and how long that is.
    hot: BTreeMap<Box<[u8]>, (u64, u64)>,
    /// How nodes stand that may be grown, and what is given for that (`grow.rs`).
    growing: BTreeMap<Box<[u8]>, Growing>,
    given: Vec<Arc<Lock>>,
    /// The store is gone: nothing is kept any more.
    is_over: bool,
}

#[derive(Debug)]
struct Kept {
    lock: Arc<Lock>,
    kind: Kind,
    /// When its last user let go.
    since: u64,
    /// Who is below it. With any it is a host.
    guests: Vec<Guest>,
}

/// What somebody who wants a lock finds.
#[derive(Debug)]
pub(in crate::redis) enum Found {
    /// It is lent.
    It(Arc<Lock>),
    /// It is there, and can be lent in a microsecond.
    Soon,
    /// It can be lent no more: it is to be given back.
    Spent(Arc<Lock>),
    Nothing,
}

impl Part {
    fn new(idle: u64) -> Self {
        Self {
            idle,
            kept: BTreeMap::new(),
            count: 0,
            hosts: 0,
            exchanged: Vec::new(),
            begun: Vec::new(),
            recalls: VecDeque::new(),
            recalled: 0,
            hits: 0,
            hot: BTreeMap::new(),
            growing: BTreeMap::new(),
            given: Vec::new(),
            is_over: false,
        }
    }

    /// How many locks are kept, and not hosts.
    fn count(&self) -> usize {
        self.count - self.hosts
    }

    /// Whether the lock with this token is kept, and not a host.
    fn has(&self, token: &str, path: &TreePath) -> bool {
        let all = self.kept.get(&*keys::encode(path));
        all.is_some_and(|all| all.iter().any(|kept| kept.lock.token == token && kept.guests.is_empty()))
            || self.given.iter().any(|lock| lock.token == token)
    }

    /// Lends a kept lock, if there is the very one.
    fn take(&mut self, target: &Target, kind: Kind, owner: Option<&Owner>, timing: &Timing, now: u64) -> Found {
        let Some(all) = self.kept.get_mut(target.text()) else { return Found::Nothing };
        let is_it = |it: &Kept| it.kind == kind && it.lock.owner.as_ref() == owner && it.guests.is_empty();
        let Some(at) = all.iter().position(is_it) else { return Found::Nothing };
        let lock = &all[at].lock;
        let lend = match lasts(lock, now) {
            true => lock.lend(kind.mode == Mode::Exclusive, self.recalled, most(lock, timing), now),
            false => Lend::Never,
        };
        if lend == Lend::Soon {
            return Found::Soon;
        }
        let lock = all.swap_remove(at).lock;
        self.count -= 1;
        if all.is_empty() {
            self.kept.remove(target.text());
        }
        if lend != Lend::Yes {
            return Found::Spent(lock);
        }
        self.hits += 1;
        Found::It(lock)
    }

    /// Whether a lock whose user is about to let go will be kept (K2).
    fn may_keep(&mut self, lock: &Lock, target: &Target, kind: Kind, now: u64) -> bool {
        if self.is_over || self.count >= MOST / PARTS || !lock.may_be_kept(keys::number(kind)) || !lock.is_held(now) {
            return false;
        }
        let since = lock.counted_from();
        let news = usize::try_from(self.recalled - since.min(self.recalled)).unwrap_or(usize::MAX);
        let is_wanted = news > self.recalls.len() || {
            let newer = self.recalls.iter().rev().take(news);
            newer.into_iter().any(|it| conflicts((&it.0, it.1), (&lock.path, kind)))
        };
        if is_wanted {
            self.heat(target.text(), now);
        }
        !is_wanted && self.hot.get(target.text()).is_none_or(|&(until, _)| until <= now)
    }

    /// Its user has let go. `false`, and nothing has changed, if it is not to be kept.
    fn keep(&mut self, lock: &Arc<Lock>, target: &Target, kind: Kind, now: u64) -> bool {
        if !self.may_keep(lock, target, kind, now) || !lock.let_go(now) {
            return false;
        }
        let kept = Kept { lock: lock.clone(), kind, since: now, guests: Vec::new() };
        match self.kept.get_mut(target.text()) {
            Some(all) => all.push(kept),
            None => _ = self.kept.insert(target.text().into(), vec![kept]),
        }
        self.count += 1;
        true
    }

    /// Somebody wants this (K3); `text` is its path as the server has it. Returns what is kept in
    /// its way, which is to be given back.
    fn recall(&mut self, wanted: &Arc<(TreePath, Kind)>, text: &[u8], now: u64) -> Vec<Arc<Lock>> {
        self.recalled += 1;
        if self.recalls.len() == REMEMBERED {
            self.recalls.pop_front();
        }
        self.recalls.push_back(wanted.clone());
        self.is_wanted_near(text, now);
        if self.kept.is_empty() {
            return Vec::new();
        }
        let (path, kind) = (&wanted.0, wanted.1);
        let mut nodes: Vec<Box<[u8]>> = Vec::new();
        let above = text.iter().enumerate().filter(|(at, byte)| **byte == 1 && *at > 0).map(|(at, _)| at);
        for end in std::iter::once(0).chain(above).chain(std::iter::once(text.len())) {
            if let Some((node, _)) = self.kept.get_key_value(&text[..end]) {
                nodes.push(node.clone());
            }
        }
        let (from, to) = ([text, &[1]].concat(), [text, &[2]].concat());
        let below = self.kept.range::<[u8], _>((std::ops::Bound::Included(&*from), std::ops::Bound::Excluded(&*to)));
        nodes.extend(below.map(|(node, _)| node.clone()));
        nodes.dedup(); // the root is its own first ancestor
        let mut back = Vec::new();
        for node in nodes {
            let taken = self.drain(&node, |it| conflicts((path, kind), (&it.lock.path, it.kind)));
            if !taken.is_empty() {
                self.heat(&node, now);
            }
            back.extend(taken);
        }
        self.go_back(back)
    }

    /// Whether a lock is in use: then it will not be kept. Else it is kept, and goes `back`.
    fn is_in_use(&mut self, node: &[u8], lock: &Lock, back: &mut Vec<Arc<Lock>>) -> bool {
        let kept = self.drain(node, |it| it.lock.number == lock.number);
        let is_in_use = kept.is_empty();
        if is_in_use {
            lock.never_keep();
        }
        back.extend(self.go_back(kept));
        is_in_use
    }

    /// Messages may have been lost: all that is kept goes back, and nothing that is in use is kept.
    fn recall_all(&mut self) -> Vec<Arc<Lock>> {
        self.recalled += 1 + REMEMBERED as u64;
        self.recalls.clear();
        let all = self.drain_all(|_| true);
        self.go_back(all)
    }

    /// Somebody has ended the lock with this number, if it was granted with this fencing token or
    /// lent with it.
    fn broken(&mut self, number: u64, fencing_token: u64) {
        for kept in self.drain_all(|it| it.lock.number == number && it.lock.has_had(fencing_token)) {
            kept.lose();
        }
        self.given.iter().filter(|it| it.number == number && it.has_had(fencing_token)).for_each(|it| it.lose());
    }

    /// What has been kept for long enough.
    fn idle(&mut self, now: u64) -> Vec<Arc<Lock>> {
        let idle = self.idle;
        self.hot.retain(|_, (until, length)| *until + 8 * *length > now);
        let is_over = |it: &Kept| it.since.saturating_add(idle) <= now || it.lock.deadline() <= now;
        let all = self.drain_all(|it| it.guests.is_empty() && is_over(it));
        self.go_back(all)
    }

    /// When something will have been kept for long enough, if nobody takes it.
    fn next(&self) -> Option<u64> {
        let due = |it: &Kept| it.since.saturating_add(self.idle).min(it.lock.deadline());
        self.kept.values().flatten().filter(|it| it.guests.is_empty()).map(due).min()
    }

    /// The store is gone.
    fn end(&mut self) -> Vec<Arc<Lock>> {
        self.is_over = true;
        let all = self.drain_all(|_| true);
        self.go_back(all)
    }

    fn drain(&mut self, node: &[u8], which: impl Fn(&Kept) -> bool) -> Vec<Kept> {
        let Some(all) = self.kept.get_mut(node) else { return Vec::new() };
        let taken: Vec<_> = all.extract_if(.., |it| which(it)).collect();
        if all.is_empty() {
            self.kept.remove(node);
        }
        self.taken(&taken);
        taken
    }

    fn drain_all(&mut self, which: impl Fn(&Kept) -> bool) -> Vec<Kept> {
        let mut taken = Vec::new();
        self.kept.retain(|_, all| {
            taken.extend(all.extract_if(.., |it| which(it)));
            !all.is_empty()
        });
        self.taken(&taken);
        taken
    }

    fn taken(&mut self, taken: &[Kept]) {
        self.count -= taken.len();
        self.hosts -= taken.iter().filter(|it| !it.guests.is_empty()).count();
    }

    /// A node was recalled (K4).
    fn heat(&mut self, node: &[u8], now: u64) {
        let length = match self.hot.get(node) {
            Some(&(until, _)) if until > now => return, // once for all of its locks
            Some(&(_, length)) => (2 * length).min(LONGEST_COOLS),
            None => COOLS,
        };
        if self.hot.len() >= MOST_HOT / PARTS && !self.hot.contains_key(node) {
            self.hot.pop_first();
        }
        self.hot.insert(node.into(), (now.saturating_add(length), length));
    }
}

/// Whether it is worth lending: a quarter of its lease is left (K1).
fn lasts(lock: &Lock, now: u64) -> bool {
    lock.is_held(now) && lock.deadline() > now.saturating_add(lock.lease / 4)
}

/// How many fencing tokens are surely its own (K5). The first time for which it was granted may
/// have been a claim window.
fn most(lock: &Lock, timing: &Timing) -> u64 {
    lock.lease.min(timing.claim_window()) / 2
}

mod below;
mod grow;
mod parts;
#[cfg(test)]
mod tests;

use below::{Exchanged, Guest};
use grow::Growing;
pub(in crate::redis) use grow::{GROWS, Growth};
use parts::PARTS;
pub(in crate::redis) use parts::{Keep, Recalled};
