//! Locks and requests: locks go with what is deleted or moved, hold on every server, and hold
//! against requests that are being answered.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::site::Site;
use mutextree::{LockStore, MemoryStore};

#[test]
fn locks_go_with_what_is_deleted() {
    let site = Site::new();
    let inner = site.lock("/docs/deep/c", "exclusive", "0");
    let names = site.lock("/docs", "exclusive", "0");
    assert_eq!(site.status("DELETE", "/docs", &[]), 423);
    let one = site.tagged("/docs/deep/c", &inner);
    assert_eq!(site.status("DELETE", "/docs", &[("if", &one)]), 423, "there are two");
    assert!(site.root().join("docs/deep/c").exists());
    let both = format!("{} {one}", site.tagged("/docs", &names));
    assert_eq!(site.status("DELETE", "/docs", &[("if", &both)]), 204);
    assert_eq!(site.store.locks().unwrap(), []);
    assert_eq!(site.status("MKCOL", "/docs", &[]), 201, "the name is free again");
    assert_eq!(site.unlock("/docs", &names), 409);
}

#[test]
fn of_shared_locks_one_token_deletes_all() {
    let site = Site::new();
    let first = site.lock("/docs/a", "shared", "0");
    site.lock("/docs/a", "shared", "0");
    let elsewhere = site.lock("/docs/b", "shared", "0");
    let condition = site.tagged("/docs/b", &elsewhere);
    assert_eq!(site.status("DELETE", "/docs/a", &[("if", &condition)]), 423, "another file's opens nothing");
    assert_eq!(site.status("DELETE", "/docs/a", &[("if", &format!("(<{first}>)"))]), 204);
    assert_eq!(site.store.locks().unwrap().len(), 1, "the one on /docs/b");
}

#[test]
fn a_lock_stays_behind_when_its_file_moves_and_ends() {
    let site = Site::new();
    let token = site.lock("/docs/a", "exclusive", "0");
    let destination = ("destination", "/docs/deep/a");
    assert_eq!(site.status("MOVE", "/docs/a", &[destination]), 423);
    assert_eq!(site.status("MOVE", "/docs/a", &[destination, ("if", &format!("(<{token}>)"))]), 201);
    assert_eq!(site.store.locks().unwrap(), []);
    assert_eq!(site.put("/docs/deep/a", ""), 204, "it did not come along");
    assert_eq!(site.put("/docs/a", ""), 201, "and keeps nobody from the old name");
}

#[test]
fn nothing_moves_or_is_copied_onto_a_locked_place() {
    let site = Site::new();
    let token = site.lock("/docs/deep", "exclusive", "infinity");
    for method in ["MOVE", "COPY"] {
        for destination in ["/docs/deep/c", "/docs/deep/new", "/docs/deep"] {
            assert_eq!(
                site.status(method, "/docs/a", &[("destination", destination)]),
                423,
                "{method} to {destination}"
            );
        }
    }
    assert_eq!(site.status("COPY", "/docs/deep", &[("destination", "/copy")]), 201, "copying it is reading");
    let condition = site.tagged("/docs/deep", &token);
    assert_eq!(site.status("MOVE", "/docs/a", &[("destination", "/docs/deep/new"), ("if", &condition)]), 201);
    assert!(site.discover("/docs/deep/new").contains(&token), "what comes in is locked with the rest");
}

#[test]
fn two_servers_on_one_store_share_locks() {
    let store = MemoryStore::new();
    two_servers_share_locks(store.clone(), store);
}

/// Needs a `redis-server`, which `tests/run` installs.
#[cfg(feature = "redis")]
#[test]
fn two_servers_on_one_redis_share_locks() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let mut server = std::process::Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--unixsocket"])
        .arg(&socket)
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("this test needs a redis-server: `apt-get install redis-server`");
    wait_until("redis-server starts", || socket.exists());
    let connect = || mutextree::RedisStore::connect(&format!("unix://{}", socket.display())).unwrap();
    two_servers_share_locks(connect(), connect());
    server.kill().unwrap();
    server.wait().unwrap();
}

/// On stores that share their locks.
fn two_servers_share_locks<S: LockStore>(one: S, other: S) {
    let here = Site::on(one);
    let there = here.twin(other);
    let token = here.lock("/docs", "exclusive", "infinity");
    assert_eq!(there.put("/docs/a", ""), 423);
    assert!(!there.can_lock("/docs/a", "exclusive", "0"));
    let seen = there.discover("/docs/a");
    assert!(seen.contains(&token) && seen.contains("mailto:ada@example.org"), "{seen}");
    assert!(there.send("GET", "/.locks", &[], "").body.contains("mailto:ada@example.org"));

    assert_eq!(there.put("/docs/a", &token), 204, "a token is good on either");
    let refresh = [("if", &*format!("(<{token}>)")), ("timeout", "Second-500")];
    assert_eq!(there.status("LOCK", "/docs", &refresh), 200);
    assert_eq!(there.unlock("/docs", &token), 204);
    assert_eq!(here.put("/docs/a", ""), 204);
}

