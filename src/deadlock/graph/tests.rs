use std::thread;

use super::{Behind, Detector, MOST_EDGES, Scene, Wait};
use crate::backend::{HeldLock, WaitingLock};
use crate::deadlock::Agent;
use crate::request::Kind;

/// A scene in the making: agents are threads of its own.
#[derive(Default)]
struct Stage {
    agents: Vec<Agent>,
    scene: Scene<usize>,
}

impl Stage {
    fn agent(&mut self, number: usize) -> Agent {
        while self.agents.len() <= number {
            self.agents.push(thread::spawn(Agent::current).join().unwrap());
        }
        self.agents[number].clone()
    }

    /// A lock of that thread, or of the owner of this name.
    fn lock(&mut self, holder: Result<usize, &str>) -> Behind {
        let token = self.scene.locks.len() as u64 + 1;
        let mut lock = HeldLock::new(format!("lock/{token}").parse().unwrap(), Kind::default());
        lock.fencing_token = Some(token);
        match holder {
            Ok(number) => lock.agent = Some(self.agent(number)),
            Err(owner) => lock.owner = Some(owner.into()),
        }
        self.scene.locks.push(lock);
        Behind::Lock(self.scene.locks.len() - 1)
    }

    /// A wait, by its place in the scene, of that thread or owner. The key is the same.
    fn wait(&mut self, who: Result<usize, &str>, behind: &[Behind]) -> usize {
        let at = self.scene.waits.len();
        let mut line = WaitingLock::new("wanted".parse().unwrap(), Kind::default());
        match who {
            Ok(number) => line.agent = Some(self.agent(number)),
            Err(owner) => (line.agent, line.owner) = (Some(Agent::TASK), Some(owner.into())),
        }
        let (owners, members, behind) = (Vec::new(), Vec::new(), behind.into());
        self.scene.waits.push(Wait { key: at, line, owners, members, order: at as u64, ours: true, behind });
        at
    }

    /// Who is told if it is looked at twice.
    fn told(&self) -> Vec<usize> {
        let mut detector = Detector::new();
        assert!(detector.look(&self.scene).verdicts.is_empty(), "nothing is said at first sight");
        detector.look(&self.scene).verdicts.into_iter().map(|(key, _)| key).collect()
    }
}

/// Threads in a circle: each waits for a lock of the next.
fn circle(count: usize) -> Stage {
    let mut stage = Stage::default();
    let locks: Vec<_> = (0..count).map(|number| stage.lock(Ok(number))).collect();
    for number in 0..count {
        stage.wait(Ok(number), &[locks[(number + 1) % count]]);
    }
    stage
}

#[test]
fn the_youngest_of_a_circle_is_told_the_second_time() {
    for count in [1, 2, 3, 20] {
        assert_eq!(circle(count).told(), [count - 1]);
    }
    let mut detector = Detector::new();
    assert!(detector.look(&circle(2).scene).suspects, "it is to be looked at again soon");
    let found = detector.look(&circle(2).scene);
    assert!(!found.suspects);
    assert_eq!(found.verdicts[0].1.cycle().len(), 2);
}

#[test]
fn a_circle_that_changed_is_a_new_one() {
    let mut stage = circle(2);
    let mut detector = Detector::new();
    detector.look(&stage.scene);
    // The same waits, but the lock was given back and taken again.
    stage.scene.locks[0].fencing_token = Some(77);
    assert!(detector.look(&stage.scene).verdicts.is_empty());
    // Another wait of the same thread.
    stage.scene.waits[1].key = 78;
    assert!(detector.look(&stage.scene).verdicts.is_empty());
    assert_eq!(detector.look(&stage.scene).verdicts.len(), 1);
    // What was seen before a look that saw nothing is forgotten.
    detector.forget();
    assert!(detector.look(&stage.scene).verdicts.is_empty());
}

#[test]
fn no_circle_without_its_last_edge() {
    for missing in 0..3 {
        let mut stage = circle(3);
        stage.scene.waits[missing].behind.clear();
        assert!(stage.told().is_empty(), "without {missing}");
    }
    let mut stage = circle(3);
    stage.scene.locks[1].agent = None; // handed over
    assert!(stage.told().is_empty());
}

#[test]
fn earlier_waiters_count_as_locks_do() {
    let mut stage = Stage::default();
    let mine = stage.lock(Ok(0));
    let writer = stage.wait(Ok(1), &[mine]);
    let me = stage.wait(Ok(0), &[Behind::Wait(writer)]);
    assert_eq!(stage.told(), [me]);
}

#[test]
fn an_owner_is_one_if_it_waits_once() {
    let mut stage = Stage::default();
    let (theirs, mine) = (stage.lock(Err("alice")), stage.lock(Ok(0)));
    stage.wait(Err("alice"), &[mine]);
    stage.wait(Ok(0), &[theirs]);
    assert_eq!(stage.told(), [1]);
    // Alice waits for something else, too: so she does two things at a time.
    stage.wait(Err("alice"), &[]);
    assert!(stage.told().is_empty());
    // One wait in two queues is one wait.
    stage.scene.waits[2].key = 0;
    assert_eq!(stage.told(), [1]);
}

