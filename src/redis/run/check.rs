//! Whether a server will do: its version, what it does when its memory is full, and what the user
//! may do there.

use std::thread;
use std::time::Duration;

use super::client::Client;
use super::engine::no_thread;
use crate::redis::clock::clock;
use crate::redis::command::command;
use crate::redis::error::{Failure, RedisStoreError};
use crate::redis::primitives::Arc;
use crate::redis::protocol::calls;
use crate::redis::protocol::confirm::Replicas;
use crate::redis::value::Value;

/// How long to wait before a server that is not ready is asked again.
const PAUSE: Duration = Duration::from_millis(20);

/// `replicas`: whom the store is to wait for.
pub(super) fn check(client: &Client, replicas: Replicas) -> Result<(), RedisStoreError> {
    let info = command(&[b"INFO", b"all"]);
    let answer = ask(client, |deadline| client.wire.call(&info, deadline))?;
    let Value::Bytes(text) = answer else {
        return Err(RedisStoreError::Protocol("INFO is no text".into()));
    };
    check_info(&String::from_utf8_lossy(&text))?;
    if client.timing.grace > 0 && client.wire.server().is_none() {
        let what = "INFO does not say which server it is, and a grace period needs that".into();
        return Err(RedisStoreError::Protocol(what));
    }
    check_permissions(client)?;
    if replicas.count > 0 {
        // For none, so it answers at once: how many there are is looked at with each grant.
        let wait = command(&[b"WAIT", b"0", b"1"]);
        ask(client, |deadline| client.wire.call(&wait, deadline))?;
    }
    Ok(())
}

/// Whether the tree's channel is heard, where it has one instead of a mailbox.
pub(super) fn check_channel(client: &Arc<Client>) -> Result<(), RedisStoreError> {
    let deadline = client.timing.call_deadline(clock());
    loop {
        let workers = client.workers().map_err(no_thread)?;
        let Some(subscriber) = &workers.subscriber else { return Ok(()) };
        match subscriber.heard(client, deadline) {
            Some(Err(RedisStoreError::Busy { .. })) | None if clock() < deadline => thread::sleep(PAUSE),
            Some(heard) => return heard,
            None => return Err(client.wire.too_late()),
        }
    }
}

fn check_info(info: &str) -> Result<(), RedisStoreError> {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    // Relatives say which Redis they are like, whatever their own version is. Should Valkey stop to
    // say it, its own numbers went on from there.
    let version = field("redis_version").or_else(|| field("valkey_version"));
    let version = version.ok_or_else(|| RedisStoreError::Protocol("INFO names no version".into()))?;
    let major = version.split('.').next().and_then(|major| major.parse().ok());
    if major.is_none_or(|major: u32| major < 7) {
        return Err(RedisStoreError::TooOld { version: version.into() });
    }
    match field("maxmemory_policy") {
        Some(policy) if policy.starts_with("allkeys") && field("maxmemory") != Some("0") => {
            Err(RedisStoreError::Evicting { policy: policy.into() })
        }
        _ => Ok(()),
    }
}

/// Asks again for as long as the server is not ready to answer. Each question has the time that a
/// call may have: with one time for all of them, no store could connect to a server that answers
/// each command in time, and not much sooner.
fn ask<T>(client: &Client, ask: impl Fn(u64) -> Result<T, Failure>) -> Result<T, RedisStoreError> {
    let deadline = client.timing.call_deadline(clock());
    loop {
        match ask(deadline) {
            Err(Failure::Later(_)) if clock() < deadline => thread::sleep(PAUSE),
            answer => return answer.map_err(Failure::into_error),
        }
    }
}

/// The probe goes the way that all calls go, by hash and then by text: so that is tried as well.
fn check_permissions(client: &Client) -> Result<(), RedisStoreError> {
    let probe = calls::probe(&client.name);
    let calls::Denied(denied) = ask(client, |deadline| client.call(&probe, deadline))?;
    match denied.as_slice() {
        [] => Ok(()),
        [one] => Err(RedisStoreError::Permission { missing: format!("the command {one}") }),
        _ => Err(RedisStoreError::Permission { missing: format!("the commands {}", denied.join(", ")) }),
    }
}

#[cfg(test)]
mod tests;
