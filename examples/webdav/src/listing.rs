//! The live locks as a tree to look at: the store's own picture, with the holders in a few words.

use mutextree::{Owner, Snapshot};

use crate::label::Label;

/// Who holds what, and who waits.
pub(crate) fn render(snapshot: &Snapshot) -> String {
    let held = snapshot.holders().cloned().map(|mut lock| {
        lock.owner = lock.owner.map(in_a_few_words);
        lock
    });
    let waiting = snapshot.waiters().cloned().map(|mut waiter| {
        waiter.owner = waiter.owner.map(in_a_few_words);
        waiter.behind = None; // found anew, in the same words
        waiter
    });
    Snapshot::new(held.collect(), waiting.collect()).to_string()
}

fn in_a_few_words(owner: Owner) -> Owner {
    Label::read(&owner).map_or(owner, |label| label.describe().into())
}

#[cfg(test)]
mod tests {
    use mutextree::{HeldLock, Kind, WaitingLock};

    use super::*;

    #[test]
    fn holders_and_waiters_are_named_in_a_few_words() {
        let mut lock = HeldLock::new("docs/a.txt".parse().unwrap(), Kind::default());
        lock.owner = Some("urn:uuid:1 <D:owner xmlns:D=\"DAV:\">Ada on desk-7</D:owner>".into());
        let mut other = HeldLock::new("music".parse().unwrap(), Kind::default());
        other.owner = Some("nightly backup".into());
        let mut waiter = WaitingLock::new("docs".parse().unwrap(), Kind::default());
        waiter.owner = Some(Owner::from(&Label::request("DELETE")));
        let shown = "\
/
├─ docs        waits  exclusive  a DELETE that is being answered  behind `docs/a.txt`, held by Ada on desk-7
│  └─ a.txt  ! held   exclusive  Ada on desk-7
└─ music       held   exclusive  nightly backup

2 held, 1 waits; ! somebody waits for it
";
        assert_eq!(render(&Snapshot::new(vec![lock, other], vec![waiter])), shown);
    }
}
