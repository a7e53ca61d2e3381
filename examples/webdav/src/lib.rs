//! A WebDAV server on the crate [`dav_server`], whose locks are those of a
//! [`mutextree::LockStore`].
//!
//! ```text
//! cargo run --release -p mutextree-webdav -- [DIR] [--port N]
//! ```
//!
//! serves the directory to the file managers of this machine and prints where to point them. Locks
//! are real:
//!
//! * They are exclusive or shared, and cover a file, a collection alone (depth 0), or all that is
//!   in it (depth infinity).
//! * A lock whose timeout has passed is free for others, whether or not its client is still there.
//! * What a request may write is locked for as long as it writes.
//!
//! `/.locks` shows who locks what:
//!
//! ```text
//! /
//! └─ plans
//!    ├─ budget.ods  held  exclusive  Ada on desk-7  28 s  without a guard, lease ends in 9 min
//!    └─ draft.odt   held  shared     Bea            9 s   without a guard, lease ends in 23 h
//!                   held  shared     Cem            4 s   without a guard, lease ends in 23 h
//!
//! 3 held, nobody waits
//! ```
//!
//! litmus, the test suite for WebDAV servers, passes all of its suites against it:
//! `scripts/litmus`.
//!
//! # How
//!
//! Each lock is a [`Lease`](mutextree::Lease) in the store, and everything about it is in the
//! store. So servers that share a store share locks. A server that is started anew finds its locks
//! again, if the store outlives it.
//!
//! * `locks.rs` is the part to read: what of WebDAV becomes what of the store, and the rules.
//! * `label.rs` is the text in a lock's owner field, `names.rs` turns URLs into paths of locks and
//!   back, `listing.rs` shows the tree.
//! * `locksystem.rs` fits it to dav-server, `properties.rs` keeps the properties that clients set,
//!   `server.rs` speaks HTTP, `report.rs` tells of errors.
//!
//! # Limits
//!
//! * Nobody logs in, so it listens on this machine only, and every client that knows a token may
//!   use it. A server with logins would keep the user's name in the label, and compare it in
//!   `in_the_way`.
//! * A request that shows a token is as safe as that lock. Another lock may come in between if the
//!   lock's time ends while the request runs. The same holds if the lock is on a part of what is
//!   deleted or moved.
//! * Each lock, refresh and refusal reads the store's whole list of locks, which is nothing for
//!   thousands of them and too much for millions.
//! * Properties are kept as extended attributes, so a file system without them has none.
#![forbid(unsafe_code)]

mod label;
mod listing;
mod locks;
mod locksystem;
mod names;
mod properties;
mod report;
mod server;

pub use report::in_full;
pub use server::{LOCKS, Server};
