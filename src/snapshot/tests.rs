use std::time::Duration;

use super::*;
use crate::request::{Mode, Scope};

fn path(text: &str) -> TreePath {
    text.parse().unwrap()
}

const XS: Kind = Kind::new(Mode::Exclusive, Scope::Subtree);
const XN: Kind = Kind::new(Mode::Exclusive, Scope::Node);
const SS: Kind = Kind::new(Mode::Shared, Scope::Subtree);
const SN: Kind = Kind::new(Mode::Shared, Scope::Node);

fn held(on: &str, kind: Kind, owner: &str, millis: u64) -> HeldLock {
    let mut lock = HeldLock::new(path(on), kind);
    lock.owner = (!owner.is_empty()).then(|| owner.into());
    lock.held_for = (millis > 0).then(|| Duration::from_millis(millis));
    lock
}

fn waiting(on: &str, kind: Kind, owner: &str, millis: u64) -> WaitingLock {
    let mut waiter = WaitingLock::new(path(on), kind);
    waiter.owner = (!owner.is_empty()).then(|| owner.into());
    waiter.waited = (millis > 0).then(|| Duration::from_millis(millis));
    waiter
}

fn behind(snapshot: &Snapshot) -> Vec<String> {
    let text = |waiter: &WaitingLock| waiter.behind.as_ref().map_or("-".into(), ToString::to_string);
    snapshot.waiters().map(text).collect()
}

#[test]
fn nothing_says_so() {
    assert_eq!(Snapshot::default().to_string(), "nothing is held, and nobody waits\n");
    let part = Snapshot::new(vec![held("b", XS, "", 0)], Vec::new()).below(&path("a"));
    assert!(part.is_empty());
    assert_eq!(part.to_string(), "nothing is held, and nobody waits at `a` or below\n");
}

/// A set waits as one, so a member that is free waits for what is in the way of another one. An
/// upgrade is not in its own way.
#[test]
fn sets_and_upgrades_say_what_they_wait_for() {
    let members = ["a", "b"].map(|on| WaitingLock { set: Some(1), ..waiting(on, XS, "Set", 0) });
    let upgrade = WaitingLock { upgrades: true, ..waiting("u", XS, "Rob", 0) };
    let locks = vec![held("b/file", XS, "Ann", 0), held("u", SS, "Rob", 0), held("u/x", SS, "Quinn", 0)];
    let snapshot = Snapshot::new(locks, [upgrade].into_iter().chain(members).collect());
    let expected = "\
/
├─ a          waits  exclusive  Set    with `b`, which is behind `b/file`, held by Ann
├─ b          waits  exclusive  Set    behind `b/file`, held by Ann
│  └─ file  ! held   exclusive  Ann
└─ u          held   shared     Rob
   │          waits  exclusive  Rob    upgrade, behind `u/x`, held by Quinn
   └─ x     ! held   shared     Quinn

3 held, 3 wait; ! somebody waits for it
";
    assert_eq!(snapshot.to_string(), expected);
    assert!(snapshot.to_dot().contains("upgrade, exclusive"));
    // The part around one of them says the same.
    assert_eq!(behind(&snapshot.below(&path("a"))), ["`b/file`, held by Ann"]);
}

fn a_busy_tree() -> Snapshot {
    let mut leased = held("org/team", XS, "nightly backup", 340);
    leased.remaining = Some(Duration::from_secs(29));
    let mut detached = held("docs/report", SS, "bob", 0);
    detached.token = Some("7".into());
    detached.remaining = Some(Duration::from_secs(3605));
    let locks = vec![leased, held("docs/report", SS, "alice", 1250), detached, held("docs", SN, "", 0)];
    let waiters = vec![
        waiting("org/team/mail", XS, "mailer", 300),
        waiting("org", XS, "", 200),
        waiting("org/team/mail", XN, "rules", 90_000),
    ];
    Snapshot::new(locks, waiters)
}

#[test]
fn a_tree_is_read_at_a_glance() {
    let expected = "\
/
├─ docs          held     shared, node only
│  └─ report     held     shared                alice           1.2 s
│                held     shared                bob                     without a guard, lease ends in 60 min
└─ org           waits    exclusive                             200 ms  behind `org/team`, held by nightly backup
   └─ team     ! held     exclusive             nightly backup  340 ms  lease ends in 29 s
      └─ mail    waits 1  exclusive             mailer          300 ms  behind `org/team`, held by nightly backup
                 waits 2  exclusive, node only  rules           90 s    behind `org/team`, held by nightly backup

4 held, 3 wait; ! somebody waits for it
";
    let drawn = a_busy_tree().to_string();
    assert_eq!(drawn, expected, "\n{drawn}");
}

#[test]
fn a_part_begins_at_its_node() {
    let expected = "\
org/team  ! held     exclusive             nightly backup  340 ms  lease ends in 29 s
└─ mail     waits 1  exclusive             mailer          300 ms  behind `org/team`, held by nightly backup
            waits 2  exclusive, node only  rules           90 s    behind `org/team`, held by nightly backup

1 held, 2 wait; ! somebody waits for it
";
    let drawn = a_busy_tree().below(&path("org/team")).to_string();
    assert_eq!(drawn, expected, "\n{drawn}");
    let root = Snapshot::new(vec![held("/", XS, "me", 0)], Vec::new());
    assert_eq!(root.to_string(), "/  held  exclusive  me\n\n1 held, nobody waits\n");
}

