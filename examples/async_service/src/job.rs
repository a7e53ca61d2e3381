//! The background job: it locks one tenant after the other, with all that is in it.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mutextree::{LockError, LockStore};

use crate::App;
use crate::load::{histogram, record};

/// What the job took, in microseconds.
#[derive(Debug)]
pub(crate) struct Times {
    pub(crate) waits: Histogram<u64>,
    pub(crate) holds: Histogram<u64>,
}

/// Works until `end`, and goes through every tenant at least once.
pub(crate) async fn run(app: App, rest: Duration, end: Instant) -> Result<Times, LockError> {
    let mut times = Times { waits: histogram(), holds: histogram() };
    let mut tenants: Vec<_> = Vec::new();
    for name in app.documents.tenants() {
        tenants.push((name, app.locks.mutex(name)?));
    }
    loop {
        for (name, tenant) in &tenants {
            let asked = Instant::now();
            let guard = if app.lock { Some(tenant.lock_async().await?) } else { None };
            record(&mut times.waits, asked.elapsed());
            let got = Instant::now();
            app.documents.go_through(name).await;
            drop(guard);
            record(&mut times.holds, got.elapsed());
            tokio::time::sleep(rest).await;
        }
        if Instant::now() >= end {
            return Ok(times);
        }
    }
}
