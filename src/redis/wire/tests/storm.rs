//! Many callers with all sorts of deadlines, over connections that are slow, cut and reset.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::fake::{Fake, Reply, bulk, echo as echo_reply};
use super::{echo, wire, within};
use crate::redis::error::Failure;
use crate::redis::value::Value;

const TIME: Duration = Duration::from_secs(2);

#[test]
fn no_answer_goes_astray() {
    let server = Fake::start(|_, words| match fastrand::u32(..400) {
        0 => Reply::Reset,
        1 => Reply::Close(Vec::new()),
        2 => {
            let answer = bulk(words.last().unwrap());
            Reply::Close(answer[..fastrand::usize(..answer.len())].to_vec())
        }
        3 => Reply::Bytes(b"-READONLY You can't write against a read only replica.\r\n".into()),
        _ => echo_reply(words),
    });
    let wire = wire(&server.url());
    let (answers, ends) = (AtomicUsize::new(0), Instant::now() + TIME);
    thread::scope(|scope| {
        for thread in 0..8 {
            let (wire, answers, server) = (&wire, &answers, &server);
            scope.spawn(move || {
                for number in 0_u64.. {
                    if Instant::now() > ends {
                        break;
                    }
                    if fastrand::u32(..50) == 0 {
                        server.delay(Duration::from_millis(fastrand::u64(..4)));
                    }
                    let text = format!("{thread} {number}");
                    let micros = if fastrand::bool() { 5_000_000 } else { fastrand::u64(..6_000) };
                    let began = Instant::now();
                    match wire.call(&echo(&text), within(Duration::from_micros(micros))) {
                        Ok(answer) => {
                            assert_eq!(answer, Value::Bytes(text.into()));
                            answers.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(Failure::Down(_) | Failure::Unsure(_) | Failure::Later(_)) => {}
                        Err(failure) => panic!("{failure:?}"),
                    }
                    assert!(began.elapsed() < Duration::from_secs(4), "nobody waited for so long");
                }
            });
        }
    });
    assert!(answers.into_inner() > 200);
    assert!(server.connections() > 2, "some were lost");
}
