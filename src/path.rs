//! [`TreePath`]: the name of a node, its text form and its rules.
//!
//! * `convert.rs` [`ToTreePath`]: from text, lists of names and file paths to a path
//! * `error.rs` [`PathError`]: what is wrong with a path, and where
//!
//! # One string
//! A path is kept as one string, its *key*, which is also what the stores' indexes are keyed by. No
//! two component lists have the same key:
//!
//! * **plain**, no component holds a `/`: the components joined by `/`. It starts with no `/`,
//!   because no component is empty. The root is `""`.
//! * **special**: `/`, the components' lengths in bytes joined by `,`, another `/`, and the
//!   components joined by `/`. So `["a/b", "c"]` is `/3,1/a/b/c`. It starts with a `/`, and the
//!   lengths tell where to cut.

use std::cmp::Ordering;
use std::fmt;
use std::iter::FusedIterator;
use std::str::FromStr;

use crate::sync::PlainArc;

mod convert;
mod error;

pub(crate) use convert::is_ordinary;
pub use convert::{PathRef, ToTreePath};
pub use error::PathError;

/// The most components a path may have.
pub(crate) const MAX_DEPTH: usize = 128;
/// The most bytes a component may have.
pub(crate) const MAX_COMPONENT: usize = 255;

/// The name of one node of a tree: a list of components, `org`, `team`, `project`. Cheap to clone.
///
/// Parsed from text, components are separated by `/`; one leading and one trailing `/` are ignored,
/// and `"/"` is the root. Built from components (an array, a slice, a `Vec`), a component may hold
/// any character, `/` included. At most 128 components of at most 255 bytes each.
///
/// Paths are ordered as a tree is walked: a node comes before what is below it, and everything
/// below it before its next sibling.
///
/// ```
/// use mutextree::{ToTreePath, TreePath};
/// let path: TreePath = "/org/team/".parse()?;
/// assert_eq!(path.to_string(), "org/team");
/// assert_eq!(path.parent(), Some("org".parse()?));
/// assert_eq!(path.join("project/file")?.components().count(), 4);
/// assert_ne!(["a/b"].to_tree_path()?, ["a", "b"].to_tree_path()?);
/// # Ok::<(), mutextree::PathError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TreePath {
    key: PlainArc<str>,
}

impl TreePath {
    /// The root, which contains every node. As text it is `/`.
    pub fn root() -> Self {
        Self::from_key("")
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.key.is_empty()
    }

    /// The path one component up; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        PathRef::from(self).parent().map(PathRef::into_owned)
    }

    /// This path with more components behind it: those of another path, or a list of names.
    ///
    /// # Errors
    /// If `rest` is no path, or the result has more than 128 components.
    ///
    /// ```
    /// # use mutextree::TreePath;
    /// let org: TreePath = "org".parse()?;
    /// assert_eq!(org.join("team/project")?.to_string(), "org/team/project");
    /// assert_eq!(org.join(["a/b"])?.depth(), 2); // one name with a `/` in it
    /// assert_eq!(org.join(TreePath::root())?, org);
    /// # Ok::<(), mutextree::PathError>(())
    /// ```
    pub fn join(&self, rest: impl ToTreePath) -> Result<Self, PathError> {
        let rest = rest.to_tree_path()?;
        let all: Vec<&str> = self.components().chain(rest.components()).collect();
        convert::from_components(&all)
    }

    /// The components, from the top down. None for the root.
    ///
    /// ```
    /// # use mutextree::TreePath;
    /// let path: TreePath = "org/team/project".parse()?;
    /// assert_eq!(path.components().collect::<Vec<_>>(), ["org", "team", "project"]);
    /// assert_eq!(path.components().next_back(), Some("project"));
    /// # Ok::<(), mutextree::PathError>(())
    /// ```
    pub fn components(&self) -> Components<'_> {
        components(&self.key)
    }

    /// How many components it has: 0 for the root.
    pub fn depth(&self) -> usize {
        self.components().count()
    }

    /// Whether `ancestor` is this path or above it, by whole components: `xa` does not start with
    /// `x`.
    ///
    /// ```
    /// # use mutextree::TreePath;
    /// let file: TreePath = "x/y".parse()?;
    /// assert!(file.starts_with(&"x".parse()?) && file.starts_with(&file));
    /// assert!(file.starts_with(&TreePath::root()));
    /// assert!(!"xa/y".parse::<TreePath>()?.starts_with(&"x".parse()?));
    /// # Ok::<(), mutextree::PathError>(())
    /// ```
    pub fn starts_with(&self, ancestor: &Self) -> bool {
        let mut mine = self.components();
        ancestor.components().all(|theirs| mine.next() == Some(theirs))
    }

    /// The one string that stands for this path and no other, for a store's own index. For people,
    /// [`Display`](fmt::Display) is the better form.
    pub fn as_key(&self) -> &str {
        &self.key
    }

    fn from_key(key: impl Into<PlainArc<str>>) -> Self {
        Self { key: key.into() }
    }
}

/// The components of a [`TreePath`]: see [`TreePath::components`].
#[derive(Clone, Debug)]
pub struct Components<'a> {
    /// What is left, joined by `/`.
    text: &'a str,
    /// The lengths of what is left, joined by `,`; `None` if every `/` in `text` separates.
    lengths: Option<&'a str>,
    done: bool,
}

fn components(key: &str) -> Components<'_> {
    let (lengths, text) = match key.strip_prefix('/').and_then(|special| special.split_once('/')) {
        Some((lengths, text)) => (Some(lengths), text),
        None => (None, key),
    };
    Components { text, lengths, done: key.is_empty() }
}

impl<'a> Iterator for Components<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.done {
            return None;
        }
        let cut = match &mut self.lengths {
            None => self.text.find('/'),
            Some(lengths) => {
                let (length, rest) = lengths.split_once(',').unwrap_or((lengths, ""));
                *lengths = rest;
                length.parse().ok().filter(|_| !rest.is_empty())
            }
        };
        let Some(cut) = cut else {
            self.done = true;
            return Some(self.text);
        };
        let component = &self.text[..cut];
        self.text = &self.text[cut + 1..];
        Some(component)
    }
}

impl DoubleEndedIterator for Components<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let cut = match &mut self.lengths {
            None => self.text.rfind('/'),
            Some(lengths) => match lengths.rsplit_once(',') {
                Some((rest, length)) => {
                    *lengths = rest;
                    length.parse().ok().map(|length: usize| self.text.len() - length - 1)
                }
                None => None,
            },
        };
        let Some(cut) = cut else {
            self.done = true;
            return Some(self.text);
        };
        let component = &self.text[cut + 1..];
        self.text = &self.text[..cut];
        Some(component)
    }
}

impl FusedIterator for Components<'_> {}

impl FromStr for TreePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        text.to_tree_path()
    }
}

impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.components().cmp(other.components())
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The components separated by `/`, and `/` for the root. A component that holds a `/` stands in
/// quotes, so that it is not taken for two.
impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str("/");
        }
        for (at, component) in self.components().enumerate() {
            if at > 0 {
                f.write_str("/")?;
            }
            if component.contains('/') {
                write!(f, "{component:?}")?;
            } else {
                f.write_str(component)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TreePath({self})")
    }
}

#[cfg(test)]
mod tests;
