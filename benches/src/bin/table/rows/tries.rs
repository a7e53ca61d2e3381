//! Tries that are refused, by a lock below and by one above: the fast path of who polls.

use std::hint::black_box;

use mutextree::{LockStore, MemoryStore};

use crate::measure::{Effort, Versus};
use crate::report::{Bound, Report, Row, Unit, nanos};

/// 60 ns where a handle takes 10.
const BOUND: f64 = 6.0;

const TRIED: &str = "org/team/project";
const ABOVE: &str = "org";
const BELOW: &str = "org/team/project/file";

pub(crate) fn measure(effort: &Effort, report: &mut Report) {
    for (held, what) in [(BELOW, "refused try, a lock below / handle"), (ABOVE, "refused try, a lock above / handle")] {
        let store = MemoryStore::new();
        let (tried, free) = (store.mutex(TRIED).unwrap(), store.mutex("other/team/project").unwrap());
        // Used before, as a node that somebody polls mostly was.
        drop(tried.lock().unwrap());
        let _held = store.lock(held).unwrap();
        let refused = || drop(black_box(&tried).try_lock().unwrap_err());
        let versus = Versus::calls(effort, refused, || drop(black_box(&free).lock().unwrap()));
        let row = Row::new(what, versus.ratio, Unit::Times, Bound::AtMost(BOUND));
        report.rows.push(row.from(nanos(versus.a), nanos(versus.b)));
    }
}
