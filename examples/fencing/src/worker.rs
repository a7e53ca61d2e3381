//! A worker: gives numbers to orders, each under a lock.

use std::time::Duration;
use std::{io, mem};

use mutextree::{LockStore, RedisStore};

use crate::Options;
use crate::orders::Orders;
use crate::processes::Outcome;

/// What is locked, and the key of the row.
pub(crate) const PATH: &str = "shop/orders";

/// Short, so that nobody has to wait for long. It renews itself while the process runs.
pub(crate) const LEASE: Duration = Duration::from_secs(1);

/// What a worker says, and the story goes by.
pub(crate) const ABOUT_TO_WRITE: &str = "is about to write";
pub(crate) const GIVES: &str = "gives an order the number ";
pub(crate) const REFUSED: &str = "is refused";
pub(crate) const DONE: &str = "done";

/// Gives as many numbers as it was told to, and says what it sees on its standard output.
pub(crate) fn work(name: &str, options: &Options) -> Outcome<()> {
    let url = options.redis.as_deref().unwrap_or_default();
    let store = RedisStore::builder(url).tree("fencing").lease(LEASE).client_name(name).connect()?;
    let orders = Orders::open(&options.database, !options.without_tokens)?;
    let mutex = store.mutex(PATH)?.owner(name);
    let (mut given, mut hesitates) = (0, options.hesitates);
    while given < options.orders {
        let guard = mutex.lock()?;
        let token = guard.fencing_token();
        // A lock that was lost this soon is asked for anew.
        let Some(last) = orders.read(PATH, token)? else { continue };
        let next = last + 1;
        if mem::take(&mut hesitates) {
            println!("has locked {PATH} with token {token}; the last number is {last}");
            println!("{ABOUT_TO_WRITE} {next}: `is_held` says {}", guard.is_held());
            // The story stops this process here, and says when to go on.
            io::stdin().read_line(&mut String::new())?;
        }
        if orders.write(PATH, token, next)? {
            println!("{GIVES}{next} (token {token})");
            given += 1;
        } else {
            println!("{REFUSED}: the row has seen a greater token than {token}");
        }
        if let Err(error) = guard.unlock() {
            println!("is told by `unlock`: {error}");
        }
    }
    println!("{DONE}");
    Ok(())
}
