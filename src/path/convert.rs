//! [`ToTreePath`]: from text, lists of names and file paths to a [`TreePath`]. [`PathRef`] is the
//! same path borrowed, so that looking up a path given as text allocates nothing.

use std::borrow::Cow;
use std::path::{self, Path, PathBuf};

use super::error::excerpt;
use super::{MAX_COMPONENT, MAX_DEPTH, PathError, TreePath, components};

/// A valid path, borrowed where it can be: what a [`Backend`](crate::Backend) resolves. A path
/// given as text is looked up without an allocation.
#[derive(Clone, Debug)]
pub struct PathRef<'a>(Repr<'a>);

#[derive(Clone, Debug)]
enum Repr<'a> {
    /// A plain key.
    Plain(&'a str),
    Path(Cow<'a, TreePath>),
}

impl<'a> PathRef<'a> {
    /// The one string that stands for this path and no other: [`TreePath::as_key`].
    #[inline]
    pub fn as_key(&self) -> &str {
        match &self.0 {
            Repr::Plain(key) => key,
            Repr::Path(path) => path.as_key(),
        }
    }

    /// The path itself: allocates if it was borrowed from text.
    pub fn into_owned(self) -> TreePath {
        match self.0 {
            Repr::Plain(key) => TreePath::from_key(key),
            Repr::Path(path) => path.into_owned(),
        }
    }

    /// The path one component up; `None` for the root.
    pub fn parent(&self) -> Option<PathRef<'_>> {
        let key = self.as_key();
        if key.is_empty() {
            return None;
        }
        if !key.starts_with('/') {
            return Some(PathRef(Repr::Plain(key.rsplit_once('/').map_or("", |(parent, _)| parent))));
        }
        let mut above: Vec<&str> = components(key).collect();
        above.pop();
        Some(PathRef(Repr::Path(Cow::Owned(TreePath::from_key(join(&above))))))
    }
}

impl<'a> From<&'a TreePath> for PathRef<'a> {
    fn from(path: &'a TreePath) -> Self {
        Self(Repr::Path(Cow::Borrowed(path)))
    }
}

impl From<TreePath> for PathRef<'_> {
    fn from(path: TreePath) -> Self {
        Self(Repr::Path(Cow::Owned(path)))
    }
}

/// What a path can be made from: text, a list of components, a [`TreePath`], a [`std::path::Path`].
///
/// | from | the path |
/// |---|---|
/// | `&str`, `String` | the components separated by `/`; one leading and one trailing `/` are ignored; `"/"` is the root; `""`, `a//b`, `.` and `..` are errors |
/// | `&[T]`, `[T; N]`, `Vec<T>` of strings | one component for each string, which may hold any character; an empty list is the root |
/// | `&Path`, `PathBuf` | its normal components, absolute or not; `..` and a component that is not UTF-8 are errors |
///
/// ```
/// use mutextree::ToTreePath;
/// use std::path::Path;
/// let text = "etc/nginx".to_tree_path()?;
/// assert_eq!(text, ["etc", "nginx"].to_tree_path()?);
/// assert_eq!(text, Path::new("/etc/./nginx").to_tree_path()?);
/// # Ok::<(), mutextree::PathError>(())
/// ```
pub trait ToTreePath {
    /// The path, borrowed where it can be.
    ///
    /// # Errors
    /// A [`PathError`], which says what is wrong, and where.
    fn to_path_ref(&self) -> Result<PathRef<'_>, PathError>;

    /// Text that is read as this path, or as none; if that is at hand.
    #[doc(hidden)]
    #[inline]
    fn as_text(&self) -> Option<&str> {
        None
    }

    /// The path itself.
    ///
    /// # Errors
    /// As [`to_path_ref`](Self::to_path_ref).
    fn to_tree_path(&self) -> Result<TreePath, PathError> {
        self.to_path_ref().map(PathRef::into_owned)
    }
}

impl<T: ToTreePath + ?Sized> ToTreePath for &T {
    #[inline]
    fn to_path_ref(&self) -> Result<PathRef<'_>, PathError> {
        (**self).to_path_ref()
    }

    #[inline]
    fn as_text(&self) -> Option<&str> {
        (**self).as_text()
    }
}

impl ToTreePath for str {
    #[inline]
    fn to_path_ref(&self) -> Result<PathRef<'_>, PathError> {
        parse(self).map(|key| PathRef(Repr::Plain(key)))
    }

    #[inline]
    fn as_text(&self) -> Option<&str> {
        Some(self)
    }
}

impl ToTreePath for String {
    #[inline]
    fn to_path_ref(&self) -> Result<PathRef<'_>, PathError> {
        self.as_str().to_path_ref()
    }

    #[inline]
    fn as_text(&self) -> Option<&str> {
        Some(self)
    }
}

impl ToTreePath for Cow<'_, str> {
    fn to_path_ref(&self) -> Result<PathRef<'_>, PathError> {
        self.as_ref().to_path_ref()
    }

    #[inline]
    fn as_text(&self) -> Option<&str> {
        Some(self)
    }
}

impl ToTreePath for TreePath {
    fn to_path_ref(&self) -> Result<PathRef<'_>, PathError> {
        Ok(self.into())
    }

    #[inline]
    fn as_text(&self) -> Option<&str> {
        // A special key may be read as another path. A plain one with a component `.` is not read.
        (!self.as_key().starts_with('/')).then_some(self.as_key())
    }
}

impl ToTreePath for PathRef<'_> {
    fn to_path_ref(&self) -> Result<PathRef<'_>, PathError> {
        Ok(self.clone())
    }
}

