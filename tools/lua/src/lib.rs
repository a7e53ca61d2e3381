//! [`function`]: a function for Lua 5.1 that reads its arguments where they are, on the stack of
//! the interpreter, and puts its result there.
//!
//! One that `mlua` makes takes down a reference to each argument and to each result, with two
//! allocations each. A script of the store over Redis calls a dozen commands, and half of the
//! simulator's time would go into that.
//!
//! Why it is sound:
//!
//! * The text of an argument belongs to the interpreter. It stays where it is as long as the
//!   argument is on the stack, and that is until the function returns. The closure gets it for no
//!   longer than its call.
//! * The closure belongs to a value that the function has as an upvalue. So it is there as long as
//!   the function.
//! * An error of Lua jumps over what is below it. Where one may be raised, nothing is left that has
//!   to be dropped. Memory that is lacking is no such error: `mlua` ends the process.
//! * A panic of the closure ends the process: it must not unwind through the interpreter.

use std::ffi::c_int;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::abort;

use mlua::ffi;
use mlua::{Function, Lua, lua_State};

/// An argument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Word<'a> {
    /// A string.
    Text(&'a [u8]),
    /// A number.
    Number(f64),
    /// Anything else.
    Other,
}

/// What a result is, as Lua sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Item<'a> {
    /// `false`.
    False,
    /// A number.
    Number(f64),
    /// A string.
    Text(&'a [u8]),
    /// A table with so many elements, from 1 on.
    List(usize),
}

/// A result, or an element of one.
pub trait Reply {
    /// What it is.
    fn item(&self) -> Item<'_>;

    /// The element at this place of a list; the first is at 0.
    fn element(&self, at: usize) -> &Self;
}

/// Owns a closure that is called through a pointer.
struct Owner<F>(Box<F>);

impl<F> fmt::Debug for Owner<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner").finish_non_exhaustive()
    }
}

/// A function that hands its arguments to `closure`, and returns its result. If that is an error,
/// `refused` is called with the text; the function returns what that returns, or raises what that
/// raises.
///
/// # Errors
/// Those of the interpreter: there are none as long as there is memory.
///
/// # Panics
/// Never. If `closure` panics, the process ends.
pub fn function<F, R>(lua: &Lua, refused: &Function, closure: F) -> mlua::Result<Function>
where
    F: Fn(&[Word<'_>]) -> Result<R, String> + 'static,
    R: Reply,
{
    let owner = Owner(Box::new(closure));
    let pointer: *const F = &*owner.0;
    let owner = lua.create_any_userdata(owner)?;
    // SAFETY: the three upvalues are what `entry` expects of these types: the closure, what is
    // called with an error, and the owner of the closure. There is room for them on the stack:
    // `exec_raw` makes room for two arguments, and the interpreter has 20 places to spare.
    unsafe {
        lua.exec_raw((refused, owner), |state| {
            ffi::lua_pushlightuserdata(state, pointer.cast_mut().cast());
            ffi::lua_insert(state, -3);
            ffi::lua_pushcclosure(state, entry::<F, R>, 3);
        })
    }
}

/// As many arguments need no allocation.
const FEW: usize = 16;

/// What the interpreter calls.
unsafe extern "C-unwind" fn entry<F, R>(state: *mut lua_State) -> c_int
where
    F: Fn(&[Word<'_>]) -> Result<R, String>,
    R: Reply,
{
    // SAFETY: the interpreter calls this with its state, as a function with the upvalues that
    // `function` has given it. `serve` has left one value on the stack, and nothing to drop.
    unsafe {
        if serve::<F, R>(state) {
            return 1;
        }
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(2));
        ffi::lua_insert(state, -2);
        ffi::lua_call(state, 1, 1);
    }
    1
}

/// Pushes the result, or the text of an error; whether it is a result.
unsafe fn serve<F, R>(state: *mut lua_State) -> bool
where
    F: Fn(&[Word<'_>]) -> Result<R, String>,
    R: Reply,
{
    // SAFETY: the first upvalue points to a closure of this type, which the third keeps. The
    // arguments stay on the stack until the function returns, which is after the words are gone.
    let result = unsafe {
        let closure = &*ffi::lua_touserdata(state, ffi::lua_upvalueindex(1)).cast::<F>();
        let count = ffi::lua_gettop(state);
        let mut few = [Word::Other; FEW];
        let many: Vec<Word<'_>>;
        let words = match few.get_mut(..usize::try_from(count).unwrap_or(0)) {
            Some(words) => {
                (1..).zip(&mut *words).for_each(|(at, to)| *to = word(state, at));
                &*words
            }
            None => {
                many = (1..=count).map(|at| word(state, at)).collect();
                &many
            }
        };
        catch_unwind(AssertUnwindSafe(|| closure(words))).unwrap_or_else(|_| abort())
    };
    // SAFETY: a function may push some values without asking for room, and `push` asks for more.
    unsafe {
        match result {
            Ok(reply) => push(state, &reply),
            Err(error) => {
                text(state, error.as_bytes());
                false
            }
        }
    }
}

/// The argument at this place. For how long it is there the caller has to know.
unsafe fn word<'a>(state: *mut lua_State, at: c_int) -> Word<'a> {
    // SAFETY: the place is one of an argument. A string is looked at, and not converted.
    unsafe {
        match ffi::lua_type(state, at) {
            ffi::LUA_TSTRING => {
                let mut length = 0;
                let bytes = ffi::lua_tolstring(state, at, &raw mut length);
                Word::Text(std::slice::from_raw_parts(bytes.cast(), length))
            }
            ffi::LUA_TNUMBER => Word::Number(ffi::lua_tonumber(state, at)),
            _ => Word::Other,
        }
    }
}

/// Pushes a result; or the text of an error, if the stack has no room for it.
unsafe fn push<R: Reply>(state: *mut lua_State, reply: &R) -> bool {
    // SAFETY: each list asks for the room that it and an element need.
    unsafe {
        match reply.item() {
            Item::False => ffi::lua_pushboolean(state, 0),
            Item::Number(number) => ffi::lua_pushnumber(state, number),
            Item::Text(bytes) => text(state, bytes),
            Item::List(length) => {
                if ffi::lua_checkstack(state, 8) == 0 {
                    text(state, b"a list in too many lists");
                    return false;
                }
                let elements = c_int::try_from(length).unwrap_or(c_int::MAX);
                ffi::lua_createtable(state, elements, 0);
                for at in 0..length {
                    if !push(state, reply.element(at)) {
                        return false;
                    }
                    ffi::lua_rawseti_(state, -2, c_int::try_from(at + 1).unwrap_or(c_int::MAX));
                }
            }
        }
    }
    true
}

unsafe fn text(state: *mut lua_State, bytes: &[u8]) {
    // SAFETY: the interpreter copies so many bytes.
    unsafe {
        ffi::lua_pushlstring_(state, bytes.as_ptr().cast(), bytes.len());
    }
}
