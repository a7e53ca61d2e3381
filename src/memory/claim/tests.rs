//! Which way a claim takes, and what it leaves: what no interleaving is needed to see.

use std::time::Duration;

use super::super::tree::Tree;
use super::*;
use crate::path::ToTreePath;

fn nodes<const N: usize>(tree: &Tree, paths: [&str; N]) -> [PlainArc<Node>; N] {
    paths.map(|path| tree.resolve(path.to_path_ref().unwrap()))
}

fn word(node: &Node) -> u64 {
    node.word.load(Ordering::SeqCst)
}

/// Locks and unlocks it by the slow path.
fn use_once(node: &PlainArc<Node>) {
    node.try_claim(Kind::Xs).unwrap();
    node.drop_claim(Kind::Xs);
}

/// From its second lock on, of whatever kind and however deep it lies, a node is claimed in one
/// step; and one without children or waiters never needs its cold part.
#[test]
fn the_second_lock_is_a_fast_one() {
    let tree = Tree::new(Duration::MAX);
    for node in nodes(&tree, ["a", "b/c", "d/e/f/g/h/i"]) {
        assert!(!node.claim_fast(Kind::Xs), "it is not enrolled");
        use_once(&node);
        assert_eq!(word(&node), ENROLLED | CLEAR);
        for kind in Kind::ALL {
            assert!(node.claim_fast(kind));
            assert_eq!(word(&node), ENROLLED | CLEAR | kind.unit());
            assert_eq!(node.claim_fast(kind), kind.is_shared());
            if kind.is_shared() {
                node.drop_claim(kind);
            } else {
                node.downgrade_claim(kind);
            }
            node.drop_claim(kind.downgraded());
        }
        assert_eq!(word(&node), ENROLLED | CLEAR);
        assert!(node.cold_if_any().is_none());
    }
}

/// The node alone is claimed in one step whoever is below.
#[test]
fn a_node_with_children_is_claimed_fast_for_itself() {
    let tree = Tree::new(Duration::MAX);
    let [inner, leaf] = nodes(&tree, ["a", "a/b"]);
    use_once(&leaf);
    for kind in Kind::ALL {
        assert_eq!(inner.claim_fast(kind), !kind.is_subtree());
        assert_eq!(inner.claim_looking(kind), !kind.is_subtree() && kind.is_shared());
        inner.word.fetch_and(ENROLLED | CLEAR | KIDS, Ordering::SeqCst);
    }
}

/// A lock above takes `CLEAR` off a node in use, and un-enrols one that is not. While it is held
/// nothing is fast; then the first claim that looks up puts `CLEAR` back.
#[test]
fn a_lock_above_is_seen_and_forgotten() {
    let tree = Tree::new(Duration::MAX);
    let [root, inner, leaf, idle] = nodes(&tree, ["/", "a", "a/b", "a/c"]);
    for above in [&root, &inner] {
        use_once(&leaf);
        use_once(&idle);
        assert!(leaf.claim_fast(Kind::Ss));
        above.try_claim(Kind::Ss).unwrap();
        assert_eq!([word(&leaf), word(&idle)], [ENROLLED | Kind::Ss.unit(), 0]);
        for kind in Kind::ALL {
            assert!(!leaf.claim_fast(kind) && !idle.claim_fast(kind) && !idle.claim_looking(kind));
        }
        assert!(leaf.claim_looking(Kind::Sn), "it conflicts with nothing");
        leaf.drop_claim(Kind::Sn);
        leaf.drop_claim(Kind::Ss);
        assert!(!leaf.claim_looking(Kind::Xs), "it conflicts with what is above");
        assert_eq!(word(&leaf), ENROLLED);
        assert!(PlainArc::ptr_eq(&idle.try_claim(Kind::Xs).unwrap_err(), above));
        assert_eq!(word(&idle), ENROLLED, "it is enrolled now, and covered");
        above.drop_claim(Kind::Ss);
        for node in [&leaf, &idle] {
            assert!(node.claim_looking(Kind::Xs));
            node.drop_claim(Kind::Xs);
            assert_eq!(word(node), ENROLLED | CLEAR);
        }
        above.try_claim(Kind::Xs).unwrap();
        above.drop_claim(Kind::Xs);
    }
    assert!(
        [&leaf, &idle].iter().all(|leaf| leaf.cold_if_any().is_none()),
        "a walk does not enter what has no children"
    );
}

/// A mark above is struck out by whoever is granted below, and makes nobody below step back; one on
/// the node by whoever claims that.
#[test]
fn marks_are_struck_out() {
    let tree = Tree::new(Duration::MAX);
    marks_are_struck_out_on(nodes(&tree, ["a", "a/b"]));
    marks_are_struck_out_on(nodes(&tree, ["/", "c"]));
}

fn marks_are_struck_out_on([inner, leaf]: [PlainArc<Node>; 2]) {
    let marked = |asked: Kind| {
        use_once(&leaf);
        assert!(matches!(inner.claim(asked, None, How::Mark), Claim::Inner));
        assert_ne!(word(&inner) & asked.mark(), 0);
    };
    for asked in [Kind::Xs, Kind::Ss] {
        for claimed in Kind::ALL {
            let conflicts = claimed.conflicting_marks(Place::Above) & asked.mark() != 0;
            marked(asked);
            leaf.word.fetch_and(!CLEAR, Ordering::SeqCst); // as the walk of the try does
            assert_eq!(leaf.claim_looking(claimed), !conflicts, "the slow path does what there is to do");
            if conflicts {
                leaf.try_claim(claimed).unwrap();
            }
            assert_eq!(word(&inner) & asked.mark() == 0, conflicts, "{claimed:?} below a try for {asked:?}");
            assert_eq!(word(&leaf) & CLEAR, 0, "a mark covers it");
            leaf.drop_claim(claimed);
            inner.word.fetch_and(!asked.mark(), Ordering::SeqCst);
        }
        marked(asked);
        assert!(!inner.claim_fast(Kind::Xn));
        inner.claim(Kind::Xn, None, How::Firm);
        assert_eq!(word(&inner) & asked.mark(), 0);
        inner.drop_claim(Kind::Xn);
    }
}
