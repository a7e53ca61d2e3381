//! [`Table`]: the requests of a directory, for one process at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use mutextree::{Kind, TreePath};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{Directory, Entry, State, wall_clock};
use crate::status::{Failure, chain};

/// How long the table may be in use. It takes some microseconds a request; if it takes this long
/// the process that has it does not go on.
const LONGEST: Duration = Duration::from_secs(5);

/// The digits of the last number, always as many, so that one write replaces them.
const DIGITS: usize = 20;

/// The table, locked.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    dir: &'a Directory,
    file: File,
}

/// A request of this process, whose file it has locked.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) entry: Entry,
    file: File,
    path: PathBuf,
}

impl<'a> Table<'a> {
    pub(crate) fn lock(dir: &'a Directory) -> Result<Self, Failure> {
        let path = dir.path().join("table");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| failed("open", &path, error))?;
        let began = Instant::now();
        let mut pause = Duration::from_micros(200);
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { dir, file }),
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) if began.elapsed() < LONGEST => {
                    thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(20));
                }
                Err(Errno::WOULDBLOCK) => {
                    let what = "is in use by a process that does not go on: has one been stopped?";
                    return Err(Failure::unavailable(format!("{} {what}", path.display())));
                }
                Err(error) => return Err(failed("lock", &path, error.into())),
            }
        }
    }

    /// Every request whose process lives, in order. Those of dead ones are removed.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, Failure> {
        let folder = self.dir.path().join("requests");
        let names = fs::read_dir(&folder).map_err(|error| failed("read", &folder, error))?;
        let mut entries = Vec::new();
        for name in names {
            let path = name.map_err(|error| failed("read", &folder, error))?.path();
            match read(&path) {
                Ok(Some(entry)) => entries.push(entry),
                Ok(None) => {
                    let _ = fs::remove_file(&path);
                }
                // It was released meanwhile, which takes no table.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed("read", &path, error)),
            }
        }
        entries.sort_by_key(|entry| entry.number);
        Ok(entries)
    }

    /// What a request has to wait for.
    pub(crate) fn in_the_way(&self, of: &Entry) -> Result<Vec<Entry>, Failure> {
        let mut entries = self.entries()?;
        entries.retain(|entry| entry.is_in_the_way_of(of));
        Ok(entries)
    }

    /// A number above all that were drawn before.
    pub(crate) fn draw(&self) -> Result<u64, Failure> {
        let failed = |error| failed("write", &self.dir.path().join("table"), error);
        let mut text = [0; DIGITS];
        let count = self.file.read_at(&mut text, 0).map_err(failed)?;
        let last = std::str::from_utf8(&text[..count]).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        let number = wall_clock().max(u64::saturating_add(last, 1));
        self.file.write_all_at(format!("{number:0DIGITS$}").as_bytes(), 0).map_err(failed)?;
        Ok(number)
    }

    /// Adds a request that waits.
    pub(crate) fn add(&self, paths: &[TreePath], kind: Kind, owner: &str) -> Result<Request, Failure> {
        let number = self.draw()?;
        let path = self.dir.request(number);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|error| failed("make", &path, error))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| failed("lock", &path, error.into()))?;
        let request = Request { entry: Entry::new(number, paths.to_vec(), kind, owner.into()), file, path };
        request.write()?;
        Ok(request)
    }

    /// Makes a request, which nothing is in the way of, a held one.
    pub(crate) fn grant(&self, request: &mut Request) -> Result<(), Failure> {
        request.entry.state = State::Held { token: self.draw()?, since: wall_clock() };
        request.write()
    }
}

impl Directory {
    fn request(&self, number: u64) -> PathBuf {
        self.path().join("requests").join(number.to_string())
    }

    /// Blocks until the process of this request is gone, or has released it.
    pub(crate) fn wait_for_the_end_of(&self, number: u64) {
        if let Ok(file) = File::open(self.request(number)) {
            while flock(&file, FlockOperation::LockShared) == Err(Errno::INTR) {}
        }
    }
}

impl Request {
    fn write(&self) -> Result<(), Failure> {
        let written = (|| {
            let mut file = &self.file;
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(&serde_json::to_vec(&self.entry)?)
        })();
        written.map_err(|error| failed("write", &self.path, error))
    }

    /// What keeps it held for as long as any process has it open.
    pub(crate) fn file(&self) -> Option<OwnedFd> {
        self.file.try_clone().ok().map(OwnedFd::from)
    }
}

/// Ends the request, also for others who have the file open, and wakes those who wait for it.
impl Drop for Request {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// The request in a file; `None` if its process is gone.
fn read(path: &Path) -> io::Result<Option<Entry>> {
    let mut file = File::open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => return Ok(None),
        Err(Errno::WOULDBLOCK) => {}
        Err(error) => return Err(error.into()),
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    match serde_json::from_str(&text) {
        Ok(entry) => Ok(Some(entry)),
        Err(error) => {
            let what = format!("it is locked, and no request of this version of mutextree: {}", chain(&error));
            Err(io::Error::new(io::ErrorKind::InvalidData, what))
        }
    }
}

fn failed(what: &str, path: &Path, error: io::Error) -> Failure {
    Failure::unavailable(format!("cannot {what} {}: {error}", path.display()))
}
