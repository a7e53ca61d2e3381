//! Measures every figure that the crate promises, against other locks in the same run, and prints a
//! verdict a row.
//!
//! `cargo run --release -p mutextree-benches`; `--help` lists the options.
//!
//! * `rows.rs`, `rows/`: the figures, a family a file
//! * `report.rs`: the table

mod report;
mod rows;

use std::process::ExitCode;

use mutextree_benches::measure;

use crate::measure::Effort;
use crate::report::Verdict;

const HELP: &str = "\
Measures mutextree against its peers and says of each figure whether it is there.

Usage: cargo run --release -p mutextree-benches -- [OPTIONS]

  --quick        a rough answer in less than a minute
  --check        exit status 1 if a row is not there (being too busy to tell is no failure)
  --json         print JSON
  --only TEXT    only the families whose name contains TEXT: ";

struct Options {
    effort: Effort,
    check: bool,
    json: bool,
    only: String,
}

impl Options {
    /// `None` if it was help that was asked for.
    fn parse(mut args: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::*;

        let mut options = Self { effort: Effort::FULL, check: false, json: false, only: String::new() };
        while let Some(arg) = args.next()? {
            match arg {
                Long("quick") => options.effort = Effort::QUICK,
                Long("check") => options.check = true,
                Long("json") => options.json = true,
                Long("only") => options.only = args.value()?.string()?,
                Short('h') | Long("help") => return Ok(None),
                _ => return Err(arg.unexpected()),
            }
        }
        if !rows::families().any(|name| name.contains(&options.only)) {
            return Err(format!("no family's name contains {:?}", options.only).into());
        }
        Ok(Some(options))
    }
}

fn main() -> ExitCode {
    let options = match Options::parse(lexopt::Parser::from_env()) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}{}", rows::families().collect::<Vec<_>>().join(", "));
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error}. Try --help.");
            return ExitCode::from(2);
        }
    };
    let report = rows::measure(&options.effort, &options.only);
    if options.json {
        println!("{}", serde_json::to_string_pretty(&report).expect("it is plain data"));
    } else {
        print!("{report}");
    }
    let failed = options.check && report.rows.iter().any(|row| row.is(Verdict::NotThere));
    ExitCode::from(u8::from(failed))
}
