//! A store that panics. With the provided `acquire_async` the panic has to reach the task, which
//! would otherwise wait for ever.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use mutextree::{Backend, LockError, Mode, PathRef, Request, Scope, TreePath, Wait};

use crate::common::hand::lock;
use crate::common::kinds::EXCLUSIVE;

#[derive(Clone)]
struct Panics;

#[derive(Debug)]
enum Never {}

impl Backend for Panics {
    type Node = TreePath;
    type Grant = Never;

    fn resolve(&self, path: PathRef<'_>) -> TreePath {
        path.into_owned()
    }

    fn path(node: &TreePath) -> &TreePath {
        node
    }

    fn acquire(_: &TreePath, _: &Request, _: Wait) -> Result<Never, LockError> {
        std::panic::resume_unwind(Box::new("the store's own words"))
    }

    fn release(_: &TreePath, grant: Never) -> Result<(), LockError> {
        match grant {}
    }

    fn downgrade(_: &TreePath, grant: &mut Never) -> Result<(), LockError> {
        match *grant {}
    }

    fn mode(grant: &Never) -> Mode {
        match *grant {}
    }

    fn fencing_token(_: &TreePath, grant: &Never) -> u64 {
        match *grant {}
    }

    fn is_held(_: &TreePath, grant: &Never) -> bool {
        match *grant {}
    }

    fn refresh(_: &TreePath, grant: &Never, _: Option<Duration>) -> Result<(), LockError> {
        match *grant {}
    }

    fn is_locked(_: &TreePath, _: Scope) -> bool {
        false
    }
}

#[test]
fn a_panic_of_the_store_reaches_the_task() {
    let wait = lock(&Panics, "a", EXCLUSIVE);
    let panic = catch_unwind(AssertUnwindSafe(|| wait.block_on())).expect_err("there is no lock to be had");
    assert_eq!(panic.downcast_ref(), Some(&"the store's own words"));
}
