//! What servers say of themselves, and whether they will do.

use super::check_info;
use crate::redis::error::RedisStoreError;

fn info(lines: &[&str]) -> Result<(), RedisStoreError> {
    check_info(&lines.join("\r\n"))
}

#[test]
fn relatives_that_speak_7_0() {
    for lines in [
        &["# Server", "redis_version:7.0.0", "redis_mode:cluster", "maxmemory:0", "maxmemory_policy:noeviction"][..],
        &["# Server", "redis_version:8.4.0", "redis_mode:standalone"],
        // Valkey 8.1
        &["# Server", "redis_version:7.2.4", "server_name:valkey", "valkey_version:8.1.3", "valkey_release_stage:ga"],
        // as it may be some day
        &["# Server", "server_name:valkey", "valkey_version:10.0.0"],
        // one that leaves out what it does not have
        &["redis_version:7.4.0", "some_version:1.30"],
        &["redis_version:10.0.0", "maxmemory:100", "maxmemory_policy:volatile-lru"],
    ] {
        assert_eq!(info(lines), Ok(()), "{lines:?}");
    }
}

#[test]
fn those_that_will_not_do() {
    let too_old = |version: &str| Err(RedisStoreError::TooOld { version: version.into() });
    // KeyDB 6.3 is a Redis 6 with threads.
    assert_eq!(info(&["redis_version:6.3.4", "redis_mode:standalone"]), too_old("6.3.4"));
    assert_eq!(info(&["redis_version:6.2.14", "valkey_version:8.0.0"]), too_old("6.2.14"));
    assert_eq!(info(&["redis_version:"]), too_old(""));
    assert_eq!(info(&["redis_version:unstable"]), too_old("unstable"));
    assert!(matches!(info(&["# Server", "uptime_in_seconds:1"]), Err(RedisStoreError::Protocol(_))));
    let evicts = ["redis_version:7.2.4", "maxmemory:100", "maxmemory_policy:allkeys-lfu"];
    assert_eq!(info(&evicts), Err(RedisStoreError::Evicting { policy: "allkeys-lfu".into() }));
}
