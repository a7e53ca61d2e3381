use super::{Way, address};

#[test]
fn a_url_leads_to_servers() {
    let all = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let sentinels = Way::of("redis-sentinel://ann:p%40ss@a,b:7,[::1]/mine/3");
    let expected = Way::Sentinels { addresses: all(&["a:26379", "b:7", "[::1]:26379"]), service: "mine".into() };
    assert_eq!(sentinels, expected);
    assert_eq!(Way::of("rediss-cluster://a,b:7"), Way::Cluster { addresses: all(&["a:6379", "b:7"]) });
    for fixed in ["redis://a:7/3", "rediss://ann:secret@a", "unix:///run/redis", "nonsense"] {
        assert!(Way::of(fixed).is_fixed(), "{fixed}");
    }
    assert_eq!((address("::1", 7), address("a", "7")), ("[::1]:7".into(), "a:7".into()));
}
