//! URLs of every kind, and what is wrong with the others.

use super::{Parsed, Way, parse};
use crate::redis::error::RedisStoreError;

#[cfg_attr(not(any(feature = "redis-sentinel", feature = "redis-cluster")), allow(dead_code))]
fn places(parsed: &Parsed) -> String {
    let places = match &parsed.way {
        Way::Fixed(place) => return place.to_string(),
        Way::Sentinels { places, .. } | Way::Nodes(places) => places,
    };
    let places: Vec<String> = places.iter().map(|place| format!("{place:?}")).collect();
    places.join(" ").replace("Host { host: ", "").replace(" port: ", "").replace(" is_tls: ", "").replace(" }", "")
}

fn error(url: &str) -> String {
    let Err(RedisStoreError::Config(text)) = parse(url) else { panic!("{url}") };
    assert!(!text.contains("secret"), "{text}");
    text
}

#[cfg(feature = "redis-sentinel")]
#[test]
fn sentinels() {
    let parsed = parse("redis-sentinel://me:se%20cret@one:1,two,[::1],[::1]:2/my-master.1_x/3").unwrap();
    assert_eq!(places(&parsed), r#""one",1,false "two",26379,false "::1",26379,false "::1",2,false"#);
    assert!(matches!(&parsed.way, Way::Sentinels { service, .. } if service == "my-master.1_x"));
    assert_eq!((parsed.login.user.as_deref(), parsed.login.password.as_deref()), (Some("me"), Some("se cret")));
    assert_eq!(parsed.login.database, 3);
    assert_eq!(parsed.shown, "redis-sentinel://one:1,two:26379,[::1]:26379,[::1]:2/my-master.1_x");
    for (url, what) in [
        ("redis-sentinel://:secret@one,two", "the name of the service"),
        ("redis-sentinel://:secret@one/", "the name of the service"),
        ("redis-sentinel://:secret@one/a b", "the name of the service"),
        ("redis-sentinel://:secret@one/a?x=secret", "the name of the service"),
        ("redis-sentinel://:secret@one,,two/a", "no host"),
        ("redis-sentinel://:secret@/a", "no host"),
        ("redis-sentinel://:secret@one:x/a", "cannot be used"),
        ("redis-sentinel://:secret@one/a/secret", "atabase"),
    ] {
        assert!(error(url).contains(what), "{}", error(url));
    }
}

#[cfg(feature = "redis-cluster")]
#[test]
fn nodes() {
    for end in ["", "/", "/0"] {
        let parsed = parse(&format!("redis-cluster://:secret@one,two:1{end}")).unwrap();
        assert_eq!(places(&parsed), r#""one",6379,false "two",1,false"#);
        assert_eq!((parsed.login.user.as_deref(), parsed.login.password.as_deref()), (None, Some("secret")));
        assert_eq!(parsed.shown, "redis-cluster://one:6379,two:1");
    }
    for (url, what) in [
        ("redis-cluster://:secret@one/1", "the database 0 only"),
        ("redis-cluster://:secret@", "no host"),
        ("redis-cluster://:secret@one#insecure", "an option"),
        ("redis-cluster://:secret@one?x", "an option"),
    ] {
        assert!(error(url).contains(what), "{}", error(url));
    }
}

#[cfg(all(feature = "redis-tls", feature = "redis-sentinel", feature = "redis-cluster"))]
#[test]
fn tls_is_for_guides_and_servers() {
    for url in ["rediss-sentinel://one/a", "rediss-cluster://one"] {
        assert!(places(&parse(url).unwrap()).ends_with(",true"), "{url}");
    }
}

#[cfg(not(feature = "redis-tls"))]
#[test]
fn tls_is_off() {
    for url in ["rediss://me:secret@one/", "rediss-sentinel://me:secret@one/a", "rediss-cluster://me:secret@one"] {
        println!("{}", error(url));
    }
}

#[cfg(not(feature = "redis-sentinel"))]
#[test]
fn sentinels_are_off() {
    for scheme in ["redis", "rediss"] {
        assert!(error(&format!("{scheme}-sentinel://:secret@one/a")).contains("`redis-sentinel` of mutextree is off"));
    }
}

#[cfg(not(feature = "redis-cluster"))]
#[test]
fn clusters_are_off() {
    for scheme in ["redis", "rediss"] {
        assert!(error(&format!("{scheme}-cluster://:secret@one")).contains("`redis-cluster` of mutextree is off"));
    }
}

#[test]
fn one_server() {
    for (url, shown) in [
        ("redis://me:secret@one/2", "one:6379"),
        ("redis://[::1]:1", "[::1]:1"),
        ("unix:///tmp/socket?pass=secret", "/tmp/socket"),
    ] {
        assert_eq!(parse(url).unwrap().shown, shown);
    }
}
