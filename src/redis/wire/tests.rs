//! The layer against servers of the tests' own: some that do what the test says, some real.

mod deadlines;
mod fake;
#[cfg(all(feature = "redis-sentinel", feature = "redis-cluster"))]
mod guides;
#[cfg(unix)]
mod interrupts;
mod login;
mod refusals;
mod server;
mod storm;
#[cfg(feature = "redis-tls")]
mod tls;

use std::time::Duration;

use super::super::clock::clock;
use super::super::error::{Failure, RedisStoreError};
use super::{Destination, Wire};
use crate::redis::command::command;

/// On the clock, from now.
fn within(time: Duration) -> u64 {
    clock().saturating_add(time.as_micros() as u64)
}

fn soon() -> u64 {
    within(Duration::from_secs(10))
}

fn wire(url: &str) -> Wire {
    wire_with(url, None, 5_000_000).unwrap()
}

fn wire_with(url: &str, name: Option<String>, timeout: u64) -> Result<Wire, RedisStoreError> {
    let to = Destination { url: url.into(), tree: "mutextree".into(), sentinel_login: None, names: false };
    Wire::new(&to, name, timeout)
}

fn echo(text: &str) -> Vec<u8> {
    command(&[b"ECHO", text.as_bytes()])
}

fn is_down(failure: &Failure) -> bool {
    matches!(failure, Failure::Down(_))
}

fn is_unsure(failure: &Failure) -> bool {
    matches!(failure, Failure::Unsure(_))
}

fn is_later(failure: &Failure) -> bool {
    matches!(failure, Failure::Later(_))
}
