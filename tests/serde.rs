//! What the feature `serde` writes, and what it reads back.

use std::time::Duration;

use mutextree::{
    Kind, LeaseToken, LockError, LockStore, MemoryStore, Mode, Owner, PathError, Scope, Snapshot, ToTreePath, TreePath,
    WaitingLock,
};
use proptest::prelude::*;
use serde_json::{Value, from_str, json, to_string, to_value};

fn read(text: &str) -> Result<TreePath, String> {
    from_str(text).map_err(|error| error.to_string())
}

#[test]
fn a_path_is_its_text_or_else_the_list_of_its_names() {
    let list = |names: &[&str]| names.to_tree_path().unwrap();
    for (path, written) in [
        (TreePath::root(), json!("/")),
        (list(&["org", "team"]), json!("org/team")),
        (list(&["a b", "ü"]), json!("a b/ü")),
        (list(&["a/b", "c"]), json!(["a/b", "c"])),
        (list(&["\"a\""]), json!("\"a\"")),
        (list(&["a", ".."]), json!(["a", ".."])),
        (list(&["."]), json!(["."])),
    ] {
        assert_eq!(to_value(&path).unwrap(), written);
        assert_eq!(read(&written.to_string()).unwrap(), path);
    }
    // Both forms are read.
    assert_eq!(read(r#"["org", "team"]"#).unwrap(), list(&["org", "team"]));
    assert_eq!(read("[]").unwrap(), TreePath::root());
}

#[test]
fn what_is_no_path_is_not_read() {
    let deep = |many: usize| to_string(&vec!["a"; many]).unwrap();
    assert!(read(&deep(128)).is_ok());
    for (text, says) in [
        (r#""""#, "the path is empty"),
        (r#""a//b""#, "component 2 of the path `a//b` is empty"),
        (r#""a/../b""#, "component 2"),
        (r#"["a", ""]"#, "is empty"),
        ("7", "a path, as text or as a list of names"),
        ("null", "a path, as text or as a list of names"),
        ("[1]", "a string"),
        (&deep(129), "at most 128"),
        (&deep(1000), "at most 128"),
        (&to_string(&"x".repeat(256)).unwrap(), "at most 255"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn no_two_paths_are_written_alike(
        one in prop::collection::vec("[ab./\\\\\"]{1,3}", 0..4),
        other in prop::collection::vec("[ab./\\\\\"]{1,3}", 0..4),
    ) {
        let paths = [&one, &other].map(|names| names.to_tree_path().unwrap());
        let written = paths.each_ref().map(|path| to_string(path).unwrap());
        prop_assert_eq!(written[0] == written[1], paths[0] == paths[1]);
        prop_assert_eq!(read(&written[0]).unwrap(), paths[0].clone());
    }
}

#[test]
fn kinds_owners_and_tokens_come_back() {
    for mode in [Mode::Exclusive, Mode::Shared] {
        for scope in [Scope::Subtree, Scope::Node] {
            let kind = Kind::new(mode, scope);
            assert_eq!(from_str::<Kind>(&to_string(&kind).unwrap()).unwrap(), kind);
        }
    }
    assert_eq!(to_value(Kind::new(Mode::Shared, Scope::Node)).unwrap(), json!({"mode": "shared", "scope": "node"}));
    assert!(from_str::<Mode>(r#""both""#).is_err());
    assert_eq!(from_str::<Owner>(r#""me""#).unwrap().as_str(), "me");
    assert_eq!(from_str::<LeaseToken>(r#""7-x""#).unwrap().as_str(), "7-x");
    assert_eq!(to_value(Owner::from("me")).unwrap(), json!("me"));
}

#[test]
fn a_snapshot_has_all_that_is_known() {
    let store = MemoryStore::new();
    let guard = store.mutex("a").unwrap().owner("me").lease(Duration::from_secs(60)).lock_owned().unwrap();
    let lease = store.mutex("b").unwrap().shared().lock_owned().unwrap().into_lease().unwrap();
    let _plain = store.mutex("c").unwrap().node_only().lock_owned().unwrap();
    let mut waiter = WaitingLock::new("a/x".parse().unwrap(), Kind::default());
    waiter.waited = Some(Duration::from_millis(1500));
    let held = store.snapshot().unwrap().holders().cloned().collect();
    let written = to_value(Snapshot::new(held, vec![waiter])).unwrap();

    let [a, b, c] = [0, 1, 2].map(|at| &written["held"][at]);
    assert_eq!([&a["path"], &a["mode"], &a["scope"], &a["owner"]], ["a", "exclusive", "subtree", "me"]);
    assert_eq!(a["fencing_token"], guard.fencing_token());
    assert!((59.0..=60.0).contains(&a["remaining"].as_f64().unwrap()) && a["held_for"].as_f64().unwrap() < 1.0, "{a}");
    assert_eq!((&b["detached"], &b["token"]), (&json!(true), &json!(lease.token().as_str())));
    let unknown = ["owner", "held_for", "remaining", "fencing_token", "token", "client"];
    assert!(unknown.iter().all(|field| c[field] == Value::Null), "{c}");
    let waiting = &written["waiting"][0];
    assert_eq!((&waiting["path"], &waiting["waited"]), (&json!("a/x"), &json!(1.5)));
    let behind = &waiting["behind"];
    assert_eq!([&behind["state"], &behind["path"], &behind["owner"]], ["held", "a", "me"]);
}

#[test]
fn errors_say_what_they_say() {
    let store = MemoryStore::new();
    let _guard = store.mutex("a").unwrap().owner("me").lock_owned().unwrap();
    let refused = to_value(store.try_lock("a/b").unwrap_err()).unwrap();
    let expected = json!({
        "error": "would_block",
        "message": "`a/b` is blocked by a lock on `a`, held by me",
        "path": "a/b",
        "blocker": {"state": "unknown", "path": "a", "owner": "me"},
    });
    assert_eq!(refused, expected);

    let wrong = "a//b".parse::<TreePath>().unwrap_err();
    let expected = json!({
        "error": "empty_component",
        "message": wrong.to_string(),
        "path": "a//b",
        "index": 1,
    });
    assert_eq!(to_value(&wrong).unwrap(), expected);
    let failed = to_value(LockError::from(wrong)).unwrap();
    assert_eq!((&failed["error"], &failed["wrong"]), (&json!("path"), &expected));

    let failed = to_value(LockError::Store("the cause".into())).unwrap();
    assert_eq!(failed, json!({"error": "store", "message": "the lock store failed", "causes": ["the cause"]}));
    let lost = to_value(LockError::NotHeld { path: "a".parse().unwrap() }).unwrap();
    assert_eq!((&lost["error"], &lost["path"]), (&json!("not_held"), &json!("a")));
    assert_eq!(to_value(PathError::TooDeep { depth: 200 }).unwrap()["depth"], 200);
}

#[test]
fn a_deadlock_is_written_with_its_cycle() {
    let store = MemoryStore::builder().deadlock_detection(true).build();
    let _guard = store.mutex("org").unwrap().owner("me").lock_owned().unwrap();
    let written = to_value(store.lock("org/team").unwrap_err()).unwrap();
    assert_eq!(written["error"], json!("deadlock"));
    assert_eq!(written["path"], json!("org/team"));
    let [only] = &written["cycle"].as_array().unwrap()[..] else { panic!("{written}") };
    assert_eq!(only["who"], json!("me"));
    assert_eq!((&only["holds"]["path"], &only["wants"]["path"]), (&json!("org"), &json!("org/team")));
    for place in [&only["holds"]["taken_at"], &only["wants"]["asked_at"]] {
        assert!(place.as_str().unwrap().starts_with(file!()), "{place}");
    }
    assert!(only["holds"]["agent"].as_str().unwrap().starts_with("thread "));
}
