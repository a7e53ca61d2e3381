//! Operations on a directory: list, copy with all that is in it, delete with all that is in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mutextree::TreePath;
use walkdir::WalkDir;

use super::{Growth, Site, parent};
use crate::check::{Check, Stop, Violation, is_dir, is_free};
use crate::locks::Need;
use crate::seal::{Content, Seal, write_new};

/// The most entries that a directory may have, at any depth, to be copied or deleted: operations
/// are to be short.
const MOST_ENTRIES: usize = 60;

/// The names in one directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) files: Vec<String>,
    pub(crate) directories: Vec<String>,
}

impl Listing {
    pub(super) fn read(place: &Path) -> io::Result<Self> {
        let mut listing = Self::default();
        for entry in fs::read_dir(place)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() { &mut listing.directories } else { &mut listing.files }.push(name);
        }
        listing.files.sort_unstable();
        listing.directories.sort_unstable();
        Ok(listing)
    }
}

/// Lists a directory, in which nothing may come, go or become something else.
pub(crate) fn list(site: &Site<'_>, directory: &TreePath) -> Result<Listing, Stop> {
    let _held = site.hold([Need::list(directory)])?;
    let place = site.on_disk(directory);
    let listing = Listing::read(&place).first(directory)?;
    (site.halfway)();
    if Listing::read(&place).again(directory)? != listing {
        return Err(Violation::Changed.at(directory));
    }
    Ok(listing)
}

/// Copies a directory to a name that is free.
pub(crate) fn copy_directory(site: &Site<'_>, from: &TreePath, to: &TreePath) -> Result<Growth, Stop> {
    let into = parent(to)?;
    let _held = site.hold([Need::read(from), Need::names(&into), Need::change(to)])?;
    let (source, target) = (site.on_disk(from), site.on_disk(to));
    is_dir(&source).first(from)?;
    is_dir(&site.on_disk(&into)).first(&into)?;
    is_free(&target).first(to)?;
    let contents = small_contents(&source, from)?;
    (site.halfway)();

    fs::create_dir(&target).again(to)?;
    for entry in &contents {
        if entry.is_dir {
            fs::create_dir(target.join(&entry.name)).again(to)?;
        } else {
            let content = Content::read(&source.join(&entry.name)).again(from)?;
            if content.sound_seal().is_none() {
                return Err(Violation::Torn.at(from));
            }
            let copy = target.join(&entry.name);
            let seal = write_new(&copy, content.body(), site.next_stamp()).again(to)?;
            if Seal::read(&copy).again(to)? != seal {
                return Err(Violation::Changed.at(to));
            }
        }
    }
    for (path, place) in [(from, &source), (to, &target)] {
        if contents_of(place).again(path)?.as_ref() != Some(&contents) {
            return Err(Violation::Changed.at(path));
        }
    }
    Ok(size(&contents, 1))
}

/// Deletes a directory.
pub(crate) fn delete_directory(site: &Site<'_>, directory: &TreePath) -> Result<Growth, Stop> {
    let _held = site.hold([Need::names(&parent(directory)?), Need::change(directory)])?;
    let place = site.on_disk(directory);
    is_dir(&place).first(directory)?;
    let contents = small_contents(&place, directory)?;
    (site.halfway)();
    // One by one, what is deepest first: a stranger's file would keep its directory.
    for entry in contents.iter().rev() {
        let place = place.join(&entry.name);
        if entry.is_dir { fs::remove_dir(place) } else { fs::remove_file(place) }.again(directory)?;
    }
    fs::remove_dir(&place).again(directory)?;
    is_free(&place).again(directory)?;
    Ok(size(&contents, -1))
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    name: PathBuf,
    is_dir: bool,
}

/// All that is in a directory, each before what is in it; `None` if that is too much.
fn contents_of(place: &Path) -> io::Result<Option<Vec<Entry>>> {
    let mut contents = Vec::new();
    for entry in WalkDir::new(place).min_depth(1).sort_by_file_name() {
        let entry = entry?;
        if contents.len() == MOST_ENTRIES {
            return Ok(None);
        }
        let name = entry.path().strip_prefix(place).unwrap_or(entry.path()).to_path_buf();
        contents.push(Entry { name, is_dir: entry.file_type().is_dir() });
    }
    Ok(Some(contents))
}

fn small_contents(place: &Path, path: &TreePath) -> Result<Vec<Entry>, Stop> {
    contents_of(place).again(path)?.ok_or(Stop::Pass)
}

/// A directory's part in the growth of the tree when it comes, or goes.
fn size(contents: &[Entry], sign: i64) -> Growth {
    let directories = 1 + contents.iter().filter(|entry| entry.is_dir).count() as i64;
    let files = contents.len() as i64 + 1 - directories;
    Growth { files: sign * files, directories: sign * directories }
}
