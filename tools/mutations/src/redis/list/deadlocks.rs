//! Deadlocks that are named.

use super::{AGENTS, Fault, GRAPH};
use crate::redis::runner::Runner::Servers;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        what: "earlier waiters are in nobody's way",
        edits: &[(AGENTS, "                    behind.push(Behind::Wait(earlier));\n", "")],
        runner: Servers,
        fails: &["deadlocks::shapes::a_part_and_another"],
    },
    Fault {
        what: "a lease that ends by itself is in a circle",
        edits: &[(AGENTS, "known.is_none_or(|known| !known.ends)", "known.is_none_or(|_| true)")],
        runner: Servers,
        fails: &["deadlocks::shapes::a_lease_ends"],
    },
    Fault {
        what: "a lock that is to become exclusive waits for itself",
        edits: &[(AGENTS, "if !is_own && conflicts(", "if (!is_own || is_own) && conflicts(")],
        runner: Servers,
        fails: &["deadlocks::a_shared_lock_that_is_to_become_exclusive"],
    },
    Fault {
        what: "a set is a wait for each member",
        edits: &[(
            AGENTS,
            "None => sets.entry(arrival).or_insert(token).clone(),",
            "None => sets.entry(arrival + sets.len() as u64).or_insert(token).clone(),",
        )],
        runner: Servers,
        fails: &["deadlocks::a_set_of_another_process"],
    },
    Fault {
        what: "one name in two processes is one owner",
        edits: &[
            (GRAPH, "Self::Owner(lock.client.clone(), owner)", "Self::Owner(None, owner)"),
            (GRAPH, "Holder::Owner(line.client.clone(), owner.clone())", "Holder::Owner(None, owner.clone())"),
        ],
        runner: Servers,
        fails: &["deadlocks::one_name_in_two_processes_is_two"],
    },
    Fault {
        what: "a lock that has changed is nobody's",
        edits: &[(AGENTS, "            locks.all.insert(lock.token.clone(), part);\n", "            drop(part);\n")],
        runner: Servers,
        fails: &["deadlocks::a_lock_that_has_changed"],
    },
];
