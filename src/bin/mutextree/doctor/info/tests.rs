use super::Info;
use crate::doctor::Grade;

const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n\
                    aof_enabled:1\r\nrole:master\r\nconnected_slaves:0\r\ncluster_enabled:0\r\n";

/// Of each kind of finding that is not good, what it says and advises.
fn complaints(text: &str) -> Vec<(&'static str, Grade, &'static str)> {
    let findings = Info::new(text.into()).findings();
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
        ("cluster_enabled:0", "cluster_enabled:1", "cluster", Grade::Doubtful, "slot"),
    ] {
        let found = complaints(&GOOD.replace(from, to));
        assert_eq!(found.len(), 1, "{to}: {found:?}");
        assert_eq!((found[0].0, found[0].1), (what, grade), "{to}");
        assert!(found[0].2.contains(advice), "{to}: {}", found[0].2);
    }
}
