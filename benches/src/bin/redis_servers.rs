//! What several servers give and cost: a cluster of three against one server, and grants that a
//! replica has to have. It starts servers of its own, and takes half a minute.
//!
//! `cargo run --release -p mutextree-benches --features redis-cluster --bin redis_servers`

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use mutextree::{LockStore, RedisStore};
use mutextree_benches::redis::{Outcome, Server};

const ROUNDS: usize = 9;
/// Threads for each tree.
const THREADS: usize = 2;
/// How long one round of throughput takes.
const ROUND: Duration = Duration::from_millis(400);

fn main() -> Outcome<()> {
    println!("{:<72} {:>10}", "what", "measured");
    cluster()?;
    replica()
}

fn row(what: &str, measured: &str) {
    println!("{what:<72} {measured:>10}");
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Locks and unlocks a second, by some threads for each store, each on a path of its own.
fn rate(stores: &[RedisStore]) -> f64 {
    let began = Instant::now();
    let work = |store: &RedisStore, number: usize| {
        let mutex = store.mutex(["org", "team", "project", &number.to_string()]).expect("a path");
        let mut done = 0;
        while began.elapsed() < ROUND {
            mutex.lock().expect("a lock").unlock().expect("a release");
            done += 1;
        }
        done
    };
    let done: u64 = thread::scope(|scope| {
        let numbered = stores.iter().enumerate();
        let threads = numbered.flat_map(|(at, store)| (0..THREADS).map(move |n| (store, at * THREADS + n)));
        let threads: Vec<_> = threads.map(|(store, number)| scope.spawn(move || work(store, number))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    done as f64 / began.elapsed().as_secs_f64()
}

/// Three masters, each with a third of the slots.
fn start_cluster() -> Outcome<Vec<Server>> {
    let mut servers = Vec::new();
    for slots in ["0 5460", "5461 10922", "10923 16383"] {
        let bus = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
        let server = Server::start_with(&["--cluster-enabled", "yes", "--cluster-port", &bus])?;
        ask(&server, &format!("CLUSTER SET-CONFIG-EPOCH {}", servers.len() + 1))?;
        ask(&server, &format!("CLUSTER ADDSLOTSRANGE {slots}"))?;
        if let Some((first, _)) = servers.first() {
            ask(first, &format!("CLUSTER MEET 127.0.0.1 {} {bus}", server.port()))?;
        }
        servers.push((server, bus));
    }
    let began = Instant::now();
    while !servers.iter().all(|(server, _)| knows_all(server).unwrap_or(false)) {
        if began.elapsed() > Duration::from_secs(20) {
            return Err("the nodes of the cluster never meet".into());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(servers.into_iter().map(|(server, _)| server).collect())
}

fn knows_all(server: &Server) -> Outcome<bool> {
    let info: String = redis::from_redis_value(ask(server, "CLUSTER INFO")?)?;
    Ok(info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3"))
}

fn ask(server: &Server, command: &str) -> Outcome<redis::Value> {
    let mut words = command.split(' ');
    let mut cmd = redis::cmd(words.next().ok_or("no command")?);
    words.for_each(|word| _ = cmd.arg(word));
    Ok(cmd.query(&mut server.connect()?)?)
}

/// Names of trees, one for each master.
fn names(servers: &[Server]) -> Outcome<Vec<String>> {
    let mut names = vec![None; servers.len()];
    for name in (0..).map(|number: u32| format!("tree{number}")) {
        let slot: usize = redis::from_redis_value(ask(&servers[0], &format!("CLUSTER KEYSLOT {{{name}}}:n"))?)?;
        names[slot / 5461].get_or_insert(name);
        if names.iter().all(Option::is_some) {
            break;
        }
    }
    Ok(names.into_iter().flatten().collect())
}

fn cluster() -> Outcome<()> {
    let (servers, alone) = (start_cluster()?, Server::start()?);
    let names = names(&servers)?;
    let url = format!("redis-cluster://127.0.0.1:{}", servers[0].port());
    let connect = |url: &str| -> Result<Vec<RedisStore>, mutextree::LockError> {
        names.iter().map(|name| RedisStore::builder(url).tree(name).connect()).collect()
    };
    let apart: Vec<RedisStore> = connect(&url)?;
    let together: Vec<RedisStore> = connect(&alone.url())?;
    let (mut ones, mut threes, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (one, three) = (rate(&together), rate(&apart));
        ones.push(one);
        threes.push(three);
        ratios.push(three / one);
    }
    let cores = thread::available_parallelism()?;
    println!("  one server {:.0} a second, three {:.0}; {cores} cores for all", median(ones), median(threes));
    let what = "3 trees, two threads each: on 3 masters of a cluster, against one server";
    row(what, &format!("{:.2}x", median(ratios)));
    Ok(())
}

/// The time of one `work` in microseconds.
fn time(mut work: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let (began, mut done) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_millis(200) {
        work()?;
        done += 1;
    }
    Ok(began.elapsed().as_secs_f64() * 1e6 / f64::from(done))
}

fn replica() -> Outcome<()> {
    let master = Server::start_with(&["--repl-diskless-sync-delay", "0"])?;
    let replica = Server::start_with(&["--replicaof", "127.0.0.1", &master.port().to_string()])?;
    let began = Instant::now();
    loop {
        let info: String = redis::from_redis_value(ask(&replica, "INFO replication")?)?;
        if info.contains("master_link_status:up") {
            break;
        }
        if began.elapsed() > Duration::from_secs(20) {
            return Err("the replica never follows".into());
        }
        thread::sleep(Duration::from_millis(50));
    }
    let plain = RedisStore::connect(&master.url())?;
    let waits = RedisStore::builder(&master.url()).wait_for_replicas(1, Duration::from_secs(5)).connect()?;
    let mutexes = [plain.mutex("org/team/project/file")?, waits.mutex("org/team/project/file")?];
    let (mut without, mut with, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let times = mutexes.each_ref().map(|mutex| time(|| Ok(mutex.lock()?.unlock()?)));
        let [one, two] = times;
        let (one, two) = (one?, two?);
        without.push(one);
        with.push(two);
        ratios.push(two / one);
    }
    println!("  without {:.0} us, with {:.0} us", median(without), median(with));
    row("lock + unlock, one thread: a replica has each grant, against none", &format!("{:.2}x", median(ratios)));
    let (mut one, mut many) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one.push(rate(&vec![plain.clone(); 8]));
        many.push(rate(&vec![waits.clone(); 8]));
    }
    println!("  16 threads: without {:.0} a second, with {:.0}", median(one.clone()), median(many.clone()));
    row("the same, 16 threads: rate with, against without", &format!("{:.2}x", median(many) / median(one)));
    Ok(())
}
