//! [`Connector`]: opens connections to the master of the tree, wherever that is now.

use std::time::Duration;

use super::super::clock::clock;
use super::super::error::{Failure, RedisStoreError};
use super::super::primitives::{Arc, AtomicBool, Mutex, Ordering};
use super::super::server::Server;
use super::cluster::{self, Cluster};
use super::destination::{self, Destination, Way};
use super::dial::{Dialed, Dialer};
use super::guide::Told;
use super::lines::Lines;
use super::login::Login;
use super::pauses::Pauses;
use super::place::Place;
use super::resp::RespStream;
use super::search::Search;
use super::sentinel::Sentinel;
use super::slots::{Slots, Table};
use super::transport::Connect;
use super::tried::Tried;
use crate::observe::link::Link;

/// Before all guides are asked again.
const PAUSES: Pauses = Pauses { first: Duration::from_millis(20), longest: Duration::from_millis(250) };
/// So many guides at the most are asked at a look.
const MOST_ASKED: usize = 3;

pub(super) struct Connector {
    master: Master,
    dialer: Dialer,
    login: Login,
    /// Whether a server is asked for its node as well. Once that is so it stays so.
    asks_node: AtomicBool,
    lines: Lines,
    /// Those of its trees.
    slots: Arc<Slots>,
    table: Arc<Table>,
    /// What the URL leads to, for messages.
    shown: Arc<str>,
    /// The server that the last connection was opened to.
    address: Mutex<Arc<str>>,
    /// The same, as it says itself who it is.
    server: Mutex<Option<Server>>,
    link: Link,
}

/// Who is master for the tree's slot now.
enum Master {
    /// Whoever is there. A name is looked up for each connection.
    Fixed(Place),
    /// The one that guides name: they are asked for each connection.
    Guided(Search),
}

impl Connect for Arc<Connector> {
    type Transport = RespStream;

    fn connect(&self, deadline: u64) -> Result<RespStream, Failure> {
        let opened = self.open(deadline);
        match &opened {
            Ok(stream) => self.link.opened(&self.shown, || stream.peer()),
            Err(_) => self.link.broke(),
        }
        opened
    }

    fn address(&self) -> Arc<str> {
        self.address.lock().clone()
    }

    fn broke(&self) {
        self.link.broke();
    }

    fn misled(&self, error: &str) -> bool {
        self.misled_by(&self.address(), error)
    }
}

impl Connector {
    /// For the trees of these slots, in a cluster. What nodes say of others goes into the table.
    pub(super) fn new(
        to: &Destination,
        name: Option<String>,
        slots: Arc<Slots>,
        table: &Arc<Table>,
    ) -> Result<Self, RedisStoreError> {
        let parsed = destination::parse(&to.url)?;
        let login = Login { name, ..parsed.login };
        let is_tls = |places: &[Place]| matches!(places[0], Place::Host { is_tls: true, .. });
        let master = match parsed.way {
            Way::Fixed(place) => Master::Fixed(place),
            Way::Sentinels { places, service } => {
                let (user, password) =
                    to.sentinel_login.clone().map_or((None, None), |(user, password)| (user, Some(password)));
                let login = Login { user, password, name: login.name.clone(), ..Login::default() };
                let guide = Sentinel { service, login, is_tls: is_tls(&places) };
                Master::Guided(Search::new(Box::new(guide), places))
            }
            Way::Nodes(places) => {
                let login = Login { asks: false, asks_node: false, ..login.clone() };
                let (slots, table) = (slots.clone(), table.clone());
                let guide = Cluster { slots, table, login, is_tls: is_tls(&places) };
                Master::Guided(Search::new(Box::new(guide), places))
            }
        };
        let shown: Arc<str> = parsed.shown.into();
        let (dialer, lines, link) = (Dialer::new(), Lines::default(), Link::default());
        Ok(Self {
            master,
            dialer,
            login,
            asks_node: AtomicBool::new(to.names),
            lines,
            slots,
            table: table.clone(),
            address: Mutex::new(shown.clone()),
            server: Mutex::new(None),
            shown,
            link,
        })
    }

