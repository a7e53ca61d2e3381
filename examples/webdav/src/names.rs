//! A WebDAV path as the path of a lock, and back.

use dav_server::davpath::DavPath;
use mutextree::{PathError, ToTreePath, TreePath};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// The node that stands for a resource. A name that is not UTF-8 shares its node with those that
/// differ from it only in what cannot be read: that locks too much at worst, and never too little.
pub(crate) fn tree_path(path: &DavPath) -> Result<TreePath, PathError> {
    let names = path.as_bytes().split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    names.map(String::from_utf8_lossy).collect::<Vec<_>>().to_tree_path()
}

/// The resource that a node stands for; a collection's path ends with a slash.
pub(crate) fn dav_path(path: &TreePath, is_collection: bool) -> DavPath {
    let mut url = String::from("/");
    for name in path.components() {
        url.extend(utf8_percent_encode(name, NON_ALPHANUMERIC));
        url.push('/');
    }
    if !is_collection && url.len() > 1 {
        url.pop();
    }
    // A lock that somebody took on a name that is no file's, such as `..`, is shown at the root.
    DavPath::new(&url).or_else(|_| DavPath::new("/")).expect("`/` is a path")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_went() {
        for url in ["/", "/a/b", "/a%20b/%C3%A9%25", "/a/.b/c%5Bd%5D"] {
            let path = DavPath::new(url).unwrap();
            let there = tree_path(&path).unwrap();
            assert_eq!(dav_path(&there, false).as_bytes(), path.as_bytes(), "{url}");
        }
    }

    #[test]
    fn a_trailing_slash_makes_no_difference() {
        let [with, without] = ["/a/b/", "/a/b"].map(|url| tree_path(&DavPath::new(url).unwrap()).unwrap());
        assert_eq!(with, without);
        assert!(dav_path(&with, true).is_collection());
    }
}
