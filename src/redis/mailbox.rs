//! The listener: one thread a store that waits for messages in the store's mailbox, and wakes whom
//! they are for.
//!
//! A message says that a token has been granted, and the fencing token. It is a hint: the lock's
//! state is in the scripts' hands, and whoever doubts asks. So a message that is lost costs the
//! time until the waiter's next heartbeat, and one too many costs nothing.

use std::time::Duration;

use redis::{Cmd, Value};

use super::core::Core;
use super::sync::{Ordering, as_micros, clock};

/// For how long the server keeps the listener's command without an answer.
const PATIENCE: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(50);
const LONGEST_RETRY: Duration = Duration::from_secs(1);

/// The thread. It starts when the store's first waiter does.
pub(crate) fn run(core: &Core) {
    let mut listen = Cmd::new();
    listen
        .arg("BLMPOP")
        .arg(PATIENCE.as_secs())
        .arg(1)
        .arg(core.keys.mailbox(&core.client))
        .arg("LEFT")
        .arg("COUNT")
        .arg(64);
    let mut line = None;
    let mut retry = RETRY;
    while !core.stopped.load(Ordering::Acquire) {
        let fresh = line.is_none();
        if fresh {
            match core.link.open(core.link.timeout()) {
                Ok(opened) => line = Some(opened),
                Err(_) => {
                    std::thread::sleep(retry);
                    retry = (retry * 2).min(LONGEST_RETRY);
                    continue;
                }
            }
            retry = RETRY;
            core.keeper.beat_soon(); // what came while nobody listened
        }
        let deadline = clock() + as_micros(PATIENCE + core.link.timeout());
        let Ok(answer) = core.call_over(&mut line, &listen, deadline) else {
            // With a server that is up but refuses, too, one try a while is enough.
            std::thread::sleep(RETRY);
            continue;
        };
        for message in messages(answer) {
            if let Some((number, fence)) = parse(&message) {
                core.keeper.message(number, fence);
            }
        }
    }
}

/// A message: a token, which ends in the number that we gave it, and the fencing token of its
/// grant.
fn parse(message: &str) -> Option<(u64, u64)> {
    let (token, fence) = message.split_once(',')?;
    let (_, number) = token.rsplit_once('.')?;
    Some((u64::from_str_radix(number, 16).ok()?, fence.parse().ok()?))
}

/// The texts in the answer to `BLMPOP`: the list's name and its elements, or nothing.
fn messages(answer: Value) -> Vec<String> {
    let Value::Array(mut answer) = answer else { return Vec::new() };
    let Some(Value::Array(texts)) = answer.pop() else { return Vec::new() };
    let text = |value| match value {
        Value::BulkString(text) => String::from_utf8(text).ok(),
        _ => None,
    };
    texts.into_iter().filter_map(text).collect()
}
