//! Readers: one node that all share, and the two steps of a file system.

use std::hint::black_box;

use crossbeam_utils::CachePadded;
use crossbeam_utils::sync::ShardedLock;
use mutextree::{LockStore, MemoryStore};
use mutextree_benches::Site;
use mutextree_benches::measure::crowd;
use mutextree_benches::ours::{Handle, MOSTLY, MostlyReader, Reader, SharedHandle, TwoStep};
use mutextree_benches::peers::{FlatTwoStep, MostlyParkingLot, ParkingLot, ReadParkingLot, ReadSharded, ReadStd};
use mutextree_benches::scaling::{Scaling, crew};
use mutextree_benches::unit::{rate, thousands};
use mutextree_benches::workload::after_readers::write_after;

use super::handle::{machine_gave, scales};
use crate::measure::{Contestant, Versus};
use crate::measure::{Effort, all_in_turns};
use crate::report::{Bound, Report, Row, Unit, nanos};

pub(crate) fn measure(effort: &Effort, report: &mut Report) {
    let crews =
        [crew::<Reader>(effort), crew::<ReadParkingLot>(effort), crew::<ReadStd>(effort), crew::<ReadSharded>(effort)];
    let [ours, parking_lot, std, sharded] = Scaling::all::<ParkingLot, 4>(effort, crews);
    report.rows.push(scales("one node, shared: two / one / machine", &ours));
    report.remarks.push(machine_gave("one node, shared", &ours));
    for (who, theirs) in [("parking_lot::RwLock", parking_lot), ("std::sync::RwLock", std), ("ShardedLock", sharded)] {
        report.remarks.push(machine_gave(&format!("one {who}, read"), &theirs));
    }

    let versus = Versus::lone::<SharedHandle, Handle>(effort, &Site::LONE);
    let row = Row::new("shared / plain handle, one thread", versus.ratio, Unit::Times, Bound::AtMost(1.2));
    report.rows.push(row.from(nanos(versus.a), nanos(versus.b)));
    // Those two sit, and so does the one that they are compared with.
    report.remarks.push(format!(
        "one node, shared: two threads do {} what one does on a node where readers never met",
        Unit::Times.show(ours.two * versus.a / 1e9)
    ));

    let crews = [crew::<TwoStep>(effort), crew::<FlatTwoStep>(effort)];
    let [ours, flat] = Scaling::all::<ParkingLot, 2>(effort, crews);
    report.rows.push(scales("directory + file: two / one / machine", &ours));
    report.remarks.push(machine_gave("directory shared + file", &ours));
    report.remarks.push(machine_gave("a parking_lot::RwLock read + a Mutex", &flat));
    mostly(effort, report);
    after_readers(effort, report);
}

/// Two threads, each of which writes now and then: what a writer that comes by costs the readers.
fn mostly(effort: &Effort, report: &mut Report) {
    let site = Site::siblings(2);
    let mut crowds = [crowd::<MostlyReader>(effort, &site), crowd::<MostlyParkingLot>(effort, &site)];
    let [ours, theirs] = all_in_turns(effort.rounds, &mut crowds)[..] else { return };
    report.remarks.push(format!(
        "one node on two threads, a write in {}: {}; parking_lot::RwLock {}",
        thousands(f64::from(MOSTLY)),
        rate(ours),
        rate(theirs)
    ));
}

fn after_readers(effort: &Effort, report: &mut Report) {
    let calls = if effort.quick { 20 } else { 100 };
    let exclusive = MemoryStore::new().mutex("org/team/project/file").unwrap();
    let shared = exclusive.clone().shared();
    let flat = CachePadded::new(parking_lot::RwLock::new(()));
    let sharded = ShardedLock::new(());
    let mut contestants: [Contestant<'_>; 3] = [
        Box::new(|| {
            let read = || drop(black_box(&shared).lock().unwrap());
            write_after(calls, read, || drop(black_box(&exclusive).lock().unwrap()))
        }),
        Box::new(|| write_after(calls, || drop(black_box(&flat).read()), || drop(black_box(&flat).write()))),
        Box::new(|| {
            let read = || drop(black_box(&sharded).read().unwrap());
            write_after(calls, read, || drop(black_box(&sharded).write().unwrap()))
        }),
    ];
    let times = all_in_turns(5, &mut contestants);
    let row = Row::new("exclusive, readers just gone", times[0], Unit::Nanoseconds, Bound::AtMost(1_000.0));
    report.rows.push(row.from(nanos(times[0]), nanos(times[1])));
    let sharded = nanos(times[2]);
    report
        .remarks
        .push(format!("exclusive, readers just gone: beside parking_lot's RwLock; ShardedLock takes {sharded}"));
}
