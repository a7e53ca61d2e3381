//! What a client sees of the locks, over HTTP.

use std::fs;
use std::time::{Duration, Instant};

use crate::site::Site;
use mutextree::LockStore;

#[test]
fn a_lock_keeps_others_out_and_lets_its_holder_in() {
    let site = Site::new();
    let token = site.lock("/docs/a", "exclusive", "0");
    assert_eq!(site.put("/docs/a", ""), 423);
    assert_eq!(fs::read_to_string(site.root().join("docs/a")).unwrap(), "old");
    assert_eq!(site.put("/docs/a", &token), 204);
    assert_eq!(fs::read_to_string(site.root().join("docs/a")).unwrap(), "new");
    assert_eq!(site.put("/docs/b", ""), 204, "its neighbour is free");
    assert_eq!(site.status("GET", "/docs/a", &[]), 200, "reading needs no token");

    assert_eq!(site.unlock("/docs/b", &token), 409, "it is not this file's");
    assert_eq!(site.unlock("/docs/a", "urn:uuid:7b1ae1a8-0000-4000-8000-000000000000"), 409);
    assert_eq!(site.unlock("/docs/a", &token), 204);
    assert_eq!(site.unlock("/docs/a", &token), 409, "it has been");
    assert_eq!(site.put("/docs/a", ""), 204);
}

#[test]
fn an_infinite_lock_conflicts_here_above_and_below() {
    let site = Site::new();
    let token = site.lock("/docs/deep", "exclusive", "infinity");
    for path in ["/docs/deep", "/docs/deep/c", "/docs", "/"] {
        assert!(!site.can_lock(path, "exclusive", "infinity"), "{path}");
        assert!(!site.can_lock(path, "shared", "infinity"), "{path}");
    }
    assert!(site.can_lock("/docs", "exclusive", "0"), "the collection above, without what is in it");
    assert!(site.can_lock("/docs/a", "exclusive", "infinity"), "beside it");
    assert_eq!(site.put("/docs/deep/c", ""), 423);
    assert_eq!(site.put("/docs/deep/new", ""), 423);
    assert_eq!(site.status("MKCOL", "/docs/deep/new", &[]), 423);
    assert_eq!(site.status("DELETE", "/docs", &[]), 423);
    assert_eq!(site.put("/docs/deep/new", &token), 201, "its token is good for what is below");
    assert_eq!(site.unlock("/docs/deep/c", &token), 204, "and may be given back from there");
    assert!(site.can_lock("/", "exclusive", "infinity"));
}

#[test]
fn a_depth_0_lock_keeps_the_names_and_not_the_members() {
    let site = Site::new();
    let token = site.lock("/docs", "exclusive", "0");
    assert!(!site.can_lock("/docs", "shared", "0"));
    assert!(!site.can_lock("/", "exclusive", "infinity"));
    assert!(site.can_lock("/docs/a", "exclusive", "0"));
    assert_eq!(site.put("/docs/a", ""), 204, "its members may be written");
    assert_eq!(site.put("/docs/deep/new", ""), 201, "and other collections be added to");

    assert_eq!(site.put("/docs/new", ""), 423, "but no member be made");
    assert_eq!(site.status("MKCOL", "/docs/new", &[]), 423);
    assert_eq!(site.try_lock("/docs/new", "exclusive", "0", "Second-600").status, 423);
    assert_eq!(site.status("DELETE", "/docs/a", &[]), 423, "nor removed");
    assert_eq!(site.status("MOVE", "/docs/a", &[("destination", "/a")]), 423);
    assert_eq!(site.status("COPY", "/docs/a", &[("destination", "/docs/copy")]), 423);
    let condition = site.tagged("/docs", &token);
    assert_eq!(site.status("DELETE", "/docs/a", &[("if", &condition)]), 204, "unless by its holder");
    assert_eq!(site.send("PUT", "/docs/new", &[("if", &condition)], "new").status, 201);
}

#[test]
fn shared_locks_coexist_and_any_of_their_tokens_opens() {
    let site = Site::new();
    let first = site.lock("/docs/a", "shared", "0");
    let second = site.lock("/docs", "shared", "infinity");
    assert_ne!(first, second);
    assert!(!site.can_lock("/docs/a", "exclusive", "0"));
    assert_eq!(site.put("/docs/a", ""), 423);
    assert_eq!(site.put("/docs/a", &first), 204);
    assert_eq!(site.put("/docs/a", &second), 204);
    assert_eq!(site.put("/docs/b", &second), 204);
    assert_eq!(site.put("/docs/b", &first), 412, "it is no lock on this file");
    assert_eq!(site.unlock("/docs/a", &first), 204);
    assert_eq!(site.put("/docs/a", ""), 423, "one is left");
    assert_eq!(site.unlock("/docs", &second), 204);
    assert_eq!(site.put("/docs/a", ""), 204);
}

