//! The models, and what their doc comments say makes them fail: that has to be what the list says.

use std::fs;
use std::path::Path;

use crate::list;

/// A loom model.
pub(crate) struct Model {
    pub(crate) name: String,
    /// The file it is in, without the ending.
    pub(crate) module: String,
    /// Its doc comment, on one line.
    says: String,
}

impl Model {
    /// Its name as a test.
    pub(crate) fn test(&self) -> String {
        format!("memory::models::{}::{}", self.module, self.name)
    }
}

/// All models in `src/memory/models/`.
pub(crate) fn models(root: &Path) -> Result<Vec<Model>, String> {
    let folder = root.join("src/memory/models");
    let mut models = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let module = path.file_stem().unwrap_or_default().to_string_lossy();
        models.extend(models_in(&text, &module));
    }
    models.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(models)
}

fn models_in(text: &str, module: &str) -> Vec<Model> {
    let (mut models, mut says, mut is_test) = (Vec::new(), Vec::new(), false);
    for line in text.lines() {
        if let Some(said) = line.strip_prefix("///") {
            says.push(said.trim());
        } else if line == "#[test]" {
            is_test = true;
        } else {
            if let Some((name, _)) = line.strip_prefix("fn ").and_then(|rest| rest.split_once('('))
                && is_test
            {
                models.push(Model { name: name.to_owned(), module: module.to_owned(), says: says.join(" ") });
            }
            says.clear();
            is_test = false;
        }
    }
    models
}

/// Models that no mutation fails, or that do not say which; and mutations that the model named
/// first does not mention.
pub(crate) fn complaints(models: &[Model]) -> Vec<String> {
    let mut complaints = Vec::new();
    for model in models {
        let mut failing = list::all().filter(|mutation| mutation.fails.contains(&&*model.name)).peekable();
        if failing.peek().is_none() {
            complaints.push(format!("no mutation fails the model {}", model.name));
        } else if !failing.any(|mutation| model.says.contains(mutation.what)) {
            complaints.push(format!("{} does not say what makes it fail", model.name));
        }
    }
    for mutation in list::all() {
        let Some(first) = mutation.fails.first() else {
            complaints.push(format!("{}: names no model", mutation.what));
            continue;
        };
        match models.iter().find(|model| model.name == *first) {
            Some(model) if model.says.contains(mutation.what) => {}
            Some(_) => complaints.push(format!("{first} does not say that it fails if {}", mutation.what)),
            None => complaints.push(format!("{}: there is no model {first}", mutation.what)),
        }
    }
    complaints
}
