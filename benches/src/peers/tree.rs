//! Locks with a tree.

use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use glock::GLock;
use parking_lot::RwLock;

use crate::{Round, Site, Subject};

/// The text-book tree lock: read-lock every ancestor from the root down, write-lock the node. `A`
/// is how many ancestors there are, the root included; that it is constant spares the chain an
/// allocation.
pub struct Chain<const A: usize> {
    ancestors: [Arc<RwLock<()>>; A],
    node: Arc<RwLock<()>>,
}

impl<const A: usize> Subject for Chain<A> {
    const NAME: &'static str = "chain of parking_lot::RwLock";

    fn workers(site: &Site) -> Vec<Self> {
        assert_eq!(site.depth, A, "a node this deep has as many ancestors, with the root");
        let ancestors = std::array::from_fn(|_| Arc::default());
        (0..site.workers).map(|_| Self { ancestors: ancestors.clone(), node: Arc::default() }).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        let this = black_box(self);
        let above = this.ancestors.each_ref().map(|lock| lock.read());
        drop(this.node.write());
        drop(above);
    }
}

/// bolt 0.3: tokio read-write locks found by path, one a component. There is no lock on the root,
/// and a reader of `a` does not keep out a writer of `a/b`. It looks at `N` components at most.
pub struct Bolt<const N: usize = 4> {
    locks: Arc<bolt::Lock<N>>,
    paths: Round,
}

impl<const N: usize> Subject for Bolt<N> {
    const NAME: &'static str = "bolt";

    fn workers(site: &Site) -> Vec<Self> {
        assert!(site.depth <= N);
        let locks = Arc::new(bolt::Lock::default());
        (0..site.workers).map(|worker| Self { locks: locks.clone(), paths: site.round(worker) }).collect()
    }

    /// Polled by hand, since nobody here locks what another holds: so bolt pays for no runtime.
    #[inline]
    fn cycle(&mut self) {
        let mut locked = pin!(self.locks.write_forward(black_box(self.paths.advance())));
        let guards = loop {
            match locked.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(guards) => break guards,
                Poll::Pending => std::thread::yield_now(),
            }
        };
        drop(guards);
    }
}

/// glock 0.1: granular locks, a handle each; locking one takes intention locks on its ancestors.
/// The tree is built beforehand.
pub struct Glock {
    leaf: GLock<()>,
    /// A lock keeps its parents alive by itself; this keeps them as a program would.
    _ancestors: Arc<Vec<GLock<()>>>,
}

impl Subject for Glock {
    const NAME: &'static str = "glock";

    fn workers(site: &Site) -> Vec<Self> {
        let ancestors = glock_line(site.depth);
        let leaves: Vec<_> = (0..site.workers).map(|_| ancestors.last().unwrap().new_child(()).unwrap()).collect();
        let ancestors = Arc::new(ancestors);
        leaves.into_iter().map(|leaf| Self { leaf, _ancestors: ancestors.clone() }).collect()
    }

    #[inline]
    fn cycle(&mut self) {
        drop(black_box(&self.leaf).lock_exclusive().unwrap());
    }
}

/// glock's locks for one path, root first: so many levels of them.
pub fn glock_line(levels: usize) -> Vec<GLock<()>> {
    let root = GLock::new_root(()).unwrap();
    std::iter::successors(Some(root), |parent| parent.new_child(()).ok()).take(levels).collect()
}
