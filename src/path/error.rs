//! [`PathError`]: what is wrong with a path, and where.

use std::fmt;

use super::{MAX_COMPONENT, MAX_DEPTH};

/// What is wrong with a path, and where. Components are counted from 1 in messages, and from 0 in
/// fields.
///
/// ```
/// use mutextree::{PathError, TreePath};
/// let error = "org//project".parse::<TreePath>().unwrap_err();
/// assert!(matches!(error, PathError::EmptyComponent { index: 1, .. }));
/// assert_eq!(error.to_string(), "component 2 of the path `org//project` is empty");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// There is no text at all. The root is written `/`.
    Empty,
    /// Two separators with nothing between them, or an empty name in a list of components.
    EmptyComponent {
        /// The path as given, shortened if it is long.
        path: String,
        /// Which component.
        index: usize,
    },
    /// A component `.` or `..`. A path names its node from the root down, without steps back.
    Relative {
        /// The path as given, shortened if it is long.
        path: String,
        /// Which component.
        index: usize,
        /// `.` or `..`.
        component: String,
    },
    /// More than 128 components.
    TooDeep {
        /// How many it has.
        depth: usize,
    },
    /// A component of more than 255 bytes.
    ComponentTooLong {
        /// Which component.
        index: usize,
        /// The component's beginning.
        component: String,
        /// How many bytes it has.
        length: usize,
    },
    /// A component of a [`std::path::Path`] that is not UTF-8.
    NotUtf8 {
        /// The path as given, with what is not UTF-8 replaced, shortened if it is long.
        path: String,
        /// Which component.
        index: usize,
    },
    /// A [`std::path::Path`] with a drive or another prefix, which has no place in the tree.
    Prefix {
        /// The path as given, shortened if it is long.
        path: String,
    },
}

/// The first 60 characters of the input: enough to find it, however long it is.
pub(super) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the path is empty (the root is written `/`)"),
            Self::EmptyComponent { path, index } => write!(f, "component {} of the path `{path}` is empty", index + 1),
            Self::Relative { path, index, component } => write!(
                f,
                "component {} of the path `{path}` is `{component}`: a path names its node from the root down",
                index + 1
            ),
            Self::TooDeep { depth } => {
                write!(f, "the path has {depth} components; at most {MAX_DEPTH} are allowed")
            }
            Self::ComponentTooLong { index, component, length } => write!(
                f,
                "component {} of the path, `{component}`, has {length} bytes; at most {MAX_COMPONENT} are allowed",
                index + 1
            ),
            Self::NotUtf8 { path, index } => write!(f, "component {} of the path `{path}` is not UTF-8", index + 1),
            Self::Prefix { path } => {
                write!(f, "the path `{path}` starts with a prefix, which has no place in the tree")
            }
        }
    }
}

impl std::error::Error for PathError {}
