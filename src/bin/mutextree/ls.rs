//! `mutextree ls`: the locks, as a tree for people or as JSON for programs.

use std::io::{self, Write as _};
use std::process::ExitCode;

use mutextree::{ToTreePath as _, TreePath};

use crate::args::Ls;
use crate::place::Place;
use crate::status::Failure;

pub(crate) fn run(ls: &Ls) -> Result<ExitCode, Failure> {
    let prefix: TreePath = ls.prefix.to_tree_path()?;
    let snapshot = Place::open(&ls.keeper, None)?.snapshot()?.below(&prefix);
    let text = if ls.json {
        let json = serde_json::to_string_pretty(&snapshot);
        json.map_err(|error| Failure::system("cannot write the locks as JSON", error))? + "\n"
    } else if snapshot.is_empty() {
        format!("nothing is locked or waited for in `{prefix}`\n")
    } else {
        snapshot.to_string() // which has been made printable
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
