//! The shortest example: `cargo run --example quickstart`.

use mutextree::{LockError, LockStore, MemoryStore};

fn main() -> Result<(), LockError> {
    let store = MemoryStore::new();
    let _project = store.lock("org/team/project")?; // held until it is dropped

    let sibling = store.mutex("org/team/other")?.try_lock_owned();
    println!("a sibling can be locked meanwhile: {}", sibling.is_ok());

    for path in ["org/team/project", "org/team/project/file", "org"] {
        println!("{}", store.mutex(path)?.try_lock().unwrap_err());
    }
    Ok(())
}
