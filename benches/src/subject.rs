//! [`Subject`]: one lock + unlock. [`Site`]: the paths that are locked.

use crossbeam_utils::CachePadded;

/// One worker's way to lock a leaf and unlock it again, or what people do instead.
pub trait Subject: Send + Sized {
    /// What the reports call it.
    const NAME: &'static str;

    /// One for each worker, all on one structure, each with paths that nobody else locks.
    fn workers(site: &Site) -> Vec<Self>;

    /// The same for workers that run at once: each on a cache line of its own, since it may keep
    /// its place in there.
    fn apart(site: &Site) -> Vec<CachePadded<Self>> {
        Self::workers(site).into_iter().map(CachePadded::new).collect()
    }

    /// Locks and unlocks once.
    fn cycle(&mut self);
}

/// Which leaves are locked: siblings, `depth` components deep, `paths` for each worker.
#[derive(Clone, Copy)]
pub struct Site {
    /// How many components a path has. The root has none.
    pub depth: usize,
    /// How many threads will lock at once.
    pub workers: usize,
    /// How many paths a worker that locks by path goes round. A worker on a handle has one.
    pub paths: usize,
}

impl Site {
    /// `org/team/project/file`, and nobody else about.
    pub const LONE: Self = Self { depth: 4, workers: 1, paths: 1 };

    /// A few workers on the same directory. By path, each has enough paths that an index's shards
    /// meet by the law of averages, and not by whether this run's hash of two paths happens to be
    /// unlucky.
    pub fn siblings(workers: usize) -> Self {
        Self { depth: 4, workers, paths: 64 }
    }

    /// The directory that all the leaves are in.
    pub fn directory(&self) -> String {
        let names = ["org", "team", "project"].map(String::from).into_iter();
        names.chain((3..).map(|depth| format!("part{depth}"))).take(self.depth - 1).collect::<Vec<_>>().join("/")
    }

    /// The first leaf of a worker: what it locks by handle.
    pub fn leaf(&self, worker: usize) -> String {
        self.nth(worker, 0)
    }

    /// All the leaves of a worker.
    pub fn round(&self, worker: usize) -> Round {
        assert!(self.paths.is_power_of_two());
        Round { paths: (0..self.paths).map(|n| self.nth(worker, n)).collect(), at: 0 }
    }

    fn nth(&self, worker: usize, n: usize) -> String {
        let directory = self.directory();
        let file = if self.workers * self.paths == 1 { "file".into() } else { format!("file{worker}-{n:02}") };
        if directory.is_empty() { file } else { format!("{directory}/{file}") }
    }
}

/// Paths, one after the other, for ever.
pub struct Round<P = String> {
    paths: Vec<P>,
    at: usize,
}

impl<P> Round<P> {
    /// The next one.
    #[inline]
    pub fn advance(&mut self) -> &P {
        self.at = (self.at + 1) & (self.paths.len() - 1);
        &self.paths[self.at]
    }
}

impl Round {
    /// For a peer that is quickest with such keys.
    pub fn leaked(self) -> Round<&'static str> {
        Round { paths: self.paths.into_iter().map(|path| &*path.leak()).collect(), at: self.at }
    }
}