impl<T: AsRef<str>> ToTreePath for [T] {
    fn to_path_ref(&self) -> Result<PathRef<'_>, PathError> {
        from_components(self).map(PathRef::from)
    }
}

impl<T: AsRef<str>, const N: usize> ToTreePath for [T; N] {
    fn to_path_ref(&self) -> Result<PathRef<'_>, PathError> {
        self.as_slice().to_path_ref()
    }
}

impl<T: AsRef<str>> ToTreePath for Vec<T> {
    fn to_path_ref(&self) -> Result<PathRef<'_>, PathError> {
        self.as_slice().to_path_ref()
    }
}

impl ToTreePath for Path {
    fn to_path_ref(&self) -> Result<PathRef<'_>, PathError> {
        let shown = || excerpt(&self.to_string_lossy());
        let mut names = Vec::new();
        for component in self.components() {
            let index = names.len();
            match component {
                path::Component::RootDir | path::Component::CurDir => {}
                path::Component::Prefix(_) => return Err(PathError::Prefix { path: shown() }),
                path::Component::ParentDir => {
                    return Err(PathError::Relative { path: shown(), index, component: "..".into() });
                }
                path::Component::Normal(name) => {
                    names.push(name.to_str().ok_or_else(|| PathError::NotUtf8 { path: shown(), index })?);
                }
            }
        }
        if names.is_empty() && !self.has_root() {
            return Err(PathError::Empty);
        }
        from_components(&names).map(PathRef::from)
    }
}

impl ToTreePath for PathBuf {
    fn to_path_ref(&self) -> Result<PathRef<'_>, PathError> {
        self.as_path().to_path_ref()
    }
}

/// The key of a path written as text: a piece of that text, checked in one pass.
#[inline]
fn parse(text: &str) -> Result<&str, PathError> {
    let key = match text {
        "" => return Err(PathError::Empty),
        "/" => return Ok(""),
        _ => {
            let key = text.strip_prefix('/').unwrap_or(text);
            key.strip_suffix('/').unwrap_or(key)
        }
    };
    if !is_ordinary(key) {
        check_components(text, key)?;
    }
    Ok(key)
}

/// Whether this is the key of the path that is written like this: certainly so if it is short, and
/// no component is empty or begins with a `.`. Nearly every path is like that.
#[inline]
pub(crate) fn is_ordinary(key: &str) -> bool {
    // There is no branch in the loop, so that the compiler takes many bytes at a time.
    let key = key.as_bytes();
    // One comparison finds both: `.` and `/` differ in the last bit alone, which `/` has.
    let (Some(first), Some(last)) = (key.first(), key.last()) else { return false };
    let doubtful = |before: &u8, after: &u8| (*before == b'/') & (*after | 1 == b'/');
    let pairs = key.iter().zip(&key[1..]);
    // Within such a length there can be neither too long a component nor too many of them.
    key.len() <= MAX_COMPONENT.min(2 * MAX_DEPTH)
        && *last != b'/'
        && !pairs.fold(doubtful(&b'/', first), |any, (before, after)| any | doubtful(before, after))
}

#[cold]
fn check_components(text: &str, key: &str) -> Result<(), PathError> {
    let (mut start, mut depth) = (0, 1);
    for (at, byte) in key.bytes().enumerate() {
        if byte == b'/' {
            check_parsed(text, key, start, at, depth)?;
            start = at + 1;
            depth += 1;
        }
    }
    check_parsed(text, key, start, key.len(), depth)
}

/// Checks the component `key[start..end]`, the `depth`-th of `text`.
fn check_parsed(text: &str, key: &str, start: usize, end: usize, depth: usize) -> Result<(), PathError> {
    let component = &key.as_bytes()[start..end];
    let sound = match component.len() {
        0 => false,
        1 | 2 => component != b"." && component != b"..",
        length => length <= MAX_COMPONENT,
    };
    if sound && depth <= MAX_DEPTH { Ok(()) } else { Err(explain(text, key, &key[start..end], depth - 1)) }
}

#[cold]
fn explain(text: &str, key: &str, component: &str, index: usize) -> PathError {
    if index >= MAX_DEPTH {
        return PathError::TooDeep { depth: key.split('/').count() };
    }
    match component {
        "" => PathError::EmptyComponent { path: excerpt(text), index },
        "." | ".." => PathError::Relative { path: excerpt(text), index, component: component.to_owned() },
        _ => PathError::ComponentTooLong { index, component: excerpt(component), length: component.len() },
    }
}

/// The path of a list of names.
pub(super) fn from_components<T: AsRef<str>>(names: &[T]) -> Result<TreePath, PathError> {
    if names.len() > MAX_DEPTH {
        return Err(PathError::TooDeep { depth: names.len() });
    }
    for (index, name) in names.iter().map(AsRef::as_ref).enumerate() {
        if name.is_empty() {
            let shown: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
            return Err(PathError::EmptyComponent { path: excerpt(&shown.join("/")), index });
        }
        if name.len() > MAX_COMPONENT {
            return Err(PathError::ComponentTooLong { index, component: excerpt(name), length: name.len() });
        }
    }
    Ok(TreePath::from_key(join(names)))
}

/// The key of a list of names that have been checked.
fn join<T: AsRef<str>>(names: &[T]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    let text = names.join("/");
    if !names.iter().any(|name| name.contains('/')) {
        return text;
    }
    let lengths: Vec<String> = names.iter().map(|name| name.len().to_string()).collect();
    format!("/{}/{text}", lengths.join(","))
}
