//! How bytes reach the server that is master for the tree. No type of the redis crate, and no
//! socket, leaves this layer; it knows nothing of locks.
//!
//! * `wire/destination.rs`, `wire/place.rs`: what a URL asks for; where a server listens
//! * `wire/connector.rs`: opens connections to the master, wherever that is now
//! * `wire/search.rs`, `wire/tried.rs`: whom to ask for the master; what each of them said
//! * `wire/guide.rs`, `wire/sentinel.rs`, `wire/cluster.rs`: how one is asked
//! * `wire/dial.rs`, `wire/login.rs`, `wire/resolve.rs`: one connection to one place
//! * `wire/lines.rs`: the connections that are open, and which of them are cut
//! * `wire/pauses.rs`: the same again, after pauses that grow
//! * `wire/answer.rs`: answers out of bytes
//! * `wire/refusal.rs`: what an error of the server means
//! * `wire/socket.rs`: system calls that end at a deadline and are repeated after a signal
//! * `wire/tls.rs`, `wire/stream.rs`: the socket, in the clear or over TLS
//! * `wire/transport.rs`: what a pool wants of connections
//! * `wire/resp.rs`: commands and answers over one stream, and what of them is under way
//! * `wire/connection.rs`: a connection of one's own
//! * `wire/pool.rs`: the connections that callers share
//! * `wire/feed.rs`, `wire/bell.rs`: a connection over which messages come; what wakes its reader
//! * `wire/site.rs`: a master, and all connections to it
//! * `wire/route.rs`, `wire/slots.rs`: the sites of a client, and at which of them a tree is
//!
//! # Who is master
//!
//! All keys of a tree have one slot. So all that a tree needs of Sentinels or of a cluster is who
//! is master for that slot now, and one small trait asks that: [`Guide`](guide::Guide). No cluster
//! client is needed. Those of the redis crate wait by their own clock, and would miss deadlines.
//!
//! | URL | whom to ask, for each connection | what it is asked |
//! |---|---|---|
//! | `redis://`, `rediss://`, `unix://` | nobody: a fixed place, whose name is looked up anew | |
//! | `redis-sentinel://` | Sentinels, in turn | the address, and the number of the configuration |
//! | `redis-cluster://` | nodes, in turn | the table of slots |
//!
//! * **M1, its own time.** A search ends at the deadline of whoever needs the connection. Each
//!   guide has its share of what is left. One that did not answer is asked last the next time.
//! * **M2, waiting for a master.** If a guide says that there is a master, or may be one soon, and
//!   it cannot be had, the search goes on until the deadline: a failover is under way. The failure
//!   then is [`Failure::Later`], as the command did not run. If no guide can be reached the failure
//!   is [`Failure::Down`], at once.
//! * **M3, no way back.** Sentinels number their configurations. An answer with a smaller number
//!   than one seen before counts only if nobody has a better one. The nodes of a cluster give no
//!   number for a slot; there `MOVED` puts right what a node that slept has said.
//! * **M4, the role.** A server that a guide named, and that says it is a replica, is not the
//!   master. A fixed place is not asked: all our scripts write, and a replica answers them
//!   `READONLY`.
//! * **M5, no guide left.** While no guide can be reached the last master is tried. So locks go on
//!   while all Sentinels are away, when there is no failover, either.
//!
//! # What makes it ask again
//!
//! | what | the connection | the command |
//! |---|---|---|
//! | the connection breaks, or an answer is overdue | given up | `Unsure`, or `Down` if nothing was sent |
//! | connection refused, no route, a name without address | none | `Later` with guides, else `Down` |
//! | `READONLY`, `MASTERDOWN`, `CLUSTERDOWN`, `UNBLOCKED`, `LOADING` | given up; another guide is asked first | `Later` |
//! | `MOVED` | given up; the server that it names is tried first | `Later` |
//! | `MOVED`, and there are trees of other slots here | kept: the tree goes elsewhere (R2) | `Later` |
//! | `ASK`, `TRYAGAIN` | kept: the server decides about the slot until it has moved | `Later` |
//! | `NOREPLICAS`, `MISCONF`, `OOM`, `BUSY` | kept | `Later` |
//! | each second: a [look](Site::look) at what a guide says | cut, if another server is master | `Unsure` |
//!
//! A caller's command that a server *passed on* (the third to the fifth line) is sent again by
//! [`Wire::call`] until the caller's deadline, if there are guides. So neither a failover nor a
//! slot that moves shows, but in time.
//!
//! **Nobody follows `ASK`.** While a slot moves the classic way, key by key, a script with several
//! keys is run by neither side unless it has all of them. Ours declare seven, and the last never
//! exists: it is what the names of mailboxes begin with. So the old side answers `TRYAGAIN`, or
//! `ASK` once all keys have gone; the new side, asked with `ASKING`, answers `TRYAGAIN`. The
//! listener's command, which has one key, would be run, and would wait for messages that no script
//! can push meanwhile. So the move is sat out. What that costs is in `docs/distributed.md`.
//!
//! # Which connections are cut
//!
//! * **L1, elsewhere.** When a connection to the master is open, all others of the store are cut
//!   that lead to an address which is not one of that server's: those of callers, lanes, driver and
//!   listener, whoever waits on them. So a master that hangs, or was cut off and does not know it,
//!   is left for good as soon as one thread has found the new one.
//! * **L2, another process.** Each connection knows the run id of its server. One that was never
//!   seen before took the place of those before, so connections to them are cut: a proxy may hide
//!   the address. Of those that were seen before, several may be behind one proxy, and none is cut.
//! * **L3**: who finds its connection cut uses it no more, and what was under way is `Unsure`.

mod answer;
mod bell;
mod cluster;
mod connection;
mod connector;
mod destination;
mod dial;
mod feed;
mod guide;
mod lines;
mod login;
mod pauses;
mod place;
mod pool;
mod refusal;
mod resolve;
mod resp;
mod route;
mod search;
mod sentinel;
mod site;
mod slots;
mod socket;
mod stream;
#[cfg_attr(not(feature = "redis-tls"), path = "wire/no_tls.rs")]
mod tls;
mod transport;
mod tried;

pub(in crate::redis) use bell::Bell;
pub(in crate::redis) use connection::Connection;
pub(in crate::redis) use destination::Destination;
pub(in crate::redis) use feed::Feed;
pub(in crate::redis) use route::{Net, Wire};
pub(in crate::redis) use site::Site;

#[cfg(all(test, not(mutextree_shuttle)))]
mod tests;

/// The reason of a failure that is a time-out.
const NO_ANSWER: &str = "no answer in time";

/// The name by which a server that has run a script knows it.
pub(in crate::redis) fn script_hash(text: &str) -> String {
    redis::Script::new(text).get_hash().to_owned()
}
