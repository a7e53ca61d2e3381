//! The story: who is started, stopped and continued when, and what came of it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::orders::Orders;
use crate::processes::{Cast, Copy, Outcome};
use crate::worker::{ABOUT_TO_WRITE, DONE, GIVES, LEASE, PATH, REFUSED};

/// Tells it. `false` if two orders got the same number.
pub(crate) fn tell(url: &str, database: &Path, with_tokens: bool) -> Outcome<bool> {
    Orders::create(database, PATH)?;
    let cast = Cast::new();
    let file = database.to_str().ok_or("the name of the temporary directory is no text")?;
    let start = |name: &str, orders: &str, more: &[&str]| {
        let mut arguments = vec!["--worker", name, "--redis", url, "--database", file, "--orders", orders];
        arguments.extend_from_slice(more);
        if !with_tokens {
            arguments.push("--without-tokens");
        }
        cast.start(name, &arguments)
    };

    let mut both = [start("ann", "3", &[])?, start("ben", "3", &[])?];
    let mut said = cast.until(&["ann", "ben"], DONE)?;
    both.iter_mut().try_for_each(Copy::succeeds)?;

    let mut eve = start("eve", "1", &["--hesitates"])?;
    said.extend(cast.until(&["eve"], ABOUT_TO_WRITE)?);
    signal(&eve, Signal::SIGSTOP)?;
    cast.say("eve", &format!("is stopped; her lease of {LEASE:?} goes on without her"));

    let mut dan = start("dan", "1", &[])?;
    said.extend(cast.until(&["dan"], DONE)?);
    dan.succeeds()?;

    signal(&eve, Signal::SIGCONT)?;
    cast.say("eve", "goes on, and writes");
    writeln!(eve.0.stdin.take().ok_or("eve does not listen")?, "go on")?;
    said.extend(cast.until(&["eve"], DONE)?);
    eve.succeeds()?;
    ends(&said)
}

fn signal(copy: &Copy, signal: Signal) -> Outcome<()> {
    Ok(kill(Pid::from_raw(copy.0.id().try_into()?), signal)?)
}

/// What came of it, by what the workers have said.
fn ends(said: &[(String, String)]) -> Outcome<bool> {
    // Of each number how many orders have it.
    let mut given = BTreeMap::<u64, usize>::new();
    for number in said.iter().filter_map(|(_, line)| line.strip_prefix(GIVES)?.split(' ').next()) {
        *given.entry(number.parse()?).or_default() += 1;
    }
    let orders: usize = given.values().sum();
    println!();
    if let Some((number, _)) = given.iter().find(|&(_, &orders)| orders > 1) {
        println!("A stale write got through: of {orders} orders two have the number {number}.");
        Ok(false)
    } else if said.iter().any(|(who, line)| who == "eve" && line.starts_with(REFUSED)) {
        println!("The stale write was refused: {orders} orders have {} numbers.", given.len());
        Ok(true)
    } else {
        Err("nobody wrote too late, so nothing was shown".into())
    }
}
