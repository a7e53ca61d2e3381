//! Operations on one file: read, edit, create, delete.

use mutextree::TreePath;

use super::{Growth, Site, parent};
use crate::check::{Check, Stop, Violation, is_dir, is_free};
use crate::locks::Need;
use crate::seal::{Content, Seal, Writing};

/// Reads a file, which must be whole, and stay as it is.
pub(crate) fn read(site: &Site<'_>, file: &TreePath) -> Result<Growth, Stop> {
    let _held = site.hold([Need::read(file)])?;
    let place = site.on_disk(file);
    let content = Content::read(&place).first(file)?;
    let seal = content.sound_seal().ok_or_else(|| Violation::Torn.at(file))?;
    (site.halfway)();
    expect_seal(site, file, seal)?;
    Ok(Growth::default())
}

/// Overwrites a part of a file in place with `text`.
pub(crate) fn edit(site: &Site<'_>, file: &TreePath, text: &[u8], at: usize) -> Result<Growth, Stop> {
    let _held = site.hold([Need::change(file)])?;
    let place = site.on_disk(file);
    let content = Content::read(&place).first(file)?;
    let was_sound = content.sound_seal().is_some();
    let mut body = content.body().to_vec();
    let start = at % (body.len() + 1);
    let end = body.len().min(start + text.len());
    body[start..end].copy_from_slice(&text[..end - start]);

    let stamp = site.next_stamp();
    let mut writing = Writing::edit(&place, body.len(), stamp).again(file)?;
    (site.halfway)();
    writing.put(start, &body[start..end]).again(file)?;
    // By its name: the open file would be there even if it were deleted.
    expect_seal(site, file, Seal::open(stamp))?;
    let seal = writing.close(&body).again(file)?;
    expect_seal(site, file, seal)?;
    // The file is whole again now.
    if was_sound { Ok(Growth::default()) } else { Err(Violation::Torn.at(file)) }
}

/// Creates a file under a name that is free.
pub(crate) fn create(site: &Site<'_>, file: &TreePath, body: &[u8]) -> Result<Growth, Stop> {
    let directory = parent(file)?;
    let _held = site.hold([Need::names(&directory), Need::change(file)])?;
    let place = site.on_disk(file);
    is_dir(&site.on_disk(&directory)).first(&directory)?;
    is_free(&place).first(file)?;
    (site.halfway)();
    let stamp = site.next_stamp();
    let writing = Writing::create(&place, body, stamp).again(file)?;
    expect_seal(site, file, Seal::open(stamp))?;
    let seal = writing.close(body).again(file)?;
    expect_seal(site, file, seal)?;
    Ok(Growth { files: 1, directories: 0 })
}

/// Deletes a file.
pub(crate) fn delete(site: &Site<'_>, file: &TreePath) -> Result<Growth, Stop> {
    let _held = site.hold([Need::names(&parent(file)?), Need::change(file)])?;
    let place = site.on_disk(file);
    let seal = Seal::read(&place).first(file)?;
    (site.halfway)();
    expect_seal(site, file, seal)?;
    std::fs::remove_file(&place).again(file)?;
    is_free(&place).again(file)?;
    Ok(Growth { files: -1, directories: 0 })
}

/// Checks that the file bears the seal that it had, or was given.
pub(super) fn expect_seal(site: &Site<'_>, file: &TreePath, seal: Seal) -> Result<(), Stop> {
    let now = Seal::read(&site.on_disk(file)).again(file)?;
    if now == seal { Ok(()) } else { Err(Violation::Changed.at(file)) }
}
