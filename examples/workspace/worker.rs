//! A worker: it roams the tree, and does a bit of everything wherever it is.
//!
//! It knows no more of the tree than it has seen: the listing of its directory, which may be out of
//! date, and a few directories that it came through.

use std::sync::atomic::Ordering::Relaxed;

use fastrand::Rng;
use mutextree::TreePath;

use crate::check::Stop;
use crate::operations::{
    Growth, Kind, Listing, Site, copy_directory, create, delete, delete_directory, edit, list, read, relocate,
};
use crate::tally::{Shared, Tally};

/// How many operations a worker tries in one directory at the most.
const STAY: usize = 24;
/// Nothing is moved to a place deeper than that, or moves would make the tree ever deeper.
const DEEPEST: usize = 12;
/// How many directories a worker remembers, as places to move things to.
const REMEMBERED: usize = 16;

pub(crate) struct Worker<'a> {
    site: Site<'a>,
    shared: &'a Shared,
    /// The size that the tree is to keep.
    wanted: Growth,
    rng: Rng,
    here: TreePath,
    listing: Listing,
    remembered: Vec<TreePath>,
    tally: Tally,
}

/// Whether an operation was done, or what keeps the worker from working on: a full disk, say.
type Done = Result<bool, String>;

impl<'a> Worker<'a> {
    pub(crate) fn new(site: Site<'a>, shared: &'a Shared, wanted: Growth, rng: Rng) -> Self {
        let here = TreePath::root();
        let remembered = vec![here.clone()];
        Self { site, shared, wanted, rng, here, listing: Listing::default(), remembered, tally: Tally::default() }
    }

    /// Works until it is told to stop.
    pub(crate) fn run(mut self) -> Result<Tally, String> {
        while !self.shared.stopped() {
            self.roam()?;
            for _ in 0..self.rng.usize(1..=STAY) {
                let kind = self.choose();
                // If there is nothing of that kind here, take another; if what was there is gone,
                // the listing is out of date.
                if self.shared.stopped() || !self.work(kind).unwrap_or(Ok(true))? {
                    break;
                }
            }
        }
        Ok(self.tally)
    }

    /// Goes to a directory nearby, or starts again from the top, and lists it.
    fn roam(&mut self) -> Result<(), String> {
        let up = self.here.parent().unwrap_or_else(TreePath::root);
        let next = match self.rng.u8(..10) {
            0 => TreePath::root(),
            1..4 => up.clone(),
            _ => self.a_directory().unwrap_or_else(|| up.clone()),
        };
        let mut listing = None;
        let listed = self.count(Kind::List, |site| {
            listing = Some(list(site, &next)?);
            Ok(Growth::default())
        })?;
        // If there is no such directory any more, the way up ends at the root, which is always
        // there.
        self.here = if listed { next } else { up };
        self.listing = listing.unwrap_or_default();
        if self.remembered.len() == REMEMBERED {
            self.remembered.swap_remove(self.rng.usize(..REMEMBERED));
        }
        self.remembered.push(self.here.clone());
        Ok(())
    }

    /// Mostly small work. The tree keeps its size, because things are made when there are too few
    /// and removed when there are too many; not too often, because some file systems are slow to
    /// find a free inode after many were freed.
    fn choose(&mut self) -> Kind {
        let size = self.shared.size();
        match self.rng.u8(..100) {
            ..52 => Kind::Read,
            52..78 => Kind::Edit,
            78..84 if size.files < self.wanted.files => Kind::Create,
            78..84 => Kind::Delete,
            84..90 => Kind::Rename,
            90..95 => Kind::MoveFile,
            95..99 => Kind::MoveDirectory,
            _ if size.directories < self.wanted.directories => Kind::CopyDirectory,
            _ => Kind::DeleteDirectory,
        }
    }

    /// Does one thing in this directory; `None` if there is nothing to do it on.
    fn work(&mut self, kind: Kind) -> Option<Done> {
        Some(match kind {
            Kind::Read => {
                let file = self.a_file()?;
                self.count(kind, |site| read(site, &file))
            }
            Kind::Edit => {
                let (file, at, text) = (self.a_file()?, self.rng.usize(..), self.text());
                self.count(kind, |site| edit(site, &file, &text, at))
            }
            Kind::List => return None, // that is what roaming does
            Kind::Create => {
                let (file, text) = (self.inside(&self.here.clone(), "file")?, self.text());
                self.count(kind, |site| create(site, &file, &text))
            }
            Kind::Delete => {
                let file = self.a_file()?;
                self.count(kind, |site| delete(site, &file))
            }
            Kind::Rename => {
                let from = if self.rng.u8(..3) == 0 { self.a_directory()? } else { self.a_file()? };
                let to = self.inside(&self.here.clone(), "renamed")?;
                self.count(kind, |site| relocate(site, &from, &to))
            }
            Kind::MoveFile => {
                let (from, to) = (self.a_file()?, self.elsewhere()?);
                self.count(kind, |site| relocate(site, &from, &to))
            }
            Kind::MoveDirectory => {
                let (from, to) = (self.a_directory()?, self.elsewhere()?);
                self.count(kind, |site| relocate(site, &from, &to))
            }
            Kind::CopyDirectory => {
                let (from, to) = (self.a_directory()?, self.elsewhere()?);
                self.count(kind, |site| copy_directory(site, &from, &to))
            }
            Kind::DeleteDirectory => {
                let directory = self.a_directory()?;
                self.count(kind, |site| delete_directory(site, &directory))
            }
        })
    }

    /// Runs an operation and counts what becomes of it.
    fn count(&mut self, kind: Kind, operation: impl FnOnce(&Site<'a>) -> Result<Growth, Stop>) -> Done {
        let result = operation(&self.site);
        let count = self.tally.of(kind);
        count.waits += self.site.waits.take();
        match result {
            Ok(growth) => {
                count.done += 1;
                self.shared.grow(growth);
                self.shared.done.fetch_add(1, Relaxed);
                Ok(true)
            }
            Err(Stop::Pass) => {
                count.passed += 1;
                Ok(false)
            }
            Err(Stop::Violated(violation, path)) => {
                count.violations[violation as usize] += 1;
                self.shared.violations.fetch_add(1, Relaxed);
                self.tally.give_example(|| format!("{kind}: in the middle of it, `{path}` was {violation}"));
                Ok(false)
            }
            Err(Stop::Fault(error)) => Err(format!("{kind}: {error}")),
        }
    }

    fn a_file(&mut self) -> Option<TreePath> {
        self.here.join([self.rng.choice(&self.listing.files)?]).ok()
    }

    fn a_directory(&mut self) -> Option<TreePath> {
        self.here.join([self.rng.choice(&self.listing.directories)?]).ok()
    }

    /// A new name in a directory. There are not many of them, so that workers get into each other's
    /// way.
    fn inside(&mut self, directory: &TreePath, what: &str) -> Option<TreePath> {
        directory.join([format!("{what}-{}", self.rng.u8(..))]).ok()
    }

    /// A new name in some directory that was there a while ago.
    fn elsewhere(&mut self) -> Option<TreePath> {
        let directory = self.rng.choice(&self.remembered).filter(|path| path.depth() < DEEPEST)?.clone();
        self.inside(&directory, "moved")
    }

    /// A line or two.
    fn text(&mut self) -> Vec<u8> {
        let length = self.rng.usize(..200);
        std::iter::repeat_with(|| self.rng.alphanumeric() as u8).take(length).collect()
    }
}
