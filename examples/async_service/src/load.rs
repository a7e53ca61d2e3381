//! The load generator: many clients, each with a connection of its own. Each asks for one random
//! document after the other.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{Method, Request, StatusCode, header};
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::documents::Documents;

/// How long requests took, in microseconds.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) reads: Histogram<u64>,
    pub(crate) writes: Histogram<u64>,
    /// How many were answered with 503.
    pub(crate) refused: u64,
}

/// Up to an hour, in three significant figures.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("such bounds are possible")
}

pub(crate) fn record(histogram: &mut Histogram<u64>, time: Duration) {
    histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self { reads: histogram(), writes: histogram(), refused: 0 }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, more) in [(&mut self.reads, &other.reads), (&mut self.writes, &other.writes)] {
            sum.add(more).expect("all have the same bounds");
        }
        self.refused += other.refused;
    }

    pub(crate) fn requests(&self) -> u64 {
        self.reads.len() + self.writes.len()
    }
}

/// Asks until `end`.
pub(crate) async fn client(
    address: SocketAddr,
    documents: Arc<Documents>,
    writes: u8,
    end: Instant,
    seed: u64,
) -> Result<Tally, Box<dyn Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut tally = Tally::new();
    while Instant::now() < end {
        let path = rng.choice(documents.paths()).ok_or("there are no documents")?;
        let is_write = rng.u8(..100) < writes;
        let request = Request::builder()
            .method(if is_write { Method::PUT } else { Method::GET })
            .uri(format!("/{}", path.join("/")))
            .header(header::HOST, "localhost")
            .body(Empty::<Bytes>::new())?;
        let asked = Instant::now();
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        record(if is_write { &mut tally.writes } else { &mut tally.reads }, asked.elapsed());
        match status {
            StatusCode::OK => {}
            StatusCode::SERVICE_UNAVAILABLE => tally.refused += 1,
            other => return Err(format!("{other}: {}", String::from_utf8_lossy(&body)).into()),
        }
    }
    drop(sender);
    connection.await??;
    Ok(tally)
}