#[test]
fn a_server_that_is_started_anew_knows_its_locks() {
    let site = Site::new();
    let token = site.lock("/docs/a", "exclusive", "0");
    let again = site.twin(site.store.clone());
    drop(site);
    assert_eq!(again.put("/docs/a", ""), 423);
    assert_eq!(again.unlock("/docs/a", &token), 204);
}

#[test]
fn other_programs_locks_hold_too() {
    let site = Site::new();
    let backup = site.store.mutex("docs").unwrap().shared().owner("nightly backup").lock_owned().unwrap();
    assert_eq!(site.put("/docs/a", ""), 423);
    assert_eq!(site.status("DELETE", "/docs", &[]), 423);
    assert!(site.can_lock("/docs/a", "shared", "0"));
    let shown = site.send("GET", "/.locks", &[], "").body;
    assert!(shown.starts_with("/\n└─ docs  held  shared  nightly backup  "), "{shown}");
    drop(backup);
    assert_eq!(site.put("/docs/a", ""), 204);
    assert_eq!(site.send("GET", "/.locks", &[], "").body, "nothing is held, and nobody waits\n");
}

/// A PUT that has sent all but the end of its body.
fn half_a_put(site: &Site, path: &str) -> TcpStream {
    let mut connection = TcpStream::connect(site.url.strip_prefix("http://").unwrap()).unwrap();
    write!(connection, "PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nConnection: close\r\n\r\n12345")
        .unwrap();
    connection
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::yield_now();
    }
}

fn is_locked(store: &MemoryStore, path: &str) -> bool {
    store.mutex(path).unwrap().is_locked()
}

#[test]
fn a_lock_waits_for_the_write_that_is_under_way() {
    let site = Site::new();
    let mut writing = half_a_put(&site, "/docs/a");
    wait_until("the PUT holds its file", || is_locked(&site.store, "docs/a"));
    let shown = site.send("GET", "/.locks", &[], "").body;
    assert!(shown.contains("a  held  exclusive, node only  a PUT that is being answered"), "{shown}");
    assert_eq!(site.put("/docs/b", ""), 204, "others write others");
    assert_eq!(site.put("/docs/new", ""), 201);

    std::thread::scope(|scope| {
        let locking = scope.spawn(|| site.lock("/docs", "exclusive", "infinity"));
        wait_until("the LOCK waits, and newcomers behind it", || is_locked(&site.store, "docs/b"));
        writing.write_all(b"67890").unwrap();
        let mut answer = String::new();
        writing.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
        let token = locking.join().unwrap();
        assert_eq!(fs::read_to_string(site.root().join("docs/a")).unwrap(), "1234567890");
        assert_eq!(site.unlock("/docs", &token), 204);
    });
}

#[test]
fn a_client_that_breaks_off_leaves_nothing_locked() {
    let site = Site::new();
    let writing = half_a_put(&site, "/docs/new");
    wait_until("the PUT holds its file", || is_locked(&site.store, "docs/new"));
    assert!(is_locked(&site.store, "docs"), "and the names around it");
    drop(writing);
    wait_until("all is released", || site.store.locks().unwrap().is_empty());
}

#[test]
fn many_writers_and_lockers_lose_no_lock_and_leave_none() {
    let site = Site::new();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let site = &site;
            scope.spawn(move || {
                for turn in 0..25 {
                    let path = format!("/docs/{}", ["a", "deep/c"][(worker + turn) % 2]);
                    let reply = site.try_lock(&path, "exclusive", "0", "Second-60");
                    if reply.status == 200 {
                        assert_eq!(site.put(&path, &reply.token), 204);
                        assert_eq!(site.unlock(&path, &reply.token), 204);
                    } else {
                        assert_eq!(reply.status, 423);
                    }
                    assert!([201, 423].contains(&site.put(&format!("/docs/{worker}-{turn}"), "")));
                }
            });
        }
    });
    assert_eq!(site.store.locks().unwrap(), []);
}

#[test]
fn properties_outlive_the_server_and_go_with_the_file() {
    let site = Site::new();
    let patch = r#"<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x:colour xmlns:x="urn:x">teal</x:colour></D:prop></D:set></D:propertyupdate>"#;
    assert_eq!(site.send("PROPPATCH", "/docs/a", &[], patch).status, 207);
    let read = |path| site.send("PROPFIND", path, &[("depth", "0")], "").body;
    assert!(read("/docs/a").contains("teal"));
    let site = site.twin(site.store.clone());
    let read = |path| site.send("PROPFIND", path, &[("depth", "0")], "").body;
    assert_eq!(site.status("COPY", "/docs/a", &[("destination", "/docs/b")]), 204);
    assert_eq!(site.status("MOVE", "/docs/b", &[("destination", "/moved")]), 201);
    assert!(read("/moved").contains("teal"));
    assert!(!read("/docs/deep/c").contains("teal"));
}
