//! What a function made here gives and takes, seen from Lua.

use mlua::{Function, Lua};
use mutextree_lua::{Item, Reply, Word, function};

/// The arguments, as a list; an argument that is neither text nor a number is an error.
enum Echo {
    Text(Vec<u8>),
    Number(f64),
    False,
    List(Vec<Self>),
}

impl Reply for Echo {
    fn item(&self) -> Item<'_> {
        match self {
            Self::Text(text) => Item::Text(text),
            Self::Number(number) => Item::Number(*number),
            Self::False => Item::False,
            Self::List(list) => Item::List(list.len()),
        }
    }

    fn element(&self, at: usize) -> &Self {
        match self {
            Self::List(list) => &list[at],
            other => other,
        }
    }
}

fn lua() -> Lua {
    let lua = Lua::new();
    let raise = lua.create_function(|_, text: String| -> mlua::Result<()> { Err(mlua::Error::runtime(text)) });
    let owned = String::from("owned by the closure");
    let echo = move |words: &[Word<'_>]| {
        let all: Result<Vec<Echo>, String> = words
            .iter()
            .map(|word| match word {
                Word::Text(b"false") => Ok(Echo::False),
                Word::Text(b"list") => Ok(Echo::List(vec![Echo::Text(owned.clone().into()), Echo::Number(2.0)])),
                Word::Text(text) => Ok(Echo::Text(text.to_vec())),
                Word::Number(number) => Ok(Echo::Number(*number)),
                Word::Other => Err("neither text nor a number".into()),
            })
            .collect();
        all.map(Echo::List)
    };
    let echo = raise.and_then(|raise| function(&lua, &raise, echo)).expect("it is made");
    lua.globals().set("echo", echo).expect("it is set");
    lua
}

#[test]
fn arguments_and_results_are_what_they_were() {
    let lua = lua();
    for check in [
        "#echo() == 0",
        "echo('a\\0b', '')[1] == 'a\\0b' and echo('a', '')[2] == ''",
        "echo('12')[1] == '12' and type(echo('12')[1]) == 'string'",
        "echo(1.5)[1] == 1.5 and echo(1700000000000001)[1] == 1700000000000001",
        "echo('false')[1] == false",
        "echo('list', 7)[1][1] == 'owned by the closure' and echo('list', 7)[1][2] == 2 and echo('list', 7)[2] == 7",
    ] {
        assert!(lua.load(check).eval::<bool>().expect(check), "{check}");
    }
}

/// More than have room without an allocation, and more than the stack has room for at first.
#[test]
fn many_arguments_are_all_there() {
    let check = "local t = {} for i = 1, 5000 do t[i] = 'word ' .. i end
        local back = echo(unpack(t))
        for i = 1, 5000 do if back[i] ~= t[i] then return false end end
        return #back == 5000";
    assert!(lua().load(check).eval::<bool>().expect("it runs"));
}

#[test]
fn an_error_is_raised_and_can_be_caught() {
    let lua = lua();
    let error = lua.load("echo({})").exec().expect_err("a table is no word");
    assert!(error.to_string().contains("neither text nor a number"), "{error}");
    let caught: bool = lua.load("return (pcall(echo, nil))").eval().expect("it runs");
    assert!(!caught);
    assert!(lua.load("echo('still')[1] == 'still'").eval::<bool>().expect("it runs"));
}

/// The closure stays as long as anybody has the function, whatever is collected in between.
#[test]
fn the_closure_lives_as_long_as_the_function() {
    let lua = lua();
    let kept: Function = lua.globals().get("echo").expect("it is there");
    lua.globals().set("echo", mlua::Nil).expect("it is unset");
    for _ in 0..3 {
        lua.gc_collect().expect("it collects");
    }
    let back: mlua::Table = kept.call("list").expect("it runs");
    let list: mlua::Table = back.get(1).expect("a list");
    assert_eq!(list.get::<String>(1).expect("text"), "owned by the closure");
}
