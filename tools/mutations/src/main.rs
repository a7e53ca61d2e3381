//! Breaks the code on purpose, one rule at a time, and sees tests fail: the loom models of the
//! store in memory; after the word `redis`, the tests of the store over Redis ([`redis`]); after
//! the word `sim`, the simulator ([`simulated`]).
//!
//! A model that passes proves nothing unless it would fail on wrong code. Each [`Mutation`] in
//! `list/` leaves one rule out, and names the models that have to fail then. `scripts/mutations`
//! runs this program and lists its arguments.
//!
//! The exit code is 1 if something is not as it should be: a model or test passes on a mutation
//! that names it, or is not there; the text to replace is not there exactly once; the mutated code
//! does not compile; no mutation names some model; the doc comment of the model named first does
//! not say what makes it fail. It is 2 if the arguments are wrong.

use std::path::PathBuf;
use std::process::ExitCode;

use comfy_table::Table;

use crate::bench::Bench;
use crate::docs::Model;
use crate::list::Mutation;
use crate::program::Outcome;

mod bench;
mod copy;
mod docs;
mod list;
mod program;
mod redis;
mod simulated;

/// What has to notice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Models,
    Tests,
    Simulator,
}

struct Options {
    by: By,
    words: Vec<String>,
    all_models: bool,
    check: bool,
    bound: Option<usize>,
}

fn options() -> Result<Options, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options { by: By::Models, words: Vec::new(), all_models: false, check: false, bound: None };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("all-models") => options.all_models = true,
            Long("check") => options.check = true,
            Long("bound") => options.bound = Some(parser.value()?.parse()?),
            Value(word) if options.is_first() && word == "redis" => options.by = By::Tests,
            Value(word) if options.is_first() && word == "sim" => options.by = By::Simulator,
            Value(word) => options.words.push(word.string()?),
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(options)
}

impl Options {
    /// Whether no word came yet.
    fn is_first(&self) -> bool {
        self.by == By::Models && self.words.is_empty()
    }

    fn want(&self, mutation: &Mutation, models: &[Model]) -> bool {
        let fails = |model: &&Model| mutation.fails.contains(&&*model.name);
        let names = |word: &String| {
            mutation.what.contains(&**word)
                || models.iter().filter(fails).any(|model| model.name.contains(&**word) || model.module == *word)
        };
        self.words.is_empty() || self.words.iter().any(names)
    }
}

fn main() -> ExitCode {
    match options().map_err(|error| error.to_string()).and_then(|options| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mutations: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether all is as it should be.
fn run(options: &Options) -> Result<bool, String> {
    let root =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().map_err(|error| error.to_string())?;
    if options.by != By::Models {
        if options.all_models || options.bound.is_some() {
            return Err("the store over Redis has no models".into());
        }
        return match (options.by, options.check) {
            (By::Simulator, true) => Ok(simulated::check()),
            (By::Simulator, false) => simulated::run(&root, &options.words),
            (_, true) => redis::check(&root, &options.words),
            (_, false) => redis::run(&root, &options.words),
        };
    }
    let models = docs::models(&root)?;
    let mut complaints = docs::complaints(&models);
    let bench = Bench::new(&root, options.bound)?;
    let mut table = header("model");
    let mutations: Vec<_> = list::all().filter(|mutation| options.want(mutation, &models)).collect();
    if mutations.is_empty() {
        return Err(format!("no mutation, model or file of models is named by: {}", options.words.join(" ")));
    }
    if options.check {
        for mutation in &mutations {
            complaints.extend(bench.apply(mutation).err().map(|why| format!("{}: {why}", mutation.what)));
        }
        println!("{} mutations of {} models, not run", mutations.len(), models.len());
        let fits = report(&complaints);
        return Ok(if options.words.is_empty() {
            redis::check(&root, &[])? && simulated::check() && fits
        } else {
            fits
        });
    }
    let mut failed = 0;
    for (at, mutation) in mutations.iter().enumerate() {
        eprintln!("{}/{} {}", at + 1, mutations.len(), mutation.what);
        let mutant = match bench.build(mutation) {
            Ok(mutant) => mutant,
            Err(complaint) => {
                complaints.push(format!("{}: {complaint}", mutation.what));
                continue;
            }
        };
        for model in &models {
            let name = &*model.name;
            let expected = mutation.fails.contains(&name);
            if !expected && !options.all_models {
                continue;
            }
            let outcome = bench.run(&mutant, model)?;
            match outcome {
                Outcome::Failed(_) if expected => failed += 1,
                Outcome::Failed(_) => {}
                Outcome::Passed if !expected => continue,
                _ => complaints.push(format!("{}: {name} should fail, but {outcome}", mutation.what)),
            }
            eprintln!("    {name} {outcome}");
            table.add_row([mutation.what, name, &outcome.to_string()]);
        }
    }
    println!("{table}");
    println!("{} mutations, {failed} models failed on them as they should", mutations.len());
    Ok(report(&complaints))
}

/// A table of what came of each.
fn header(test: &str) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN).set_header(["left out or broken", test, "outcome"]);
    table
}

/// Prints what is wrong; whether nothing is.
fn report(complaints: &[String]) -> bool {
    for complaint in complaints {
        println!("WRONG: {complaint}");
    }
    complaints.is_empty()
}
