use super::{Info, Part};
use crate::doctor::Grade;

const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n\
                    aof_enabled:1\r\nrole:master\r\nconnected_slaves:0\r\ncluster_enabled:0\r\n";

/// Of each kind of finding that is not good, what it says and advises.
fn complaints(text: &str) -> Vec<(&'static str, Grade, &'static str)> {
    complaints_as(Part::Alone, text)
}

fn complaints_as(part: Part, text: &str) -> Vec<(&'static str, Grade, &'static str)> {
    let findings = Info::new(text.into()).findings(part);
    let bad = findings.into_iter().filter(|finding| finding.grade != Grade::Good);
    bad.map(|finding| (finding.what, finding.grade, finding.advice.expect("what is not good has an advice"))).collect()
}

#[test]
fn a_good_server_has_no_complaints() {
    assert_eq!(complaints(GOOD), []);
}

#[test]
fn each_fault_is_named_with_what_to_do() {
    for (from, to, what, grade, advice) in [
        ("7.0.15", "6.2.1", "version", Grade::Bad, "7.0"),
        ("redis_version:7.0.15", "x:y", "version", Grade::Bad, "7.0"),
        ("maxmemory:0", "maxmemory:1000000", "memory", Grade::Bad, "noeviction"),
        ("aof_enabled:1", "aof_enabled:0", "persistence", Grade::Doubtful, "appendonly"),
        ("role:master", "role:slave\r\nmaster_host:h\r\nmaster_port:1", "replication", Grade::Bad, "master"),
        ("connected_slaves:0", "connected_slaves:2", "replication", Grade::Doubtful, "fencing"),
        ("cluster_enabled:0", "cluster_enabled:1", "cluster", Grade::Doubtful, "redis-cluster://"),
    ] {
        let found = complaints(&GOOD.replace(from, to));
        assert_eq!(found.len(), 1, "{to}: {found:?}");
        assert_eq!((found[0].0, found[0].1), (what, grade), "{to}");
        assert!(found[0].2.contains(advice), "{to}: {}", found[0].2);
    }
}

#[test]
fn of_several_each_is_to_be_what_the_others_say() {
    let (master, replica) = (Part::Master, Part::Replica);
    let with_replicas = GOOD.replace("connected_slaves:0", "connected_slaves:2");
    let following = "role:slave\r\nmaster_host:h\r\nmaster_port:1\r\nmaster_link_status:up";
    let following = GOOD.replace("role:master", following);
    assert_eq!(complaints_as(replica, &following), []);
    for (part, text, advice) in [
        (master, GOOD.to_owned(), "add one"),
        (master, with_replicas, "fencing"),
        (master, following.clone(), "failover"),
        (replica, GOOD.to_owned(), "failover"),
        (replica, following.replace("status:up", "status:down"), "old locks"),
        // It would not do as a master. For now that is no harm.
        (replica, following.replace("7.0.15", "6.2.1"), "7.0"),
    ] {
        let found = complaints_as(part, &text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!(found[0].1, Grade::Doubtful, "{text}");
        assert!(found[0].2.contains(advice), "{}", found[0].2);
    }
}
