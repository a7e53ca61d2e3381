use super::*;

#[test]
fn a_script_is_its_parts_behind_its_flags() {
    for script in Script::ALL {
        let text = script.text();
        let (first, rest) = text.split_once('\n').unwrap();
        let takes =
            matches!(script, Script::Acquire | Script::AcquireSet | Script::Widen | Script::Upgrade | Script::Grow);
        // What takes a lock may not go on without memory; what gives one back has to.
        assert_eq!(first.contains("allow-oom"), !takes, "{script:?}");
        assert!(first.starts_with("#!lua") && rest.starts_with(include_str!("../../lua/prelude.lua")), "{script:?}");
        let own = format!("{script:?}").to_lowercase();
        assert!(text.replace('_', "").contains(&format!("\n-- {own}: ")), "{script:?}");
    }
}

#[test]
fn the_number_of_a_script_is_its_place() {
    for (at, script) in Script::ALL.into_iter().enumerate() {
        assert_eq!(script as usize, at);
    }
}

#[test]
fn words_are_counted_as_they_are_written() {
    let call = Call::new(Script::Tidy).bytes(b"ab").number(10).bytes(b"");
    assert_eq!((call.count, &*call.words), (3, &b"$2\r\nab\r\n$2\r\n10\r\n$0\r\n\r\n"[..]));
}

/// The server goes in front of the claim window, whatever else there is; and only where one is.
#[test]
fn a_call_says_which_server_it_is_for() {
    let written = |call: &Call, server: &str| {
        let mut bytes = Vec::new();
        call.write(server, &mut bytes);
        String::from_utf8(bytes).unwrap()
    };
    let call = Call::new(Script::Tidy).number(350).bytes(b"a\r\n");
    assert_eq!(written(&call, ""), "$3\r\n350\r\n$3\r\na\r\n\r\n");
    assert_eq!(written(&call, "server"), "$9\r\nserver350\r\n$3\r\na\r\n\r\n");
    let probe = Call::new(Script::Probe).bytes(b"c1");
    assert_eq!(written(&probe, "server"), "$2\r\nc1\r\n");
}
