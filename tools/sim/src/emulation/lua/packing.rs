//! The library `struct`: numbers packed into bytes. Whole numbers of 1 to 8 bytes in either order,
//! which is what the scripts use of it; any other format is an error that says so.

use mlua::{Function, Lua, MultiValue, Table, Value};

/// A number in a format.
#[derive(Clone, Copy)]
struct Item {
    size: usize,
    signed: bool,
    little: bool,
}

/// The numbers of a format, from the front.
struct Items<'a> {
    format: &'a [u8],
    little: bool,
}

impl Iterator for Items<'_> {
    type Item = mlua::Result<Item>;

    fn next(&mut self) -> Option<mlua::Result<Item>> {
        loop {
            let (&letter, rest) = self.format.split_first()?;
            self.format = rest;
            let size = match letter {
                b'<' => {
                    self.little = true;
                    continue;
                }
                b'>' => {
                    self.little = false;
                    continue;
                }
                b' ' => continue,
                b'b' | b'B' => 1,
                b'h' | b'H' => 2,
                b'l' | b'L' => 8,
                b'i' | b'I' => match rest.split_first() {
                    Some((digit @ b'1'..=b'8', rest)) if !rest.first().is_some_and(u8::is_ascii_digit) => {
                        self.format = rest;
                        usize::from(digit - b'0')
                    }
                    Some((digit, _)) if digit.is_ascii_digit() => return Some(Err(unknown(letter))),
                    _ => 4,
                },
                _ => return Some(Err(unknown(letter))),
            };
            return Some(Ok(Item { size, signed: letter.is_ascii_lowercase(), little: self.little }));
        }
    }
}

fn unknown(letter: u8) -> mlua::Error {
    mlua::Error::runtime(format!("the format '{}' of `struct` is not emulated", char::from(letter).escape_default()))
}

fn items(format: &[u8]) -> Items<'_> {
    Items { format, little: cfg!(target_endian = "little") }
}

pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    let cached = lua.load(CACHED).into_function()?;
    let (pack, unpack) = (lua.create_function(pack)?, lua.create_function(unpack)?);
    let (pack, unpack): (Function, Function) = cached.call((pack, unpack))?;
    library.raw_set("pack", pack)?;
    library.raw_set("unpack", unpack)?;
    Ok(library)
}

/// Most that is packed are counts of a node: six small numbers, and few different ones. What was
/// packed or unpacked before is looked up. The tables stay small: a processor's cache has room for
/// them. A number that is no number is in no table.
const CACHED: &str = "
    local pack, unpack = ...
    local layout = '<I4I4I4I4I4I4'
    local packed, unpacked, room = {}, {}, 0
    local function make_room()
      if room == 0 then
        packed, unpacked, room = {}, {}, 1000
      end
      room = room - 1
    end
    local function put(at, numbers, text)
      for i = 1, 5 do
        local number = numbers[i]
        at[number] = at[number] or {}
        at = at[number]
      end
      at[numbers[6]] = text
    end
    return function(format, a, b, c, d, e, f, ...)
      if format ~= layout then
        return pack(format, a, b, c, d, e, f, ...)
      end
      local at = packed[a]
      at = at and at[b]
      at = at and at[c]
      at = at and at[d]
      at = at and at[e]
      local text = at and at[f]
      if not text then
        text = pack(format, a, b, c, d, e, f)
        if a == a and b == b and c == c and d == d and e == e and f == f then
          make_room()
          put(packed, { a, b, c, d, e, f }, text)
        end
      end
      return text
    end, function(format, text, ...)
      if format ~= layout or ... then
        return unpack(format, text, ...)
      end
      local it = unpacked[text]
      if not it then
        it = { unpack(format, text) }
        make_room()
        unpacked[text] = it
      end
      return it[1], it[2], it[3], it[4], it[5], it[6], it[7]
    end
";

fn pack(lua: &Lua, arguments: MultiValue) -> mlua::Result<mlua::String> {
    let Some(Value::String(format)) = arguments.front() else {
        return Err(mlua::Error::runtime("bad argument #1 to 'pack' (string expected)"));
    };
    let mut packed = Vec::with_capacity(32);
    for (at, item) in items(&format.as_bytes()).enumerate() {
        let Item { size, little, .. } = item?;
        let number = match arguments.get(at + 1) {
            Some(Value::Integer(number)) => *number as f64,
            Some(Value::Number(number)) => *number,
            Some(value @ Value::String(_)) => lua.coerce_number(value.clone())?.ok_or_else(|| no_number(at))?,
            _ => return Err(no_number(at)),
        };
        // What a cast of C does, so far as that is defined.
        let bits = if number < 0.0 { (number as i64) as u64 } else { number as u64 };
        if little {
            packed.extend_from_slice(&bits.to_le_bytes()[..size]);
        } else {
            packed.extend_from_slice(&bits.to_be_bytes()[8 - size..]);
        }
    }
    lua.create_string(packed)
}

fn no_number(at: usize) -> mlua::Error {
    mlua::Error::runtime(format!("bad argument #{} to 'pack' (number expected)", at + 2))
}

/// The numbers, and the position behind them.
fn unpack(_: &Lua, (format, packed, from): (mlua::String, mlua::String, Option<usize>)) -> mlua::Result<MultiValue> {
    let (format, packed) = (format.as_bytes(), packed.as_bytes());
    let mut at = from.unwrap_or(1).saturating_sub(1);
    let mut numbers = MultiValue::with_capacity(8);
    for item in items(&format) {
        let Item { size, signed, little } = item?;
        let Some(bytes) = packed.get(at..at + size) else {
            return Err(mlua::Error::runtime("bad argument #2 to 'unpack' (data string too short)"));
        };
        let mut bits = [0; 8];
        let value = if little {
            bits[..size].copy_from_slice(bytes);
            u64::from_le_bytes(bits)
        } else {
            bits[8 - size..].copy_from_slice(bytes);
            u64::from_be_bytes(bits)
        };
        let unused = 64 - 8 * u32::try_from(size).unwrap_or(8);
        numbers.push_back(Value::Number(if signed {
            ((value << unused) as i64 >> unused) as f64
        } else {
            value as f64
        }));
        at += size;
    }
    numbers.push_back(Value::Number((at + 1) as f64));
    Ok(numbers)
}
