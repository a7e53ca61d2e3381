//! Every file in the workspace ends in a *seal*: a line with the checksum of all that stands before
//! it, and a number that no two writes share. So a reader can tell that a file is whole, and that
//! it is still the same one.
//!
//! A writer first puts an *open* seal in its place, and the closed one when it is done.

use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// How many bytes a seal has, whatever it says.
pub(crate) const LENGTH: usize = 29;

/// The last line of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seal([u8; LENGTH]);

impl Seal {
    /// The seal of a file that is whole.
    pub(crate) fn closed(body: &[u8], stamp: u32) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(body);
        Self::from_text(&format!("\n# {:016x} {stamp:08x}\n", hasher.finish()))
    }

    /// The seal of a file that somebody is writing.
    pub(crate) fn open(stamp: u32) -> Self {
        Self::from_text(&format!("\n# being written by {stamp:08x}\n"))
    }

    fn from_text(text: &str) -> Self {
        Self(text.as_bytes().try_into().expect("both forms of a seal have its length"))
    }

    fn stamp(&self) -> Option<u32> {
        let text = str::from_utf8(&self.0).ok()?;
        u32::from_str_radix(text.trim_end().rsplit(' ').next()?, 16).ok()
    }

    /// The seal as it is on disk now.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-(LENGTH as i64)))?;
        let mut seal = [0; LENGTH];
        file.read_exact(&mut seal)?;
        Ok(Self(seal))
    }
}

/// A whole file as it was read.
pub(crate) struct Content(Vec<u8>);

impl Content {
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        std::fs::read(path).map(Self)
    }

    /// What stands before the seal.
    pub(crate) fn body(&self) -> &[u8] {
        &self.0[..self.0.len().saturating_sub(LENGTH)]
    }

    /// The seal, if it is closed and fits what stands before it: if the file is whole.
    pub(crate) fn sound_seal(&self) -> Option<Seal> {
        let body = self.body();
        let seal = Seal(self.0[body.len()..].try_into().ok()?);
        (Seal::closed(body, seal.stamp()?) == seal).then_some(seal)
    }
}

/// A file being written: it has an open seal until it is closed.
pub(crate) struct Writing {
    file: File,
    body_length: u64,
    stamp: u32,
}

impl Writing {
    /// A file that must not exist yet.
    pub(crate) fn create(path: &Path, body: &[u8], stamp: u32) -> io::Result<Self> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(body)?;
        let mut writing = Self { file, body_length: body.len() as u64, stamp };
        writing.put_seal(Seal::open(stamp))?;
        Ok(writing)
    }

    /// A file that exists and keeps its length.
    pub(crate) fn edit(path: &Path, body_length: usize, stamp: u32) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(path)?;
        let mut writing = Self { file, body_length: body_length as u64, stamp };
        writing.put_seal(Seal::open(stamp))?;
        Ok(writing)
    }

    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(at as u64))?;
        self.file.write_all(bytes)
    }

    pub(crate) fn close(mut self, body: &[u8]) -> io::Result<Seal> {
        let seal = Seal::closed(body, self.stamp);
        self.put_seal(seal)?;
        Ok(seal)
    }

    fn put_seal(&mut self, seal: Seal) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.body_length))?;
        self.file.write_all(&seal.0)
    }
}

/// A new file, sealed at once: where nobody looks on, as in the first copy.
pub(crate) fn write_new(path: &Path, body: &[u8], stamp: u32) -> io::Result<Seal> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let seal = Seal::closed(body, stamp);
    file.write_all(body)?;
    file.write_all(&seal.0)?;
    Ok(seal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_sound_unless_it_is_torn() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for body in [&b""[..], b"a", b"some\nlines\n", &[0xff; 5000]] {
            let _ = std::fs::remove_file(&path);
            let seal = write_new(&path, body, 7).unwrap();
            let content = Content::read(&path).unwrap();
            assert_eq!((content.body(), content.sound_seal()), (body, Some(seal)));
            assert_eq!(Seal::read(&path).unwrap(), seal);
            assert_ne!(seal, Seal::closed(body, 8), "two writes of the same text can be told apart");
        }
        let whole = std::fs::read(&path).unwrap();
        let mut changed = whole.clone();
        changed[100] ^= 1;
        for torn in [&whole[..whole.len() - 1], &whole[1..], &changed[..], b"", b"short"] {
            std::fs::write(&path, torn).unwrap();
            assert_eq!(Content::read(&path).unwrap().sound_seal(), None, "{} bytes", torn.len());
        }
    }

    #[test]
    fn a_file_being_written_is_not_sound_until_it_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let writing = Writing::create(&path, b"first", 1).unwrap();
        assert_eq!(Content::read(&path).unwrap().sound_seal(), None);
        writing.close(b"first").unwrap();

        let mut writing = Writing::edit(&path, 5, 2).unwrap();
        assert_eq!(Seal::read(&path).unwrap(), Seal::open(2));
        writing.put(1, b"i").unwrap();
        let seal = writing.close(b"first").unwrap();
        assert_eq!(Content::read(&path).unwrap().sound_seal(), Some(seal));
    }
}
