//! Trees of several slots at one site, and slots that move (R1 to R4).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use super::super::fake::{Fake, Reply, bulk, echo as echo_reply};
use super::super::{echo, soon};
use super::list;
use crate::redis::value::Value;
use crate::redis::wire::cluster::slot;
use crate::redis::wire::{Destination, Net, Wire};

/// Two nodes. What has not moved is at the first.
struct Nodes {
    nodes: [Fake; 2],
    moved: Moved,
}

/// Where the slot of each tree is that has moved.
type Moved = Arc<Mutex<HashMap<&'static str, usize>>>;

const TREES: [&str; 2] = ["one", "two"];

impl Nodes {
    fn start() -> Self {
        let (moved, ports): (Moved, Arc<OnceLock<[u16; 2]>>) = Default::default();
        let nodes = [0, 1].map(|at| {
            let (moved, ports) = (moved.clone(), ports.clone());
            Fake::start(move |_, words| reply(at, &moved.lock().unwrap(), ports.get().unwrap(), words))
        });
        ports.set([nodes[0].port(), nodes[1].port()]).unwrap();
        Self { nodes, moved }
    }

    fn moves(&self, tree: &'static str, to: usize) {
        self.moved.lock().unwrap().insert(tree, to);
    }

    fn wires(&self) -> [Wire; 2] {
        let url = format!("redis-cluster://127.0.0.1:{}", self.nodes[0].port());
        let to = Destination { url, ..Destination::default() };
        let net = Net::new(&to, None, 5_000_000);
        TREES.map(|tree| {
            let wire = net.wire(tree).unwrap();
            answers(&wire, tree);
            wire
        })
    }
}

/// An `ECHO` is of the tree that it names.
fn reply(at: usize, moved: &HashMap<&'static str, usize>, ports: &[u16; 2], words: &[Vec<u8>]) -> Reply {
    let owner = |tree: &str| moved.get(tree).copied().unwrap_or(0);
    match &*words[0] {
        b"CLUSTER" => {
            let node = |at: usize| list(&[bulk(b"127.0.0.1"), format!(":{}\r\n", ports[at]).into_bytes()]);
            let mut ranges = vec![];
            let mut slots = TREES.map(|tree| (slot(tree), owner(tree)));
            slots.sort_unstable();
            let mut next = 0;
            for (slot, owner) in slots {
                for (first, last, owner) in [(next, slot - 1, 0), (slot, slot, owner)] {
                    let bound = |slot: u16| format!(":{slot}\r\n").into_bytes();
                    ranges.push(list(&[bound(first), bound(last), node(owner)]));
                }
                next = slot + 1;
            }
            Reply::Bytes(list(&ranges))
        }
        b"ECHO" => {
            let tree = str::from_utf8(&words[1]).unwrap();
            match owner(tree) {
                owner if owner == at => echo_reply(words),
                owner => Reply::Bytes(format!("-MOVED {} 127.0.0.1:{}\r\n", slot(tree), ports[owner]).into_bytes()),
            }
        }
        b"INFO" => Reply::Bytes(bulk(format!("run_id:{at}\r\nrole:master\r\n").as_bytes())),
        _ => echo_reply(words),
    }
}

#[track_caller]
fn answers(wire: &Wire, tree: &str) {
    assert_eq!(wire.call(&echo(tree), soon()), Ok(Value::Bytes(tree.into())));
}

fn are_together([one, two]: &[Wire; 2]) -> bool {
    Arc::ptr_eq(&one.site(), &two.site())
}

#[test]
fn a_slot_that_moves_takes_its_tree_along_and_nothing_else() {
    for (goes, stays) in [(0, 1), (1, 0)] {
        let nodes = Nodes::start();
        let wires = nodes.wires();
        assert!(are_together(&wires));
        let mut own = wires[stays].open(soon()).unwrap();
        nodes.moves(TREES[goes], 1);
        answers(&wires[goes], TREES[goes]);
        assert!(!are_together(&wires));
        answers(&wires[stays], TREES[stays]);
        assert!(own.call(&echo(TREES[stays]), soon()).is_ok() && own.is_good(), "others keep their connections");
        nodes.moves(TREES[goes], 0);
        answers(&wires[goes], TREES[goes]);
        assert!(are_together(&wires), "there is one site a master");
    }
}

/// Not even when the one that has moved was asked for, for all of them, and nobody was told.
#[test]
fn a_look_finds_that_a_slot_has_moved() {
    for (goes, stays) in [(0, 1), (1, 0)] {
        let nodes = Nodes::start();
        let wires = nodes.wires();
        let mut own = wires[stays].open(soon()).unwrap();
        nodes.moves(TREES[goes], 1);
        (0..3).for_each(|_| wires[stays].look(soon()));
        assert!(own.is_good(), "others keep their connections");
        assert!(own.call(&echo(TREES[stays]), soon()).is_ok());
        answers(&wires[goes], TREES[goes]);
        answers(&wires[stays], TREES[stays]);
    }
}

/// A site whose trees all move goes along; if there is one already they go there.
#[test]
fn all_move_one_after_the_other() {
    let nodes = Nodes::start();
    let wires = nodes.wires();
    for (tree, wire) in TREES.into_iter().zip(&wires) {
        nodes.moves(tree, 1);
        answers(wire, tree);
    }
    assert!(are_together(&wires), "there is one site a master");
}

/// The connections of one's own tell where the tree is, too.
#[test]
fn what_another_connection_was_told_is_heeded() {
    let nodes = Nodes::start();
    let wires = nodes.wires();
    let mut own = wires[0].open(soon()).unwrap();
    nodes.moves(TREES[0], 1);
    let failure = own.call(&echo(TREES[0]), soon()).unwrap_err();
    assert!(own.is_good(), "it serves other trees");
    wires[0].heed(&failure);
    assert!(!are_together(&wires));
    assert!(wires[0].open(soon()).unwrap().call(&echo(TREES[0]), soon()).is_ok());
}