#[test]
fn an_owner_of_another_process_is_another() {
    let mut stage = Stage::default();
    let (theirs, mine) = (stage.lock(Err("alice")), stage.lock(Ok(0)));
    stage.wait(Err("alice"), &[mine]);
    stage.wait(Ok(0), &[theirs]);
    stage.scene.locks[0].client = Some("one".into());
    stage.scene.waits[0].line.client = Some("two".into());
    assert!(stage.told().is_empty());
    stage.scene.waits[0].line.client = Some("one".into());
    assert_eq!(stage.told(), [1]);
}

#[test]
fn a_lock_of_a_thread_is_not_its_owners() {
    let mut stage = circle(2);
    // A pool whose threads share a name: another one of it waits, and this one goes on.
    stage.scene.locks[0].owner = Some("pool".into());
    stage.scene.waits[0].line.owner = Some("pool".into());
    let other = thread::spawn(Agent::current).join().unwrap();
    stage.scene.waits[0].line.agent = Some(other);
    assert!(stage.told().is_empty());
}

#[test]
fn each_circle_is_told_and_who_waits_behind_is_not() {
    let mut stage = circle(2);
    let outside = stage.lock(Ok(7));
    let (a, b) = (stage.lock(Ok(8)), stage.lock(Ok(9)));
    stage.wait(Ok(8), &[b]);
    stage.wait(Ok(9), &[a, outside]);
    stage.wait(Ok(3), &[Behind::Wait(0)]); // behind the first circle
    stage.wait(Ok(7), &[Behind::Lock(0)]); // leads into it, too
    let mut told = stage.told();
    told.sort_unstable();
    assert_eq!(told, [1, 3]);
}

#[test]
fn two_circles_through_one_wait_have_one_victim() {
    let mut stage = Stage::default();
    let locks: Vec<_> = (0..3).map(|number| stage.lock(Ok(number))).collect();
    stage.wait(Ok(0), &[locks[2]]);
    stage.wait(Ok(1), &[locks[2]]);
    stage.wait(Ok(2), &[locks[0], locks[1]]);
    assert_eq!(stage.told(), [2]);
}

#[test]
fn one_of_another_process_gives_way_first() {
    let mut stage = circle(2);
    stage.scene.waits[1].ours = false;
    let mut detector = Detector::new();
    let rounds = (1..).find(|_| !detector.look(&stage.scene).verdicts.is_empty()).unwrap();
    assert_eq!(rounds, 1 + super::ROUNDS_FOR_OTHERS + 1);
    // A circle of others alone is left to them.
    stage.scene.waits[0].ours = false;
    let mut detector = Detector::new();
    assert!((0..20).all(|_| detector.look(&stage.scene).verdicts.is_empty()));
}

#[test]
fn too_much_is_left_alone() {
    let crowd = |more: usize| {
        let mut stage = circle(2);
        let waits = (MOST_EDGES - 2) / 2 + more;
        for _ in 0..waits {
            stage.wait(Ok(5), &[Behind::Wait(0), Behind::Wait(1)]);
        }
        stage
    };
    assert_eq!(crowd(0).told(), [1]);
    assert!(crowd(1).told().is_empty());
}

/// One that waits for several nodes is in the scene for each of them. It is stuck in all of them if
/// it is in one, whoever waits for it and wherever; and it is told once.
#[test]
fn a_set_is_one_wait() {
    let mut stage = Stage::default();
    let (mine, theirs) = (stage.lock(Ok(0)), stage.lock(Ok(1)));
    let one = stage.wait(Ok(0), &[]);
    let two = stage.wait(Ok(0), &[theirs]);
    stage.wait(Ok(1), &[Behind::Wait(one)]);
    stage.scene.waits[two].key = one;
    assert_eq!(stage.told(), [2]);
    stage.scene.waits[2].behind = vec![mine];
    assert_eq!(stage.told(), [2]);
    stage.scene.waits[one].order = 9;
    stage.scene.waits[two].order = 9;
    assert_eq!(stage.told(), [one]);
}

/// A set may be for several owners: all of them stand still, and the one whose lock it is is named.
#[test]
fn all_for_whom_a_set_waits_stand_still() {
    let mut stage = Stage::default();
    let (of_bob, theirs) = (stage.lock(Err("bob")), stage.lock(Ok(0)));
    stage.wait(Err("alice"), &[theirs]);
    stage.wait(Ok(0), &[of_bob]);
    assert!(stage.told().is_empty());
    stage.scene.waits[0].owners = vec!["alice".into(), "bob".into()];
    assert_eq!(stage.told(), [1]);
    let mut detector = Detector::new();
    detector.look(&stage.scene);
    let (_, deadlock) = detector.look(&stage.scene).verdicts.remove(0);
    assert_eq!(deadlock.cycle()[1].who(), "bob");
    // If one of them waits elsewhere, too, it does two things at a time.
    stage.wait(Err("bob"), &[]);
    assert!(stage.told().is_empty());
}
