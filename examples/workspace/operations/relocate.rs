//! Renames and moves, of files and of whole directories.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mutextree::TreePath;
use walkdir::WalkDir;

use super::{Growth, Listing, Site, parent};
use crate::check::{Check, Stop, Violation, is_dir, is_free};
use crate::locks::Need;
use crate::seal::Seal;

/// Gives a file or a directory another name, in the same directory or in another. The name must be
/// free, and a directory cannot go into itself: the locks for that exclude each other.
pub(crate) fn relocate(site: &Site<'_>, from: &TreePath, to: &TreePath) -> Result<Growth, Stop> {
    let (out_of, into) = (parent(from)?, parent(to)?);
    let needs = [Need::names(&out_of), Need::change(from), Need::names(&into), Need::change(to)];
    let _held = site.hold(needs)?;
    let (source, target) = (site.on_disk(from), site.on_disk(to));
    source.symlink_metadata().first(from)?;
    is_dir(&site.on_disk(&into)).first(&into)?;
    is_free(&target).first(to)?;
    let witness = Witness::of(&source).again(from)?;
    (site.halfway)();

    if !witness.holds_at(&source).again(from)? {
        return Err(Violation::Changed.at(from));
    }
    is_free(&target).again(to)?; // a rename would overwrite what is there, and not say so
    fs::rename(&source, &target).again(from)?;
    is_free(&source).again(from)?;
    if !witness.holds_at(&target).again(to)? {
        return Err(Violation::Changed.at(to));
    }
    Ok(Growth::default())
}

/// What something on disk is known by: a file by its seal, a directory by the names in it and by
/// one file at some depth. (All of a directory would be too much to look at twice: it may be half
/// the tree.)
struct Witness {
    listing: Option<Listing>,
    file: Option<(PathBuf, Seal)>,
}

impl Witness {
    /// How far to look for a file.
    const MOST_STEPS: usize = 20;

    fn of(place: &Path) -> io::Result<Self> {
        let listing = if place.symlink_metadata()?.is_dir() { Some(Listing::read(place)?) } else { None };
        let mut file = None;
        for entry in WalkDir::new(place).into_iter().take(Self::MOST_STEPS) {
            let entry = entry?;
            if entry.file_type().is_file() {
                let name = entry.path().strip_prefix(place).unwrap_or(entry.path());
                file = Some((name.to_path_buf(), Seal::read(entry.path())?));
                break;
            }
        }
        Ok(Self { listing, file })
    }

    fn holds_at(&self, place: &Path) -> io::Result<bool> {
        let same_names = match &self.listing {
            Some(listing) => Listing::read(place)? == *listing,
            None => place.symlink_metadata()?.is_file(),
        };
        let same_file = match &self.file {
            // Nothing is to be joined to the name of a file: that would be the name of a directory.
            Some((name, seal)) if name.as_os_str().is_empty() => Seal::read(place)? == *seal,
            Some((name, seal)) => Seal::read(&place.join(name))? == *seal,
            None => true,
        };
        Ok(same_names && same_file)
    }
}
