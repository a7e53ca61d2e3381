use super::{Event, What, id};

#[test]
fn a_line_is_read_as_it_was_written() {
    let claim = || "shared:node:a/x".parse().unwrap();
    let all = [
        What::Asks { claim: claim(), waits: true },
        What::Granted { claim: claim(), token: 7, before: 8, lease: 9, renews: false },
        What::Refused,
        What::Kept { hits: 10, recalls: 11 },
        What::Failed { text: "the lock store failed: it is away".into() },
        What::Seen,
        What::Refreshes { length: 10 },
        What::Weaker,
        What::Lost,
        What::Releases,
        What::Released,
        What::Stalled { since: 11 },
        What::Panicked { text: "a b".into() },
        What::Idle,
    ];
    for what in all {
        let event = Event { at: 5, id: id(3, 4), what };
        let read: Event = event.to_string().parse().unwrap();
        assert_eq!(format!("{read:?}"), format!("{event:?}"));
    }
    assert!("5 6 granted 7 eight 9 true shared:node:a".parse::<Event>().is_err());
}
