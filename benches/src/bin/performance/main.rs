//! Measures mutextree and other locks in the same run, and writes a page with plots.
//!
//! `cargo run --release -p mutextree-benches --features redis --bin performance`; `--help` lists
//! the options.
//!
//! * `sections.rs`, `sections/`: what is measured, a plot a file
//! * `series.rs`: the figures behind a plot
//! * `plot.rs`, `labels.rs`: the plot, as SVG
//! * `page.rs`: the page, as Markdown

mod labels;
mod page;
mod plot;
mod sections;
mod series;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use mutextree_benches::measure::Effort;
use mutextree_benches::redis::Server;

const HELP: &str = "\
Measures mutextree and its peers, and writes performance.md with plots in performance/. Needs a `redis-server`,
which it starts itself (Debian's package redis-server).

Usage: cargo run --release -p mutextree-benches --features redis --bin performance [-- OPTIONS]

  --quick        rougher figures in less than a minute
  --only WORD    only the plots that have this word in their name: they are written, and their part of the page goes
                 to the terminal, to be put into the page by hand
  --out DIR      where to write; the repository's docs if not given";

/// Nothing is judged by these figures, so they may be a little rougher than the table's.
const FULL: Effort = Effort { rounds: 25, ..Effort::FULL };

struct Options {
    effort: Effort,
    only: Option<String>,
    out: PathBuf,
}

impl Options {
    /// `None` if it was help that was asked for.
    fn parse(mut args: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        use lexopt::prelude::*;

        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("docs");
        let mut options = Self { effort: FULL, only: None, out: docs };
        while let Some(arg) = args.next()? {
            match arg {
                Long("quick") => options.effort = Effort::QUICK,
                Long("only") => options.only = Some(args.value()?.string()?),
                Long("out") => options.out = args.value()?.into(),
                Short('h') | Long("help") => return Ok(None),
                _ => return Err(arg.unexpected()),
            }
        }
        Ok(Some(options))
    }
}

fn main() -> ExitCode {
    match mutextree_benches::kept::other_process() {
        Some(Ok(())) => return ExitCode::SUCCESS,
        Some(Err(error)) => {
            eprintln!("error: the other process: {error}");
            return ExitCode::FAILURE;
        }
        None => {}
    }
    let options = match Options::parse(lexopt::Parser::from_env()) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("error: {error}. Try --help.");
            return ExitCode::from(2);
        }
    };
    // Before the measuring, so that what is missing does not cost minutes.
    if let Err(error) = Server::start() {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    if let Err(error) = run(&options) {
        eprintln!("error: cannot write to {}: {error}", options.out.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn run(options: &Options) -> io::Result<()> {
    // First, for the same reason.
    fs::create_dir_all(options.out.join(series::PLOTS))?;
    let sections = sections::measure(&options.effort, options.only.as_deref());
    for section in &sections {
        fs::write(options.out.join(section.plot.path()), section.plot.svg())?;
    }
    if options.only.is_some() {
        println!("{}", page::parts(&sections));
        return Ok(());
    }
    let page = options.out.join("performance.md");
    let kept = fs::read_to_string(&page).ok().and_then(|old| page::kept(&old).map(str::to_owned));
    fs::write(&page, page::markdown(&sections, &options.effort) + &kept.unwrap_or_default())?;
    println!("wrote {} and {} plots", page.display(), sections.len());
    Ok(())
}
