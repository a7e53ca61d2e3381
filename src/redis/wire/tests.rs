//! The layer against servers of the tests' own: some that do what the test says, some real.

mod deadlines;
mod fake;
#[cfg(unix)]
mod interrupts;
mod login;
mod refusals;
mod server;
mod storm;
#[cfg(feature = "redis-tls")]
mod tls;

use std::time::Duration;

use super::super::clock::{as_micros, clock};
use super::super::error::Failure;
use super::{Command, Wire};

/// On the clock, from now.
fn within(time: Duration) -> u64 {
    clock().saturating_add(as_micros(time))
}

fn soon() -> u64 {
    within(Duration::from_secs(10))
}

fn wire(url: &str) -> Wire {
    Wire::new(url, None, 5_000_000).unwrap()
}

fn echo(text: &str) -> Vec<u8> {
    Command::new("ECHO").arg(text).bytes().to_vec()
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
