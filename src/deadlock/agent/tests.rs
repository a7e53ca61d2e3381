use std::thread;

use super::Agent;

#[test]
fn a_thread_is_itself_and_no_other() {
    let here = Agent::current();
    assert_eq!(here, Agent::current());
    let (there, name) = thread::Builder::new()
        .name("over `there`".into())
        .spawn(|| (Agent::current(), Agent::current().to_string()))
        .unwrap()
        .join()
        .unwrap();
    assert_ne!(here, there);
    assert_eq!(name, "thread `over `there``");
    assert_eq!(there.thread_name(), Some("over `there`"));
    let nameless = thread::spawn(|| Agent::current().to_string()).join().unwrap();
    assert!(nameless.strip_prefix("thread ").unwrap().parse::<u64>().is_ok(), "{nameless}");
}

#[test]
fn a_task_has_no_thread() {
    assert!(Agent::TASK.is_task() && !Agent::current().is_task());
    assert_eq!((Agent::TASK.thread_id(), Agent::TASK.thread_name()), (None, None));
    assert_eq!(Agent::TASK.to_string(), "a task");
}
