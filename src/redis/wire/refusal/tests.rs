//! What the server's errors mean. The texts are those of Redis 7.

use super::Refusal;
use crate::redis::error::{Failure, RedisStoreError};

#[test]
fn the_table() {
    let permission = |missing: &str| Failure::Refused(RedisStoreError::Permission { missing: missing.into() });
    let login = Failure::Refused(RedisStoreError::Authentication { address: "host:1".into() });
    let busy = |text: &str| Failure::Later(RedisStoreError::Busy { reason: text.into() });
    let odd = |text: &str| Failure::Refused(RedisStoreError::Protocol(text.into()));
    for (text, expected) in [
        ("NOSCRIPT No matching script. Please use EVAL.", Failure::NoScript),
        ("NOAUTH Authentication required.", login.clone()),
        ("WRONGPASS invalid username-password pair or user is disabled.", login.clone()),
        ("ERR Protocol error: unauthenticated multibulk length", login),
        ("NOPERM User me has no permissions to run the 'evalsha' command", permission("the command EVALSHA")),
        ("NOPERM No permissions to access a key", permission("the keys of the tree: grant ~{tree}:*")),
        (
            "ERR The user executing the script can't run this command or subcommand script: 1, on @user_script:1.",
            permission(
                "The user executing the script can't run this command or subcommand script: 1, on @user_script:1.",
            ),
        ),
        ("ERR max number of clients reached", busy("ERR max number of clients reached")),
        ("OOM command not allowed", busy("OOM command not allowed")),
        ("ERR wrong number of arguments", odd("ERR wrong number of arguments")),
        // A word in the text is no code.
        ("ERR what is READONLY", odd("ERR what is READONLY")),
        ("", odd("")),
    ] {
        let refusal = Refusal::new(text, "host:1");
        assert_eq!(refusal.failure, expected, "{text}");
        assert!(!refusal.wrong_server, "{text}");
    }
}