#[test]
fn a_shared_lock_on_a_collection_keeps_its_names() {
    let site = Site::new();
    let token = site.lock("/docs", "shared", "0");
    assert_eq!(site.put("/docs/new", ""), 423);
    let condition = site.tagged("/docs", &token);
    assert_eq!(site.send("PUT", "/docs/new", &[("if", &condition)], "new").status, 201);
}

#[test]
fn a_refresh_starts_the_time_anew() {
    let site = Site::new();
    let reply = site.try_lock("/docs", "exclusive", "infinity", "Second-20");
    assert!(reply.body.contains("<D:timeout>Second-20</D:timeout>"), "{}", reply.body);
    let condition = format!("(<{}>)", reply.token);
    let refresh = |path, headers: &[(&str, &str)]| site.send("LOCK", path, headers, "");
    let left = || site.store.locks().unwrap()[0].remaining.unwrap();

    let longer = refresh("/docs", &[("if", &condition), ("timeout", "Second-500")]);
    assert_eq!(longer.status, 200);
    assert!(longer.body.contains("<D:timeout>Second-500</D:timeout>"), "{}", longer.body);
    assert!(left() > Duration::from_secs(400));
    assert_eq!(
        refresh("/docs/a", &[("if", &condition)]).status,
        200,
        "from below, and with the time that it had at first"
    );
    assert!(left() <= Duration::from_secs(20));
    assert_eq!(refresh("/docs", &[("if", "(<urn:uuid:7b1ae1a8-0000-4000-8000-000000000000>)")]).status, 412);
    assert_eq!(refresh("/docs", &[]).status, 400);
}

#[test]
fn when_its_time_is_over_a_lock_is_gone() {
    let site = Site::new();
    let start = Instant::now();
    let token = site.try_lock("/docs/a", "exclusive", "0", "Second-1").token;
    assert_eq!(site.put("/docs/a", ""), 423);
    // Nobody unlocks, no client is asked: the store gives it to the next in line.
    let next = site.store.mutex("docs/a").unwrap().try_lock_owned_for(Duration::from_secs(10)).expect("in time");
    assert!(start.elapsed() >= Duration::from_secs(1));
    drop(next);
    assert_eq!(site.unlock("/docs/a", &token), 409);
    assert_eq!(site.put("/docs/a", &token), 412, "its token is no lock's any more");
    assert_eq!(site.put("/docs/a", ""), 204);
}

#[test]
fn every_lock_ends_some_time() {
    let site = Site::new();
    for timeout in ["Infinite", "Second-4100000000", ""] {
        let token = site.try_lock("/docs/a", "exclusive", "0", timeout).token;
        let left = site.store.locks().unwrap()[0].remaining.expect("an end");
        assert!(left <= Duration::from_secs(600), "{timeout}: {left:?}");
        assert_eq!(site.unlock("/docs/a", &token), 204);
    }
}

#[test]
fn discovery_tells_all_there_is_to_know() {
    let site = Site::new();
    let outer = site.lock("/docs", "shared", "infinity");
    let inner = site.lock("/docs/deep", "shared", "0");
    let seen = site.discover("/docs/deep");
    for part in [
        &*outer,
        &*inner,
        "<D:shared></D:shared>",
        "<D:depth>Infinity</D:depth>",
        "<D:depth>0</D:depth>",
        "mailto:ada@example.org",
        "<D:lockroot><D:href>/docs/</D:href></D:lockroot>",
        "<D:lockroot><D:href>/docs/deep/</D:href></D:lockroot>",
    ] {
        assert!(seen.contains(part), "{part} in {seen}");
    }
    let below = site.discover("/docs/deep/c");
    assert!(below.contains(&outer) && !below.contains(&inner), "{below}");
    assert!(!site.discover("/").contains("activelock"));
}

#[test]
fn conditions_are_about_the_locks_that_there_are() {
    let site = Site::new();
    let token = site.lock("/docs/a", "exclusive", "0");
    let put = |path, condition: &str| site.send("PUT", path, &[("if", condition)], "new").status;
    assert_eq!(put("/docs/b", &format!("(<{token}>)")), 412);
    assert_eq!(put("/docs/b", &format!("(Not <{token}>)")), 204);
    assert_eq!(put("/docs/b", &site.tagged("/docs/a", &token)), 204);
    assert_eq!(put("/docs/a", "(Not <DAV:no-lock>)"), 423, "true, but no token");
    assert_eq!(put("/docs/a", &format!("(<{token}>) (Not <DAV:no-lock>)")), 204);
    assert_eq!(put("/docs/a", &format!("(<{token}> [\"wrong\"])")), 412);
}
