use super::{Orders, READ, WRITE};

const PATH: &str = "shop/orders";

/// Two connections to one new table.
fn two(with_tokens: bool) -> (tempfile::TempDir, Orders, Orders) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("orders.db");
    Orders::create(&file, PATH).unwrap();
    let open = || Orders::open(&file, with_tokens).unwrap();
    let (one, other) = (open(), open());
    (directory, one, other)
}

#[test]
fn a_smaller_token_neither_reads_nor_writes() {
    let (_directory, late, next) = two(true);
    assert_eq!(late.read(PATH, 5).unwrap(), Some(0));
    assert_eq!(next.read(PATH, 6).unwrap(), Some(0));
    assert!(!late.write(PATH, 5, 1).unwrap(), "the next holder has read, and not yet written");
    assert!(next.write(PATH, 6, 1).unwrap());
    assert!(next.write(PATH, 6, 2).unwrap(), "a holder may write again");
    assert!(!late.write(PATH, 5, 1).unwrap());
    assert_eq!(late.read(PATH, 5).unwrap(), None);
    assert_eq!(next.read(PATH, 7).unwrap(), Some(2));
}

#[test]
fn without_tokens_anybody_writes() {
    let (_directory, late, next) = two(false);
    assert_eq!(late.read(PATH, 5).unwrap(), Some(0));
    assert!(next.write(PATH, 6, 7).unwrap());
    assert!(late.write(PATH, 5, 1).unwrap());
    assert_eq!(next.read(PATH, 6).unwrap(), Some(1));
}

#[test]
fn the_documentation_has_these_statements() {
    let page = include_str!("../../../../docs/distributed.md");
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for statement in [READ, WRITE] {
        assert!(words(page).contains(&words(statement)), "docs/distributed.md has another statement than {statement}");
    }
}
