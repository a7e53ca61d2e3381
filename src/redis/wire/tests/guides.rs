//! Sentinels and nodes that say who is master: all sorts of answers, and none.

mod many;
mod moving;

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::fake::{Fake, Reply, bulk, echo as echo_reply};
use super::{Wire, echo, is_down, is_later, soon, within};
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

type Guided = fn(&[u16]) -> Wire;

/// Sentinels and nodes of a cluster.
const BOTH: [(&str, Guided); 2] = [("Sentinel", sentinels), ("node", cluster)];

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
