//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

use lexopt::prelude::*;

pub(crate) const HELP: &str = "\
Locks under load, with metrics for Prometheus and events on the terminal.

Usage: mutextree-observed [OPTIONS]

Options:
  --seconds S      For how long, 0.1 to 86400 [default: 10]
  --tenants N      How many tenants there are, 1 to 1000 [default: 2]
  --redis URL      Locks in this Redis server, and not in memory
  --listen ADDR    Where the metrics can be fetched [default: 127.0.0.1:9000]
  --help           Print this

RUST_LOG=mutextree=debug shows each wait, RUST_LOG=mutextree=warn nothing but losses.
At the end the metrics are printed once more.";

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) time: Duration,
    pub(crate) tenants: u16,
    pub(crate) redis: Option<String>,
    pub(crate) listen: SocketAddr,
}

impl Options {
    /// The options given on the command line; `None` if that asks for help.
    pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        let listen = SocketAddr::from(([127, 0, 0, 1], 9000));
        let mut options = Self { time: Duration::from_secs(10), tenants: 2, redis: None, listen };
        while let Some(argument) = parser.next()? {
            match argument {
                Long("seconds") => options.time = parser.value()?.parse_with(seconds)?,
                Long("tenants") => options.tenants = parser.value()?.parse_with(tenants)?,
                Long("redis") => options.redis = Some(parser.value()?.string()?),
                Long("listen") => options.listen = parser.value()?.parse()?,
                Long("help") | Short('h') => return Ok(None),
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(Some(options))
    }
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or("a time from 0.1 to 86400 seconds is wanted")
}

fn tenants(text: &str) -> Result<u16, &'static str> {
    text.parse().ok().filter(|number| (1..=1000).contains(number)).ok_or("a number from 1 to 1000 is wanted")
}
