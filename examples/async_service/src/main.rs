//! Tree locks in an asynchronous service. HTTP handlers read and write `tenant/project/document`,
//! each under a lock on that path. Now and then a background job locks a whole tenant: for that all
//! of the tenant's handlers have to be gone, and none may come in. A load generator in the same
//! program asks over loopback, and shows what the service does and how long the job waits.
//!
//! ```text
//! cargo run --release -p mutextree-async-service -- --seconds 5
//! ```
//!
//! * `options.rs` the command line
//! * `documents.rs` what is read and written, and how a violation is noticed
//! * `service.rs` the handlers
//! * `job.rs` the background job
//! * `load.rs` the load generator
//! * `report.rs` what is shown

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mutextree::MemoryStore;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::documents::Documents;
use crate::load::Tally;
use crate::options::{HELP, Options};
use crate::report::{Progress, table};

mod documents;
mod job;
mod load;
mod options;
mod report;
mod service;

const VIOLATED: u8 = 1;
const FAILED: u8 = 2;

/// What handlers and the job share.
#[derive(Clone, Debug)]
struct App {
    locks: MemoryStore,
    documents: Arc<Documents>,
    /// How long a request may wait for its lock.
    patience: Duration,
    /// Whether there are locks at all.
    lock: bool,
}

fn main() -> ExitCode {
    let result = match Options::parse(env::args_os().skip(1)) {
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Ok(Some(options)) => start(&options),
        Err(error) => Err(format!("{error}; `--help` lists what there is").into()),
    };
    result.unwrap_or_else(|error| {
        eprintln!("async_service: {error}");
        ExitCode::from(FAILED)
    })
}

fn start(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(options))
}

async fn run(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let app = App {
        locks: MemoryStore::new(),
        documents: Arc::new(Documents::new(options.tenants)),
        patience: options.patience,
        lock: options.lock,
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(axum::serve(listener, service::router(app.clone())).into_future());

    let started = Instant::now();
    let end = started + options.time;
    let job = tokio::spawn(job::run(app.clone(), options.job_every, end));
    let mut clients = JoinSet::new();
    for number in 0..options.connections {
        let (documents, writes) = (app.documents.clone(), options.writes);
        clients.spawn(load::client(address, documents, writes, end, u64::from(number)));
    }
    watch(&app.documents, started, options.time).await;
    let mut tally = Tally::new();
    while let Some(client) = clients.join_next().await {
        tally.add(&client?.map_err(|error| format!("a request failed: {error}"))?);
    }
    let elapsed = started.elapsed();
    let job = job.await??;
    server.abort();

    println!("{}", table(&tally, &job, elapsed));
    let violations = app.documents.violations();
    for example in violations.examples() {
        println!("violation: {example}");
    }
    println!(
        "{} requests over {} connections in {:.1} s, {} of them given up by the service; the job ran {} times: {} violations",
        report::grouped(tally.requests()),
        options.connections,
        elapsed.as_secs_f64(),
        report::grouped(tally.refused),
        job.waits.len(),
        violations.count()
    );
    Ok(if violations.count() == 0 { ExitCode::SUCCESS } else { ExitCode::from(VIOLATED) })
}

/// Shows where it is, until the time is over.
async fn watch(documents: &Documents, started: Instant, time: Duration) {
    let mut progress = Progress::new(time);
    while started.elapsed() < time {
        tokio::time::sleep(Duration::from_millis(100).min(time)).await;
        progress.show(started.elapsed(), documents.served(), documents.violations().count());
    }
}
