//! For information: lock + unlock at depth 4, of mutextree and of other locks, on one thread and on
//! two.

use mutextree_benches::ours::{ByPath, Handle, LeasedHandle, NamedHandle, OwnedHandle, SharedHandle};
use mutextree_benches::peers::{
    Bolt, Chain, Glock, InsertRemove, MapOfMutexes, ParkingLot, PoolOwned, PoolStatic, Std,
};
use mutextree_benches::scaling::Scaling;
use mutextree_benches::{Site, Subject};

use crate::measure::{Effort, Versus};
use crate::report::{Note, Report};

pub(crate) fn measure(effort: &Effort, report: &mut Report) {
    // Nothing is judged by these, so they can be rougher.
    let effort = Effort { rounds: effort.rounds / 4, ..*effort };
    report.notes = vec![
        note::<ParkingLot>(&effort),
        note::<Std>(&effort),
        note::<Handle>(&effort),
        note::<SharedHandle>(&effort),
        note::<OwnedHandle>(&effort),
        note::<NamedHandle>(&effort),
        note::<LeasedHandle>(&effort),
        note::<Chain<4>>(&effort),
        note::<Glock>(&effort),
        note::<ByPath>(&effort),
        note::<InsertRemove>(&effort),
        note::<MapOfMutexes>(&effort),
        note::<PoolStatic>(&effort),
        note::<PoolOwned>(&effort),
        note::<Bolt>(&effort),
    ];
}

fn note<S: Subject>(effort: &Effort) -> Note {
    let nanos = Versus::lone::<S, ParkingLot>(effort, &Site::LONE).a;
    let scaling = Scaling::of::<S, ParkingLot>(effort);
    Note { what: S::NAME, nanos, one_thread: scaling.one, two_threads: scaling.two, scaling: scaling.ratio }
}
