use super::doing;
use crate::event::{Event, What, id};

fn events(of: &[(u64, u64, What)]) -> Vec<Event> {
    let event =
        |(worker, number, what): &(u64, u64, What)| Event { at: 1, id: id(*worker, *number), what: what.clone() };
    of.iter().map(event).collect()
}

fn asks() -> What {
    What::Asks { claim: "shared:node:a".parse().unwrap(), waits: true }
}

fn granted() -> What {
    What::Granted { claim: "shared:node:a".parse().unwrap(), token: 7, before: 1, lease: 9, renews: true }
}

fn failed() -> What {
    What::Failed { text: "no answer in time".into() }
}

#[test]
fn who_has_no_store_yet_is_known_by_its_errors() {
    let (ids, text) = doing(2, &events(&[(1, 1, asks()), (2, 0, failed()), (2, 0, failed())]));
    assert!(ids.is_empty());
    assert_eq!(text, "it has asked for no lock yet; it was told 2 times, at last: no answer in time");
}

#[test]
fn what_has_begun_and_has_no_end_is_named() {
    let all = [
        (2, 1, asks()),
        (2, 2, asks()),
        (2, 2, granted()),
        (2, 2, failed()),
        (2, 3, asks()),
        (2, 3, granted()),
        (2, 3, What::Releases),
        (2, 3, failed()),
        (2, 4, asks()),
        (2, 4, failed()),
        (2, 5, asks()),
        (2, 5, granted()),
        (2, 5, What::Releases),
        (2, 5, What::Released),
    ];
    let (ids, text) = doing(2, &events(&all));
    assert_eq!(ids, [id(2, 1), id(2, 2), id(2, 3)]);
    assert_eq!(text, "2.1 asks for shared:node:a, 2.2 holds shared:node:a, 2.3 gives back shared:node:a");
    assert_eq!(doing(2, &events(&all[8..])).1, "nothing that it told of");
}