    /// What the URL leads to, for messages.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// The server that the last connection was opened to, as far as it says who it is.
    pub(super) fn server(&self) -> Option<Server> {
        self.server.lock().clone()
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Whether another server may be master at another time.
    pub(super) fn is_guided(&self) -> bool {
        matches!(self.master, Master::Guided(_))
    }

    /// Where the last connection was opened to, by what guides say.
    pub(super) fn master(&self) -> Option<Place> {
        match &self.master {
            Master::Fixed(_) => None,
            Master::Guided(search) => search.master(),
        }
    }

    pub(super) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Servers are asked for their node from now on.
    pub(super) fn ask_node(&self) {
        // Relaxed: whoever cares opens a connection next.
        self.asks_node.store(true, Ordering::Relaxed);
    }

    /// The master is most likely there, and these may know.
    pub(super) fn hint(&self, master: Option<Place>, guides: Vec<Place>) {
        if let Master::Guided(search) = &self.master {
            search.learn(guides, master);
        }
    }

    /// This server has said, by an error, that it is not the master. Whether that goes for all
    /// trees: the slot of one that has moved says nothing of other slots.
    pub(super) fn misled_by(&self, address: &str, error: &str) -> bool {
        if let Master::Guided(search) = &self.master {
            if let Some(slot) = cluster::moved_slot(error)
                && (self.slots.are_several() || slot != self.slots.asked())
            {
                return false;
            }
            let asked = search.master().filter(|master| master.to_string() == address);
            search.misled(asked.and_then(|asked| cluster::moved_to(error, &asked)));
        }
        true
    }

    fn login(&self) -> Login {
        Login { asks_node: self.asks_node.load(Ordering::Relaxed), ..self.login.clone() }
    }

    /// Opens a connection to the master by `deadline`. If there is none now, and guides say so, it
    /// is waited for.
    fn open(&self, deadline: u64) -> Result<RespStream, Failure> {
        let search = match &self.master {
            Master::Fixed(place) => return Ok(self.enter(self.dialer.dial(place, &self.login(), deadline)?)),
            Master::Guided(search) => search,
        };
        let is_later = |failure: &Failure| matches!(failure, Failure::Later(_));
        PAUSES.between(deadline, is_later, || self.find(search, deadline))
    }

    /// Asks guides in turn, each for its share of the time, and tries what they name.
    fn find(&self, search: &Search, deadline: u64) -> Result<RespStream, Failure> {
        let mut tried = Tried::default();
        if let Some(place) = search.take_hint() {
            match self.try_master(search, &place, None, share(deadline, 2)) {
                Ok(stream) => return Ok(stream),
                Err(failure) => tried.failed("the server before", &place, failure)?,
            }
        }
        let (guides, mut older) = (search.guides(), None);
        for (at, guide) in guides.iter().enumerate() {
            let left = guides.len() - at;
            let told = match search.ask(&self.dialer, guide, share(deadline, left + 1)) {
                Ok(told) => self.of_site(search, told),
                Err(denied) => {
                    tried.denied(guide, denied);
                    continue;
                }
            };
            if search.is_older(&told) {
                tried.older(guide, &told.master);
                older.get_or_insert(told);
            } else if tried.has(&told.master) {
                tried.again(guide);
            } else {
                match self.try_master(search, &told.master, told.epoch, share(deadline, left)) {
                    Ok(stream) => return Ok(stream),
                    Err(failure) => tried.failed(&guide.to_string(), &told.master, failure)?,
                }
            }
        }
        // All who can be asked say what was so before: they may have forgotten what came after.
        if let Some(told) = older.filter(|_| !tried.has_any()) {
            search.forget_epoch();
            match self.try_master(search, &told.master, told.epoch, deadline) {
                Ok(stream) => return Ok(stream),
                Err(failure) => tried.last(&told.master, failure)?,
            }
        } else if let Some(place) = search.master().filter(|_| !tried.has_any()) {
            match self.try_master(search, &place, None, deadline) {
                Ok(stream) => return Ok(stream),
                Err(failure) => tried.last(&place, failure)?,
            }
        }
        Err(tried.into_failure(&self.shown))
    }

    /// What was told of the slot that stands for all. If that one has left alone another one does,
    /// and the master is who it was.
    fn of_site(&self, search: &Search, told: Told) -> Told {
        let Some(master) = search.master().filter(|master| *master != told.master) else { return told };
        if self.slots.elect(|slot| self.table.master_of(slot).as_ref() == Some(&master)) {
            return Told { master, ..told };
        }
        told
    }

    fn try_master(
        &self,
        search: &Search,
        place: &Place,
        epoch: Option<u64>,
        deadline: u64,
    ) -> Result<RespStream, Failure> {
        let dialed = self.dialer.dial(place, &self.login(), deadline)?;
        let later = |reason: &str| Failure::Later(RedisStoreError::Busy { reason: reason.into() });
        if dialed.identity.is_replica {
            return Err(later("it says that it is a replica"));
        }
        if !search.found(place, epoch) {
            return Err(later("another one was found meanwhile"));
        }
        Ok(self.enter(dialed))
    }

    /// A connection to the master is open: those that lead elsewhere are cut.
    fn enter(&self, dialed: Dialed) -> RespStream {
        let Dialed { mut stream, identity, addresses } = dialed;
        stream.identified(identity.run_id.clone());
        *self.address.lock() = stream.address().clone();
        *self.server.lock() = identity.server;
        self.lines.opened(stream.line(), &addresses, identity.run_id);
        stream
    }

    /// Looks whether guides name another master than the one that connections lead to. If so one is
    /// opened there, which cuts the others.
    ///
    /// An answer counts if it is newer than what is known. If that cannot be told, two have to say
    /// the same: one alone may have slept.
    pub(super) fn look(&self, deadline: u64) {
        let Master::Guided(search) = &self.master else { return };
        let Some(master) = search.master() else { return }; // no connection was opened yet
        let mut named = None;
        for guide in search.guides_in_turn().iter().take(MOST_ASKED) {
            let Ok(told) = search.ask(&self.dialer, guide, share(deadline, MOST_ASKED)) else { continue };
            let told = self.of_site(search, told);
            if told.master == master {
                return;
            }
            if search.is_older(&told) {
                continue;
            }
            if search.is_newer(&told) || named.as_ref() == Some(&told.master) {
                // If that fails the next look tries again.
                if let Ok(stream) = self.try_master(search, &told.master, told.epoch, deadline) {
                    self.link.opened(&self.shown, || stream.peer());
                }
                return;
            }
            named = Some(told.master);
        }
    }
}

/// The deadline of one part of so many of the time that is left.
fn share(deadline: u64, parts: usize) -> u64 {
    let now = clock();
    now.saturating_add(deadline.saturating_sub(now) / parts.max(1) as u64)
}
