//! Paths are data: nothing in a component collides, or injects.

use mutextree::{LockStore, OwnedTreeMutexGuard, RedisStore, ToTreePath};

use crate::checker::check;
use crate::server::Server;

#[test]
fn hostile_components_are_names_like_any_other() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let long = "é".repeat(127);
    let names = [
        " ",
        "  ",
        "\0",
        "\0\0",
        "\u{1}",
        "\u{2}",
        "\u{2}0",
        "\u{1}\u{2}",
        "*",
        "?",
        "[a-z]",
        "a",
        "a-b",
        "a/b",
        "a\0",
        "A;B",
        "%s",
        "{a}",
        "}",
        "%d+",
        "\n",
        "\r\n",
        "'",
        "\"",
        "\\",
        "tick",
        "waiting",
        "1",
        "return 1",
        "~",
        &long,
        "\u{10ffff}",
        "\u{7f}",
    ];
    let mut guards: Vec<OwnedTreeMutexGuard<RedisStore>> = Vec::new();
    for name in names {
        guards.push(store.mutex([name, "x"]).unwrap().try_lock_owned().unwrap());
        guards.push(store.mutex([name, "y", name]).unwrap().owner(name).try_lock_owned().unwrap());
    }
    assert_eq!(check(&mut server.connect(), "mutextree").held.len(), 2 * names.len());
    for name in names {
        let error = store.mutex([name]).unwrap().try_lock().unwrap_err();
        assert!(error.blocking_path().unwrap().starts_with(&[name].to_tree_path().unwrap()), "{name:?}: {error}");
        let error = store.mutex([name, "y", name, "z"]).unwrap().try_lock().unwrap_err();
        assert_eq!(*error.blocking_path().unwrap(), [name, "y", name].to_tree_path().unwrap());
        store.mutex([name, "z"]).unwrap().try_lock().unwrap().unlock().unwrap();
    }
    for guard in guards {
        guard.unlock().unwrap();
    }
    store.mutex("/").unwrap().try_lock().unwrap().unlock().unwrap();
}

#[test]
fn the_deepest_and_longest_path() {
    let server = Server::start();
    let store = RedisStore::connect(&server.url()).unwrap();
    let names = vec!["x".repeat(255); 128];
    let guard = store.mutex(&names[..]).unwrap().lock_owned().unwrap();
    let error = store.mutex(&names[..127]).unwrap().try_lock().unwrap_err();
    assert_eq!(error.blocking_path(), Some(guard.path()));
    guard.unlock().unwrap();
    assert!(!store.mutex("/").unwrap().is_locked());
}

#[test]
fn trees_on_one_server_are_apart() {
    let server = Server::start();
    let tree = |name: &str| RedisStore::builder(&server.url()).tree(name).connect().unwrap();
    let _guard = tree("one").lock("a").unwrap();
    tree("one:mb").mutex("a").unwrap().try_lock().unwrap().unlock().unwrap();
    tree("two").mutex("/").unwrap().try_lock().unwrap().unlock().unwrap();
    assert!(tree("one").mutex("/").unwrap().is_locked());
}
