//! What a user of paths would notice: what is accepted, what is refused and how, and that no two
//! paths are confused.

use super::*;
use std::path::Path;

fn path(text: &str) -> TreePath {
    text.parse().unwrap()
}

#[test]
fn text_is_split_at_slashes_and_outer_ones_are_ignored() {
    for text in ["a/b", "/a/b", "a/b/", "/a/b/"] {
        assert_eq!(path(text), ["a", "b"].to_tree_path().unwrap(), "{text}");
    }
    assert_eq!(path("/"), TreePath::root());
    assert!(path("/").is_root() && !path("a").is_root());
    assert_eq!(path("/").components().count(), 0);
    assert_eq!(format!("{:?}", path("/a/b/")), "TreePath(a/b)");
}

#[test]
fn what_is_no_path_is_refused_with_the_place() {
    let refusal = |text: &str| text.parse::<TreePath>().unwrap_err().to_string();
    assert_eq!(refusal(""), "the path is empty (the root is written `/`)");
    for (text, place) in [("a//b", 2), ("//", 1), ("//a", 1), ("a//", 2), ("///", 1), ("//.", 1), ("//.a", 1)] {
        assert_eq!(refusal(text), format!("component {place} of the path `{text}` is empty"));
    }
    for (text, dots, place) in [("a/./b", ".", 2), ("..", "..", 1), ("a/..", "..", 2), ("/./", ".", 1)] {
        assert!(refusal(text).starts_with(&format!("component {place} of the path `{text}` is `{dots}`")), "{text}");
    }
    // Two things that are wrong do not make up for each other.
    for text in ["a//b//c", "./.", "../x/..", "a/./b//"] {
        assert!(text.parse::<TreePath>().is_err(), "{text}");
    }
    for text in ["...", ".a", "a.", "..a", " ", "\0", "a\\b"] {
        assert_eq!(path(text).to_string(), text);
    }
}

#[test]
fn limits_are_exact() {
    let deep = |depth: usize| vec!["x"; depth];
    assert_eq!(path(&deep(128).join("/")).depth(), 128);
    assert_eq!(deep(128).to_tree_path().unwrap().depth(), 128);
    for error in [deep(129).join("/").to_tree_path(), deep(129).to_tree_path()] {
        assert_eq!(error.unwrap_err(), PathError::TooDeep { depth: 129 });
    }
    assert_eq!(deep(300).join("/").to_tree_path().unwrap_err(), PathError::TooDeep { depth: 300 });
    assert_eq!(path("a").join(deep(128)).unwrap_err(), PathError::TooDeep { depth: 129 });

    let long = "é".repeat(127) + "x"; // 255 bytes
    assert_eq!(path(&long).components().next(), Some(&*long));
    assert_eq!(["a", &*long].to_tree_path().unwrap().components().next_back(), Some(&*long));
    let longer = "é".repeat(128);
    for error in [longer.to_tree_path(), ["a", &*longer].to_tree_path(), format!("a/{longer}").to_tree_path()] {
        let error = error.unwrap_err();
        assert!(matches!(error, PathError::ComponentTooLong { length: 256, .. }), "{error}");
        assert!(error.to_string().contains("has 256 bytes; at most 255"), "{error}");
        assert!(error.to_string().len() < 300);
    }
}

#[test]
fn components_may_hold_any_character() {
    let names = ["a/b", "/", "", "x", "\0", "3,1", "//", "..", ".", "\u{1}", "\"", "a\\/b"];
    let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
    let all = names.to_tree_path().unwrap();
    assert_eq!(all.components().collect::<Vec<_>>(), names);
    assert_eq!(all.components().rev().collect::<Vec<_>>(), names.iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(["a", "", "b"].to_tree_path().unwrap_err().to_string(), "component 2 of the path `a//b` is empty");
    assert_eq!([""; 0].to_tree_path().unwrap(), TreePath::root());
    assert_eq!(["a/b", "c"].to_tree_path().unwrap().to_string(), r#""a/b"/c"#);
}

/// All lists of up to three of these names: every pair is told apart, and `parent`, `join`,
/// `starts_with` and the order say of paths what the lists say.
#[test]
fn a_path_is_its_list_of_components() {
    let names = ["a", "b", "a/b", "/", "1", "1,1", "1/a", "a-b"];
    let mut lists: Vec<Vec<&str>> = vec![vec![]];
    for _ in 0..3 {
        let longer: Vec<_> = lists.iter().flat_map(|list| names.map(|name| [&list[..], &[name]].concat())).collect();
        lists.extend(longer);
        lists.sort();
        lists.dedup();
    }
    let paths: Vec<TreePath> = lists.iter().map(|list| list.to_tree_path().unwrap()).collect();
    for (list, path) in lists.iter().zip(&paths) {
        assert_eq!(path.components().collect::<Vec<_>>(), *list);
        let parent = list.split_last().map(|(_, above)| above.to_tree_path().unwrap());
        assert_eq!(path.parent(), parent);
        if let (Some(parent), Some(last)) = (parent, list.last()) {
            assert_eq!(parent.join([last]).unwrap(), *path);
        }
    }
    for (a, b) in (0..lists.len()).flat_map(|a| (0..lists.len()).map(move |b| (a, b))) {
        assert_eq!(paths[a] == paths[b], lists[a] == lists[b]);
        assert_eq!(paths[a].cmp(&paths[b]), lists[a].cmp(&lists[b]));
        assert_eq!(paths[a] < paths[b], lists[a] < lists[b]);
        assert_eq!(paths[a].starts_with(&paths[b]), lists[a].starts_with(&lists[b]));
    }
}

#[test]
fn a_file_path_gives_its_normal_components() {
    for file in ["/usr/lib", "usr/lib/", "./usr//lib/.", "/./usr/lib"] {
        assert_eq!(Path::new(file).to_tree_path().unwrap(), path("usr/lib"), "{file}");
    }
    assert_eq!(Path::new("/").to_tree_path().unwrap(), TreePath::root());
    for nothing in ["", "."] {
        assert_eq!(Path::new(nothing).to_tree_path().unwrap_err(), PathError::Empty);
    }
    let up = Path::new("usr/../etc").to_tree_path().unwrap_err();
    assert!(matches!(up, PathError::Relative { index: 1, .. }), "{up}");
}

#[cfg(unix)]
#[test]
fn a_file_path_that_is_not_utf8_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let bad = Path::new(std::ffi::OsStr::from_bytes(b"usr/l\xffb"));
    assert_eq!(bad.to_tree_path().unwrap_err().to_string(), "component 2 of the path `usr/l\u{fffd}b` is not UTF-8");
}