#[test]
fn a_chain_shares_a_line() {
    let drawn = Snapshot::new(vec![held("a/b/c", XS, "", 0), held("a/b/c/d/e", XN, "", 0)], Vec::new());
    let expected = "\
/
└─ a/b/c   held  exclusive
   └─ d/e  held  exclusive, node only

2 held, nobody waits
";
    assert_eq!(drawn.to_string(), expected);
}

/// What comes from elsewhere breaks no line and does nothing to a terminal.
#[test]
fn names_are_shown_harmlessly() {
    let mut lock = HeldLock::new(crate::ToTreePath::to_tree_path(&["a/b", "c\nd\u{1b}[2J"]).unwrap(), XS);
    lock.owner = Some("Zoë's \"job\" \\ \u{202e}\u{7}".into());
    let snapshot = Snapshot::new(vec![lock], Vec::new());
    let drawn = snapshot.to_string();
    assert!(drawn.contains("\"a/b\"/c\\nd\\u{1b}[2J"), "{drawn}");
    assert!(!drawn.replace('\n', "").chars().any(|c| c.is_control() || c == '\u{202e}'), "{drawn}");
    assert_eq!(drawn.lines().count(), 4, "{drawn}");
    assert!(!snapshot.to_dot().replace('\n', "").chars().any(char::is_control));
    let plain = Snapshot::new(vec![held("a", XS, "Zoë's \"job\" \\", 0)], Vec::new()).to_string();
    assert!(plain.contains("Zoë's \"job\" \\\n"), "{plain}");
}

#[test]
fn who_waits_is_behind_a_lock_or_an_earlier_waiter() {
    let snapshot = Snapshot::new(
        vec![held("a/b", SS, "reader", 0)],
        vec![
            waiting("a/b", SS, "a reader", 0), // its turn has come
            waiting("a", XS, "writer", 0),     // behind the lock
            waiting("a/c", SS, "late", 0),     // behind the writer
            waiting("a/c/d", SN, "later", 0),  // behind the writer as well: "late" shares
            waiting("x", XS, "elsewhere", 0),
            waiting("x/y", XS, "below", 0),
        ],
    );
    let expected = [
        "-",
        "`a/b`, held by reader",
        "`a`, waited for by writer",
        "`a`, waited for by writer",
        "-",
        "`x`, waited for by elsewhere",
    ];
    assert_eq!(behind(&snapshot), expected);
}

/// The same as looking at each pair.
#[test]
fn the_first_that_conflicts_is_found() {
    let paths = ["/", "a", "a/b", "a/b/c", "a/d", "x"];
    let mut draw = fastrand::Rng::with_seed(7);
    for _ in 0..2000 {
        let any =
            |draw: &mut fastrand::Rng| (path(draw.choice(paths).unwrap()), draw.choice([XS, XN, SS, SN]).unwrap());
        let locks: Vec<_> = (0..draw.usize(0..6)).map(|_| any(&mut draw)).collect();
        let mut firsts = Firsts::default();
        for (at, (path, kind)) in locks.iter().enumerate() {
            firsts.add(at, path, *kind);
        }
        let (path, kind) = any(&mut draw);
        let plainly = locks.iter().position(|(other, its)| conflicts((&path, kind), (other, *its)));
        let found = firsts.conflicting(&path, kind, |at| (&locks[at].0, locks[at].1));
        assert_eq!(found, plainly, "{kind} on {path} among {locks:?}");
    }
}

#[test]
fn nodes_holders_and_waiters_are_in_order() {
    let snapshot = a_busy_tree();
    let nodes: Vec<_> =
        snapshot.nodes().map(|node| (node.path().to_string(), node.holders().len(), node.waiters().len())).collect();
    let expected = [("docs", 1, 0), ("docs/report", 2, 0), ("org", 0, 1), ("org/team", 1, 0), ("org/team/mail", 0, 2)];
    assert_eq!(nodes, expected.map(|(path, held, waiting)| (path.to_owned(), held, waiting)));
    let turns: Vec<_> = snapshot.waiters().map(|waiter| waiter.waited.unwrap().as_millis()).collect();
    assert_eq!(turns, [300, 200, 90_000]);
    let part = snapshot.below(&path("org/team"));
    assert_eq!((part.holders().len(), part.waiters().len()), (1, 2));
}

#[test]
fn blockers_are_all_that_conflict() {
    let snapshot = a_busy_tree();
    let texts = |on: &str, kind| snapshot.blockers(&path(on), kind).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(texts("docs", SS), [""; 0]);
    assert_eq!(texts("docs", XS), ["`docs`", "`docs/report`, held by alice", "`docs/report`, held by bob"]);
    assert_eq!(
        texts("org/team/mail/1", SN),
        ["`org/team`, held by nightly backup", "`org/team/mail`, waited for by mailer", "`org`, waited for",]
    );
}

#[test]
fn a_graph_has_what_the_tree_has() {
    let dot = a_busy_tree().to_dot();
    if let Ok(file) = std::env::var("DOT_FILE") {
        std::fs::write(file, &dot).unwrap();
    }
    for part in ["label=\"mail\"", "nightly backup, for 340 ms, lease ends in 29 s", "label=\"rules\\n", "n0 -> n1;"] {
        assert!(dot.contains(part), "{part} in\n{dot}");
    }
    // An arrow for each waiter.
    assert_eq!(dot.matches("arrowhead=normal").count(), 3, "{dot}");
    let part = a_busy_tree().below(&path("org/team/mail")).to_dot();
    assert_eq!(part.matches("arrowhead=normal").count(), 0, "what they are behind is outside\n{part}");
}
