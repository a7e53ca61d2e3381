//! What Sentinels answer. The texts are those of Redis 7.

use super::super::guide::{Denial, Guide, Told};
use super::super::place::Place;
use super::Sentinel;
use crate::redis::value::Value;

fn list(words: &[&str]) -> Value {
    Value::List(words.iter().map(|word| Value::Bytes(word.as_bytes().into())).collect())
}

fn read(answers: Vec<Result<Value, String>>) -> Result<Told, Denial> {
    let guide = Sentinel { service: "mine".into(), login: Default::default(), is_tls: false };
    assert_eq!(guide.question().1, 2);
    guide.read(answers, &Place::Host { host: "asked".into(), port: 1, is_tls: false })
}

#[test]
fn an_address_and_its_number() {
    let fields = list(&["name", "mine", "ip", "10.0.0.1", "flags", "master", "config-epoch", "7", "quorum", "2"]);
    let told = read(vec![Ok(list(&["10.0.0.1", "6380"])), Ok(fields)]).unwrap();
    assert_eq!((told.master.to_string().as_str(), told.epoch), ("10.0.0.1:6380", Some(7)));
}

#[test]
fn without_a_number() {
    let denied = "NOPERM this user has no permissions to run the 'sentinel|master' command".to_owned();
    for second in [Err(denied), Ok(list(&["name"])), Ok(list(&["config-epoch", "x"])), Ok(Value::Nil)] {
        assert_eq!(read(vec![Ok(list(&["host", "1"])), second]).unwrap().epoch, None);
    }
}

#[test]
fn no_address() {
    let no_such = || Err("ERR No such master with that name".to_owned());
    assert_eq!(read(vec![Ok(Value::Nil), no_such()]), Err(Denial::Never("knows no service `mine`".into())));
    let unknown = || Err("ERR unknown command 'SENTINEL', with args beginning with:".to_owned());
    assert_eq!(read(vec![unknown(), unknown()]), Err(Denial::Never("is no Sentinel".into())));
    for odd in [Ok(list(&[])), Ok(list(&["host"])), Ok(list(&["host", "70000"])), Ok(Value::Int(1)), no_such()] {
        assert!(matches!(read(vec![odd, no_such()]), Err(Denial::Later(_))));
    }
    assert!(matches!(read(Vec::new()), Err(Denial::Later(_))));
}
