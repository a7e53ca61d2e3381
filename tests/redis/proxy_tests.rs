use std::time::{Duration, Instant};

use redis::{Connection, RedisResult, Value};

use crate::proxy::Proxy;
use crate::server::Server;

fn connect(proxy: &Proxy) -> RedisResult<Connection> {
    let client = redis::Client::open(proxy.url()).unwrap();
    let connection = client.get_connection_with_timeout(Duration::from_secs(1))?;
    connection.set_read_timeout(Some(Duration::from_millis(300)))?;
    Ok(connection)
}

fn script(connection: &mut Connection, text: &str) -> RedisResult<Value> {
    redis::cmd("EVAL").arg(text).arg(0).query(connection)
}

fn name(connection: &mut Connection) -> Option<String> {
    redis::cmd("GET").arg("name").query(connection).unwrap()
}

#[test]
fn forty_commands_take_one_delay() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let delay = Duration::from_millis(200);
    for each in [Proxy::delay_requests, Proxy::delay_answers] {
        let mut connection = connect(&proxy).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        each(&proxy, delay);
        let began = Instant::now();
        let mut pipe = redis::pipe();
        (0..40).for_each(|_| _ = pipe.cmd("INCR").arg("count"));
        let counts: Vec<u64> = pipe.query(&mut connection).unwrap();
        let took = began.elapsed();
        assert!(took >= delay && took < 10 * delay, "{took:?}");
        assert!(counts.is_sorted() && counts.len() == 40);
        each(&proxy, Duration::ZERO);
    }
}

#[test]
fn what_is_frozen_is_held_and_new_connections_work() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let mut old = connect(&proxy).unwrap();
    proxy.freeze_existing();
    assert!(script(&mut old, "return redis.call('SET', 'name', 'late')").unwrap_err().is_timeout());
    let mut new = connect(&proxy).unwrap();
    assert_eq!(name(&mut new), None);
    drop(old);
    proxy.thaw();
    crate::failures::wait_until("what was held is lost", || name(&mut new).is_some());
    proxy.freeze_all();
    assert!(connect(&proxy).and_then(|mut new| script(&mut new, "return 1")).unwrap_err().is_timeout());
}

#[test]
fn a_pipeline_is_lost_from_where_it_is_told_to_be() {
    let server = Server::start();
    let proxy = Proxy::start(server.port());
    let count = |lose: &dyn Fn()| -> u64 {
        lose();
        let mut pipe = redis::pipe();
        (0..3).for_each(|_| _ = pipe.cmd("EVAL").arg("return redis.call('INCR', 'count')").arg(0));
        pipe.query::<Vec<u64>>(&mut connect(&proxy).unwrap()).unwrap_err();
        crate::failures::wait_until("it is never over", || proxy.is_quiet());
        redis::cmd("GETDEL").arg("count").query::<Option<u64>>(&mut server.connect()).unwrap().unwrap_or(0)
    };
    assert_eq!(count(&|| proxy.lose_requests(1)), 0);
    // What was sent behind it may have got through before the connection was cut.
    assert!((1..=3).contains(&count(&|| proxy.lose_answers(1))));
    assert!((2..=3).contains(&count(&|| proxy.cut_after(2))));
    assert!(proxy.is_cut() && connect(&proxy).is_err());
    proxy.mend();
    assert!(script(&mut connect(&proxy).unwrap(), "return 1").is_ok());
    assert_eq!(proxy.lost(), 3);
}

#[test]
fn new_connections_go_elsewhere() {
    let servers = [Server::start(), Server::start()];
    let proxy = Proxy::start(servers[0].port());
    for (server, text) in servers.iter().zip(["one", "two"]) {
        let _: () = redis::cmd("SET").arg("name").arg(text).query(&mut server.connect()).unwrap();
    }
    let mut old = connect(&proxy).unwrap();
    proxy.redirect(servers[1].port());
    assert_eq!(name(&mut old).as_deref(), Some("one"));
    assert_eq!(name(&mut connect(&proxy).unwrap()).as_deref(), Some("two"));
    proxy.cut_existing();
    assert!(script(&mut old, "return 1").is_err());
}
