//! Sentinels and nodes that say who is master: all sorts of answers, and none.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::fake::{Fake, Gate, Reply, bulk, echo as echo_reply};
use super::{Wire, echo, is_down, is_later, is_unsure, soon, within};
use crate::redis::error::{Failure, RedisStoreError};
use crate::redis::value::Value;
use crate::redis::wire::Destination;

/// What a guide says at the moment: the port of a master and a number, or an error.
#[derive(Clone)]
struct Says(Arc<Mutex<Result<(u16, u64), &'static str>>>);

impl Says {
    fn new(port: u16, epoch: u64) -> Self {
        Self(Arc::new(Mutex::new(Ok((port, epoch)))))
    }

    fn set(&self, says: Result<(u16, u64), &'static str>) {
        *self.0.lock().unwrap() = says;
    }

    fn reply(&self, words: &[Vec<u8>]) -> Reply {
        let says = *self.0.lock().unwrap();
        Reply::Bytes(match (&*words[0], says) {
            (b"AUTH" | b"CLIENT" | b"PING", _) => b"+OK\r\n".into(),
            (_, Err(error)) => format!("-{error}\r\n").into_bytes(),
            (b"SENTINEL", Ok((port, epoch))) => {
                let port = port.to_string();
                if words[1].eq_ignore_ascii_case(b"MASTER") {
                    list(&[bulk(b"config-epoch"), bulk(epoch.to_string().as_bytes())])
                } else {
                    list(&[bulk(b"127.0.0.1"), bulk(port.as_bytes())])
                }
            }
            (b"CLUSTER", Ok((port, _))) => {
                let node = list(&[bulk(b"127.0.0.1"), format!(":{port}\r\n").into_bytes()]);
                list(&[list(&[b":0\r\n".into(), b":16383\r\n".into(), node])])
            }
            _ => b"-ERR unknown command\r\n".into(),
        })
    }

    fn start(&self) -> Fake {
        let says = self.clone();
        Fake::start(move |_, words| says.reply(words))
    }
}

fn list(elements: &[Vec<u8>]) -> Vec<u8> {
    [format!("*{}\r\n", elements.len()).into_bytes(), elements.concat()].concat()
}

/// Says who it is at the login, and echoes.
fn server(run_id: &'static str, role: &'static str) -> Fake {
    Fake::start(move |_, words| match &*words[0] {
        b"INFO" => Reply::Bytes(bulk(format!("# Server\r\nrun_id:{run_id}\r\nrole:{role}\r\n").as_bytes())),
        b"AUTH" => Reply::Bytes(b"+OK\r\n".into()),
        _ => echo_reply(words),
    })
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn hosts(ports: &[u16]) -> String {
    ports.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
}

fn sentinels(ports: &[u16]) -> Wire {
    super::wire(&format!("redis-sentinel://:secret@{}/mine", hosts(ports)))
}

fn cluster(ports: &[u16]) -> Wire {
    super::wire(&format!("redis-cluster://:secret@{}", hosts(ports)))
}

/// Sentinels and nodes of a cluster.
const BOTH: [(&str, fn(&[u16]) -> Wire); 2] = [("Sentinel", sentinels), ("node", cluster)];

fn text(failure: Failure) -> String {
    let text = failure.into_error().to_string();
    assert!(!text.contains("secret"), "{text}");
    text
}

#[track_caller]
fn answers(wire: &Wire, word: &str) {
    assert_eq!(wire.call(&echo(word), soon()), Ok(Value::Bytes(word.into())));
}

#[test]
fn the_first_that_knows_is_enough() {
    for (what, connect) in BOTH {
        let server = server("a", "master");
        let guide = Says::new(server.port(), 1).start();
        let dead = free_port();
        let wire = connect(&[dead, guide.port()]);
        for word in ["one", "two"] {
            answers(&wire, word);
            wire.open(soon()).unwrap();
        }
        assert_eq!(server.connections(), 3, "{what}");
        // It is asked again for each, over one connection.
        assert_eq!(guide.connections(), 1, "{what}");
    }
}

/// Whoever was asked, and what came of it.
#[test]
fn an_error_names_all_that_was_tried() {
    for (what, connect) in BOTH {
        let (dead, gone) = (free_port(), free_port());
        let guide = Says::new(gone, 1).start();
        let wire = connect(&[dead, guide.port()]);
        let failure = wire.call(&echo("one"), within(Duration::from_millis(300))).unwrap_err();
        assert!(is_later(&failure), "{what}: {failure:?}");
        let text = text(failure);
        let refused = "Connection refused";
        assert!(text.contains(&format!("127.0.0.1:{dead} says: {refused}")), "{text}");
        assert!(text.contains(&format!("127.0.0.1:{} names 127.0.0.1:{gone}: {refused}", guide.port())), "{text}");
        let scheme = if what == "node" { "redis-cluster" } else { "redis-sentinel" };
        assert!(text.contains(&format!("{scheme}://{}", hosts(&[dead, guide.port()]))), "{text}");
    }
}

#[test]
fn nobody_can_be_asked() {
    for (what, connect) in BOTH {
        let ports = [free_port(), free_port()];
        let began = Instant::now();
        let failure = connect(&ports).call(&echo("one"), soon()).unwrap_err();
        assert!(is_down(&failure) && began.elapsed() < Duration::from_secs(2), "{what}: {failure:?}");
        let text = text(failure);
        assert!(ports.iter().all(|port| text.contains(&format!("127.0.0.1:{port} says: "))), "{text}");
    }
}

#[test]
fn those_that_can_be_asked_do_not_know() {
    let nil = || {
        Fake::start(|_, words| match &*words[0] {
            b"SENTINEL" if words[1] == b"MASTER" => Reply::Bytes(b"-ERR No such master with that name\r\n".into()),
            b"SENTINEL" => Reply::Bytes(b"*-1\r\n".into()),
            _ => Reply::Bytes(b"+OK\r\n".into()),
        })
    };
    let (one, two) = (nil(), nil());
    let failure = sentinels(&[one.port(), two.port()]).call(&echo("one"), soon()).unwrap_err();
    assert!(matches!(failure, Failure::Refused(RedisStoreError::Config(_))), "{failure:?}");
    assert!(text(failure).contains("knows no service `mine`"));

    let says = Says::new(1, 1);
    says.set(Err("ERR This instance has cluster support disabled"));
    let failure = cluster(&[says.start().port()]).call(&echo("one"), soon()).unwrap_err();
    assert!(matches!(failure, Failure::Refused(RedisStoreError::Config(_))), "{failure:?}");
    assert!(text(failure).contains("is no node of a cluster"));
}

/// Each has its own user and password.
#[test]
fn who_logs_in_where() {
    let words = Arc::new(Mutex::new(Vec::new()));
    let seen = words.clone();
    let server = Fake::start(move |_, words| {
        if words[0] == b"AUTH" {
            seen.lock().unwrap().push(("server", words[1..].to_vec()));
            return Reply::Bytes(b"+OK\r\n".into());
        }
        echo_reply(words)
    });
    let (says, seen) = (Says::new(server.port(), 1), words.clone());
    let guide = Fake::start(move |_, words| {
        if words[0] == b"AUTH" {
            seen.lock().unwrap().push(("Sentinel", words[1..].to_vec()));
        }
        says.reply(words)
    });
    let url = format!("redis-sentinel://me:secret@127.0.0.1:{}/mine", guide.port());
    for login in [None, Some((None, "other".to_owned())), Some((Some("you".to_owned()), "other".to_owned()))] {
        let to = Destination { url: url.clone(), tree: "mutextree".into(), sentinel_login: login, names: false };
        answers(&Wire::new(&to, None, 5_000_000).unwrap(), "one");
    }
    let all: Vec<String> = std::mem::take(&mut *words.lock().unwrap())
        .into_iter()
        .map(|(who, words)| format!("{who} {}", String::from_utf8(words.join(&b' ')).unwrap()))
        .collect();
    assert_eq!(
        all,
        ["server me secret", "Sentinel other", "server me secret", "Sentinel you other", "server me secret"]
    );
}

#[test]
fn wrong_passwords() {
    for (who, is_guide) in [("the Sentinel", true), ("the server", false)] {
        let wants = |_: usize, words: &[Vec<u8>]| match &*words[0] {
            b"PING" | b"INFO" => Reply::Bytes(b"-NOAUTH Authentication required.\r\n".into()),
            _ => Reply::Bytes(b"-WRONGPASS secret\r\n".into()),
        };
        let picky = Fake::start(wants);
        let guide = if is_guide { Fake::start(wants) } else { Says::new(picky.port(), 1).start() };
        let began = Instant::now();
        let failure = sentinels(&[guide.port()]).call(&echo("one"), soon()).unwrap_err();
        let address = format!("127.0.0.1:{}", if is_guide { guide.port() } else { picky.port() });
        assert_eq!(failure, Failure::Refused(RedisStoreError::Authentication { address }), "{who}");
        assert!(began.elapsed() < Duration::from_secs(2), "{who}");
    }
}

/// It has slept through a failover: its number is smaller.
#[test]
fn an_older_answer_counts_only_if_there_is_no_better_one() {
    let (old, new) = (server("old", "master"), server("new", "master"));
    let (slept, woke) = (Says::new(old.port(), 1), Says::new(new.port(), 2));
    let (slept_guide, woke_guide) = (slept.start(), woke.start());
    let wire = sentinels(&[woke_guide.port(), slept_guide.port()]);
    answers(&wire, "one");
    // It names nobody any more, so the other one is asked.
    woke.set(Err("ERR not now"));
    assert!(wire.open(soon()).is_ok(), "as nobody has a better one");
    assert_eq!((old.connections(), new.connections()), (1, 1));
    woke.set(Ok((new.port(), 3)));
    wire.look(soon());
    wire.look(soon());
    assert_eq!(new.connections(), 2, "the newer answer counts at once");
    // The one that slept is asked first now and then, and not believed.
    for _ in 0..4 {
        drop(wire.open(soon()).unwrap());
        wire.look(soon());
    }
    assert_eq!(old.connections(), 1);
}

/// The failover takes a while: the server that is named is a replica still, or away.
#[test]
fn a_master_is_waited_for() {
    for (what, connect) in BOTH {
        let (replica, master) = (server("a", "slave"), server("b", "master"));
        for before in [replica.port(), free_port()] {
            let says = Says::new(before, 1);
            let guide = says.start();
            let wire = connect(&[guide.port()]);
            thread::scope(|scope| {
                let wire = &wire;
                let call = scope.spawn(move || wire.call(&echo("one"), soon()));
                let own = scope.spawn(move || wire.open(soon()).map(drop));
                thread::sleep(Duration::from_millis(200));
                assert!(!call.is_finished() && !own.is_finished(), "{what}");
                says.set(Ok((master.port(), 2)));
                assert_eq!(call.join().unwrap(), Ok(Value::Bytes(b"one".into())), "{what}");
                own.join().unwrap().unwrap();
            });
        }
        let failure = connect(&[Says::new(replica.port(), 1).start().port()]);
        let failure = failure.call(&echo("one"), within(Duration::from_millis(500))).unwrap_err();
        assert!(is_later(&failure) && text(failure).contains("it is a replica"), "{what}");
    }
}

/// A caller's time is its own, however many guides are silent.
#[test]
fn silent_guides() {
    for (what, connect) in BOTH {
        let silent = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [one, two, three] = silent.each_ref().map(|listener| listener.local_addr().unwrap().port());
        let server = server("a", "master");
        let guide = Says::new(server.port(), 1).start();
        let began = Instant::now();
        let wire = connect(&[one, two, guide.port()]);
        assert_eq!(wire.call(&echo("x"), within(Duration::from_millis(800))), Ok(Value::Bytes(b"x".into())), "{what}");
        wire.open(within(Duration::from_millis(800))).unwrap();
        let failure = connect(&[one, two, three]).call(&echo("x"), within(Duration::from_millis(300))).unwrap_err();
        assert!(is_down(&failure), "{what}: {failure:?}");
        assert!(began.elapsed() < Duration::from_secs(4), "{what}");
        assert!(text(failure).contains("no answer in time"));
    }
}

/// The old master hangs: whoever waits on it, in whatever way, is set free by the first who looks.
#[test]
fn a_new_master_takes_all_connections_with_it() {
    for (what, connect) in BOTH {
        let gate = Gate::default();
        let (old, new) = (gate.server(), server("new", "master"));
        let says = [Says::new(old.port(), 1), Says::new(old.port(), 1)];
        let guides = says.each_ref().map(Says::start);
        let wire = connect(&guides.each_ref().map(Fake::port));
        let mut own = wire.open(soon()).unwrap();
        thread::scope(|scope| {
            let wire = &wire;
            let call = scope.spawn(move || wire.call(&echo("held"), soon()));
            let mut mine = wire.open(soon()).unwrap();
            let other = scope.spawn(move || mine.call(&echo("mine"), soon()));
            gate.wait_for("held");
            gate.wait_for("mine");
            wire.look(soon());
            assert!(!call.is_finished() && !other.is_finished() && own.is_good(), "{what}: nothing has changed");
            says.iter().for_each(|says| says.set(Ok((new.port(), 2))));
            wire.look(soon());
            for cut in [call.join().unwrap(), other.join().unwrap()] {
                assert!(cut.as_ref().is_err_and(is_unsure), "{what}: {cut:?}");
            }
        });
        assert!(!own.is_good(), "{what}: the idle ones are cut, too");
        assert!(is_down(&own.call(&echo("one"), soon()).unwrap_err()), "{what}");
        answers(&wire, "two");
        gate.open("held");
        gate.open("mine");
    }
}

/// Nodes give no number: one of them alone is not believed.
#[test]
fn a_node_that_contradicts_all_others() {
    let (right, wrong) = (server("right", "master"), server("wrong", "master"));
    let guides = [right.port(), right.port(), wrong.port()].map(|port| Says::new(port, 1).start());
    let wire = cluster(&guides.each_ref().map(Fake::port));
    answers(&wire, "one");
    let own = wire.open(soon()).unwrap();
    (0..9).for_each(|_| wire.look(soon()));
    assert!(own.is_good());
    assert_eq!(wrong.connections(), 0);
}

#[test]
fn without_guides_the_last_master_is_tried() {
    for (what, connect) in BOTH {
        let server = server("a", "master");
        let says = Says::new(server.port(), 1);
        let guide = says.start();
        let wire = connect(&[guide.port()]);
        answers(&wire, "one");
        says.set(Err("ERR not now"));
        wire.open(soon()).map(drop).unwrap_or_else(|failure| panic!("{what}: {failure:?}"));
        answers(&wire, "two");
    }
}

#[test]
fn moved_is_followed() {
    let new = server("new", "master");
    let to = new.port();
    let old = Fake::start(move |_, words| match &*words[0] {
        b"ECHO" | b"BLMPOP" => Reply::Bytes(format!("-MOVED 11905 127.0.0.1:{to}\r\n").into_bytes()),
        _ => echo_reply(words),
    });
    // The guide has not heard of it, and never will.
    let guide = Says::new(old.port(), 1).start();
    for by_own in [false, true] {
        let wire = cluster(&[guide.port()]);
        if by_own {
            let mut own = wire.open(soon()).unwrap();
            assert!(is_later(&own.call(&echo("one"), soon()).unwrap_err()));
            assert!(!own.is_good());
            assert!(wire.open(soon()).unwrap().call(&echo("one"), soon()).is_ok());
        } else {
            answers(&wire, "one");
        }
    }
}

#[test]
fn a_slot_that_is_being_moved_is_sat_out() {
    for error in ["TRYAGAIN Multiple keys request during rehashing of slot", "ASK 11905 127.0.0.1:1"] {
        let moves = Arc::new(Mutex::new(true));
        let state = moves.clone();
        let server = Fake::start(move |_, words| match &*words[0] {
            b"ECHO" if *state.lock().unwrap() => Reply::Bytes(format!("-{error}\r\n").into_bytes()),
            _ => echo_reply(words),
        });
        let wire = cluster(&[Says::new(server.port(), 1).start().port()]);
        // On a busy machine the deadline may come while the last answer is on its way.
        let call = || {
            let began = Instant::now();
            let failure = wire.call(&echo("one"), within(Duration::from_millis(500))).unwrap_err();
            assert!(began.elapsed() < Duration::from_secs(3), "{failure:?}");
            Some(failure).filter(is_later)
        };
        let text = text((0..20).find_map(|_| call()).expect("it says why"));
        assert!(text.contains("the slot of this tree is being moved") && text.contains(error), "{text}");
        thread::scope(|scope| {
            let call = scope.spawn(|| wire.call(&echo("two"), soon()));
            thread::sleep(Duration::from_millis(100));
            assert!(!call.is_finished());
            *moves.lock().unwrap() = false;
            assert_eq!(call.join().unwrap(), Ok(Value::Bytes(b"two".into())));
        });
        assert_eq!(server.connections(), 1, "it decides about the slot all the time");
    }
}

/// A proxy, or a name, that leads to another server: its run id tells.
#[test]
fn another_process_at_the_same_place() {
    let who = Arc::new(Mutex::new("a"));
    let says = who.clone();
    let server = Fake::start(move |_, words| match &*words[0] {
        b"INFO" => Reply::Bytes(bulk(format!("run_id:{}\r\nrole:master\r\n", says.lock().unwrap()).as_bytes())),
        _ => echo_reply(words),
    });
    let wire = super::wire(&server.url());
    let first = wire.open(soon()).unwrap();
    let second = wire.open(soon()).unwrap();
    assert!(first.is_good());
    *who.lock().unwrap() = "b";
    let third = wire.open(soon()).unwrap();
    assert!(!first.is_good() && !second.is_good() && third.is_good());
    // Both are behind one proxy, it seems: they do not cut each other for ever.
    *who.lock().unwrap() = "a";
    let fourth = wire.open(soon()).unwrap();
    assert!(third.is_good() && fourth.is_good());
}
