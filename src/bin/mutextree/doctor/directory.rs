//! A look at a directory that is to keep locks.

use std::path::Path;
use std::time::Instant;

use super::Finding;
use crate::dir::{Directory, Table};
use crate::status::Failure;
use crate::text::span;

/// File systems whose locks are kept by another machine, by the number that the kernel gives them.
#[cfg(target_os = "linux")]
const FAR: [(u64, &str); 6] = [
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x517b, "SMB"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "Ceph"),
];

pub(super) fn look(path: &Path, tell: &mut dyn FnMut(Finding) -> Result<(), Failure>) -> Result<(), Failure> {
    let dir = match Directory::open(path) {
        Ok(dir) => dir,
        Err(failure) => return tell(bad("directory", failure)),
    };
    tell(Finding::good("directory", format!("{}", path.display())))?;
    tell(file_system(path))?;
    let began = Instant::now();
    let looked = Table::lock(&dir).and_then(|table| {
        table.draw()?;
        table.entries()
    });
    match looked {
        Ok(entries) => {
            tell(Finding::good("permissions", "files can be made, locked and removed"))?;
            tell(Finding::good("requests", format!("{}, read in {}", entries.len(), span(began.elapsed()))))
        }
        Err(failure) => tell(bad("permissions", failure)),
    }
}

fn bad(what: &'static str, failure: Failure) -> Finding {
    let found = match failure {
        Failure::Status(_, message) => message,
        other => format!("{other:?}"),
    };
    let advice = "use a directory that all who lock may write in: mkdir, chgrp, chmod g+rws";
    Finding::bad(what, found, advice)
}

#[cfg(target_os = "linux")]
fn file_system(path: &Path) -> Finding {
    const WHAT: &str = "file system";
    let Ok(status) = rustix::fs::statfs(path) else {
        return Finding::doubtful(WHAT, "not known", "make sure that it is a local one");
    };
    #[expect(clippy::cast_sign_loss, reason = "it is a bit pattern")]
    let number = status.f_type as u64 & 0xffff_ffff;
    match FAR.iter().find(|(far, _)| *far == number) {
        Some((_, name)) => Finding::doubtful(
            WHAT,
            *name,
            "use a local directory (/run, /tmp, /var/lock): over a network the kernel may free a lock late, or not at all",
        ),
        None => Finding::good(WHAT, "a local one"),
    }
}

#[cfg(not(target_os = "linux"))]
fn file_system(_: &Path) -> Finding {
    Finding::doubtful("file system", "not known on this system", "make sure that it is a local one")
}
