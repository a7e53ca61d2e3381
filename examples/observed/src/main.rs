//! Locks under load, to look at: a subscriber of `tracing` that writes to the terminal, and metrics
//! for Prometheus that can be fetched with `curl`.
//!
//! ```text
//! cargo run --release -p mutextree-observed -- --seconds 10
//! curl -s http://127.0.0.1:9000/metrics                    # meanwhile
//! RUST_LOG=mutextree=debug cargo run --release -p mutextree-observed -- --seconds 1   # each wait
//! ```
//!
//! A shop has tenants with orders. Threads change single orders, tasks read all orders of a tenant,
//! and a report locks a whole tenant if it gets it within 2 ms. An import works for longer than its
//! lease, so it loses its lock. With `--redis URL` the locks are in a Redis server.

mod options;
mod shop;

use std::error::Error;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use mutextree::{LockStore, MemoryStore, RedisStore};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::options::{HELP, Options};

/// Upper ends of the histograms' buckets, in seconds: from ten microseconds to ten seconds.
const BUCKETS: [f64; 13] = [0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];

fn main() -> Result<(), Box<dyn Error>> {
    let Some(options) = Options::parse(lexopt::Parser::from_env())? else {
        println!("{HELP}");
        return Ok(());
    };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(&options))
}

async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    // Before the first lock: what is counted before there is a recorder is lost.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("mutextree=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(std::io::stderr)
        .init();
    let (recorder, exporter) = PrometheusBuilder::new()
        .with_http_listener(options.listen)
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BUCKETS)?
        .build()?;
    let rendered = recorder.handle();
    install(recorder)?;
    mutextree::describe_metrics();
    let exporter = tokio::spawn(exporter);
    eprintln!("metrics: http://{}/metrics", options.listen);

    match &options.redis {
        None => work(MemoryStore::builder().metrics(true).build(), options).await?,
        Some(url) => work(RedisStore::builder(url).tree("observed").connect()?, options).await?,
    }
    exporter.abort();
    print!("{}", rendered.render());
    Ok(())
}

fn install(recorder: metrics_exporter_prometheus::PrometheusRecorder) -> Result<(), Box<dyn Error>> {
    metrics::set_global_recorder(recorder).map_err(|error| error.to_string().into())
}

async fn work<S: LockStore>(store: S, options: &Options) -> Result<(), Box<dyn Error>> {
    let shop = shop::Shop::open(store, options.tenants);
    tokio::time::sleep(options.time.max(Duration::from_millis(1))).await;
    shop.close().await
}
