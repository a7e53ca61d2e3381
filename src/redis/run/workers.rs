//! [`Workers`]: the threads that work for one site, for all trees that are there. Each of them has
//! connections of its own, so there are as many of both as the site may have, however many trees.
//!
//! | threads, and a connection each | as many | begin with |
//! |---|---|---|
//! | `mutextree-renew`: renewals | up to 4 | the first renewal |
//! | `mutextree-beat`: heartbeats | up to 4 | the first waiter that waits for long |
//! | `mutextree-clean`: releases in the background | up to 2 | the first of them |
//! | `mutextree-kept`: kept locks that are recalled | 1 | the first of them |
//! | `mutextree-confirm`: replicas are asked | up to 4 | the first grant, where that is asked for |
//! | `mutextree-drive`: tasks | 1 | the first task |
//! | `mutextree-listen`: messages | 1 | the first waiter; the first tree of several |
//! | `mutextree-watch`: who is master (over connections to guides) | 1, with guides | the site |
//!
//! A client has one thread more, the [keeper](super::keeper), which does no I/O.
//!
//! * **S1, apart.** No thread of a site does I/O with another one. A job comes to the site where
//!   its tree is then. If the tree moves meanwhile the server says so, the job fails as if it had
//!   not been carried out, and is done again where the tree is.
//! * **S2, room.** A job takes what is due in all trees of the site. If there is no room for one it
//!   is left in the agendas, and those trees are *starved*. They are noted before it is looked
//!   whether there is room, and are looked at when a lane is done. So either the look finds room,
//!   or the lane finds the note.
//! * **S3, who leaves.** With its last tree a site loses its threads and connections. What was
//!   begun is done before that. Whatever is given to them later comes back, and goes where the tree
//!   is (D4), or waits in its agenda.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::{io, thread};

use super::client::Client;
use super::confirm::{self, Queue};
use super::driver;
use super::keeper::{self, Beats, Releases, Renewals};
use super::keeping;
use super::lanes::Lanes;
use super::subscriber::Subscriber;
use super::watch;
use crate::redis::primitives::{Arc, AtomicBool, Mutex, Weak};
use crate::redis::protocol::agenda::{Agenda, Room};
use crate::redis::wire::Site;

/// As many lanes as this for what must not wait: so many requests of one kind may be without an
/// answer at a time.
const LANES: usize = 4;
/// As many for what can: one that is stuck must not hold up all.
const RELEASE_LANES: usize = 2;

pub(in crate::redis) struct Workers {
    pub(super) site: Arc<Site>,
    pub(super) renewals: Arc<Lanes<Renewals>>,
    pub(super) heartbeats: Arc<Lanes<Beats>>,
    pub(super) releases: Arc<Lanes<Releases>>,
    pub(super) kept: Arc<Lanes<Arc<Client>>>,
    pub(super) confirms: Arc<Lanes<(Arc<Client>, Arc<Queue>)>>,
    pub(super) driver: Arc<driver::Shared>,
    /// Where several trees may be.
    pub(super) subscriber: Option<Arc<Subscriber>>,
    starved: Arc<Starved>,
    trees: Mutex<BTreeMap<u64, Weak<Client>>>,
    stopped: AtomicBool,
}

/// The trees that have something due for which there was no room.
#[derive(Default)]
pub(super) struct Starved(Mutex<BTreeMap<u64, Arc<Client>>>);

impl Starved {
    fn note(&self, client: &Arc<Client>) {
        self.0.lock().insert(client.number, client.clone());
    }

    /// There is room again.
    pub(super) fn look(&self) {
        let starved = std::mem::take(&mut *self.0.lock());
        starved.values().for_each(|client| client.agenda(Agenda::look_now));
    }
}

impl Workers {
    /// `are_shared`: whether there may be several trees.
    pub(super) fn start(site: Arc<Site>, are_shared: bool) -> io::Result<Arc<Self>> {
        let starved: Arc<Starved> = Arc::default();
        let for_keeper = || Some(starved.clone());
        let workers = Arc::new(Self {
            renewals: Lanes::new("mutextree-renew", LANES, &site, for_keeper(), keeper::renew),
            heartbeats: Lanes::new("mutextree-beat", LANES, &site, for_keeper(), keeper::beat),
            releases: Lanes::new("mutextree-clean", RELEASE_LANES, &site, for_keeper(), keeper::give_back),
            kept: Lanes::new("mutextree-kept", 1, &site, None, keeping::give_back_all),
            confirms: Lanes::new("mutextree-confirm", LANES, &site, None, confirm::work),
            driver: driver::Shared::new(site.clone()),
            subscriber: if are_shared { Some(Subscriber::new(site.clone())?) } else { None },
            starved,
            trees: Mutex::default(),
            stopped: AtomicBool::new(false),
            site,
        });
        if workers.site.is_guided() {
            let watched = workers.clone();
            thread::Builder::new().name("mutextree-watch".into()).spawn(move || watch::run(&watched))?;
        }
        Ok(workers)
    }

    pub(super) fn enter(&self, client: &Arc<Client>) {
        self.trees.lock().insert(client.number, Arc::downgrade(client));
    }

    /// Whether nobody is left.
    pub(super) fn leave(&self, client: &Client) -> bool {
        let mut trees = self.trees.lock();
        trees.remove(&client.number);
        trees.is_empty()
    }

    pub(super) fn trees(&self) -> Vec<Arc<Client>> {
        self.trees.lock().values().filter_map(Weak::upgrade).collect()
    }

    /// For which work there is room; who is starved otherwise is noted (S2).
    pub(super) fn room(&self, trees: &[Arc<Client>]) -> Room {
        let look = || Room {
            renewals: self.renewals.has_room(),
            heartbeats: self.heartbeats.has_room(),
            releases: self.releases.has_room(),
        };
        let room = look();
        if room.renewals && room.heartbeats && room.releases {
            return room;
        }
        trees.iter().for_each(|client| self.starved.note(client));
        look()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// The threads end when they have nothing more to do.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.renewals.stop();
        self.heartbeats.stop();
        self.releases.stop();
        self.kept.stop();
        self.confirms.stop();
        self.driver.stop();
        self.subscriber.iter().for_each(|subscriber| subscriber.stop());
    }
}
