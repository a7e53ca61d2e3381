//! Values on their way into a command, and out of a script: each expression of Lua gives the same
//! on a real server.

use fastrand::Rng;
use mutextree_sim::simulator::emulation::testing::Emulated;

use crate::programs;
use crate::server::Server;

/// What a script may return.
const REPLIES: &[&str] = &[
    // numbers
    "0",
    "1",
    "-1",
    "1.9",
    "-1.9",
    "0.5",
    "-0.5",
    "-0",
    "2^31",
    "2^32",
    "2^53",
    "2^53 + 2",
    "-2^53",
    "2^62",
    "2^63 - 1024",
    "-2^63",
    "1e15 + 0.5",
    "1e18",
    "-1e18",
    "9223372036854774784",
    "1700000000123456",
    // strings
    "''",
    "'a'",
    "'a\\0b'",
    "'\\255\\254'",
    "'a\\r\\nb'",
    "'1'",
    "('x'):rep(1000)",
    // nothing, yes and no
    "nil",
    "false",
    "true",
    "print == nil",
    "function() end",
    "coroutine.create(function() end)",
    // lists
    "{}",
    "{ 1, 2, 3 }",
    "{ 1, nil, 3 }",
    "{ nil, 2 }",
    "{ 1, false, 3 }",
    "{ false }",
    "{ true, true }",
    "{ 1.5, -1.5, '1.5' }",
    "{ 1, { 2, { 3, {} } }, 'x' }",
    "{ {}, {}, { false } }",
    "{ 1, 2, x = 3 }",
    "{ [0] = 1, [1] = 2 }",
    "{ x = 1 }",
    "{ 1, 2, nil, 4 }",
    "{ [1] = 1, [2] = 2, [4] = 4 }",
    "{ 'a', { nil, 1 }, 'b' }",
    "{ 1, function() end, 3 }",
    "{ unpack({}, 1, 3) }",
    "{ 1, unpack({ false, 'x' }) }",
    // tables that mean something
    "{ ok = 'fine' }",
    "{ ok = 'fi\\r\\nne' }",
    "{ ok = '' }",
    "{ ok = 1 }",
    "{ ok = {} }",
    "{ ok = 'fine', 1, 2 }",
    "{ err = 'ERR no' }",
    "{ err = 'CODE no' }",
    "{ err = 1 }",
    "{ err = 'A b', ok = 'c' }",
    "{ { ok = 'in a list' }, 1 }",
    "redis.status_reply('PONG')",
    "redis.error_reply('MY way')",
    "redis.error_reply('-MY way')",
    "redis.error_reply('alone')",
    "redis.error_reply('-alone')",
    // what commands give
    "redis.call('HGET', 'none', 'none')",
    "redis.call('HGET', 'none', 'none') == false",
    "redis.call('HMGET', 'none', 'a', 'b')",
    "#redis.call('HMGET', 'none', 'a', 'b')",
    "redis.call('HMGET', 'none', 'a')[1] == false",
    "type(redis.call('HEXISTS', 'none', 'a'))",
    "type(redis.call('ZSCORE', 'none', 'a'))",
    "redis.call('ZRANGEBYLEX', 'none', '-', '+')[1] == nil",
    "type(redis.pcall('HGET'))",
    "redis.pcall('HGET').err",
    "redis.pcall('HGET')",
    "redis.call('HGET')",
    "redis.call()",
    "redis.pcall()",
    "redis.pcall().err",
    "redis.call('NONE', 1)",
    "redis.call(nil)",
    "redis.call('HGET', 'a', nil)",
    "redis.call('HGET', 'a', {})",
    "redis.call('HGET', 'a', true)",
    "redis.pcall('HGET', 'a', {}).err",
    "redis.call({})",
    "{ pcall(redis.call, 'HGET') }",
    "{ pcall(redis.call, 'HGET', 'a', 'b') }",
    "{ pcall(error, 'mine') }",
    "{ pcall(function() return 1, 2 end) }",
    "{ pcall(error, { err = 'MINE own' }) }",
    "redis.call('BLMPOP', 0, 1, 'none', 'LEFT') == false",
    "type(redis.call('TIME')[1])",
    "#redis.call('TIME')",
    "redis.call('RPUSH', 'new', 1, 2)",
    "redis.call('BLMPOP', 0, 1, 'new', 'LEFT', 'COUNT', 5)",
    // what is in the way of mistakes
    "nonexistent",
    "math.nonexistent == nil",
    "os == nil",
    "rawget(_G, 'x') == nil",
    "(function() x = 1 end)()",
    "(function() redis = 1 end)()",
    "(function() _G.x = 1 end)()",
    "(function() tick = tick end)()",
    "nil + 1",
    "('x') + 1",
    "#nil",
    "({})[nil]",
    "nil .. ''",
    "{} .. ''",
    "1 < 'x'",
    "(nil)()",
    "(nil).x",
    "error('mine')",
    "error('mine', 0)",
    "assert(false)",
    "assert(nil, 'why')",
    "tonumber('x') == nil",
    "tonumber('')== nil",
    // how Lua writes numbers
    "1e15 .. ''",
    "1e14 .. ''",
    "123456789012345 .. ''",
    "0.1 .. ''",
    "1e100 .. ''",
    "-0 .. ''",
    "2^53 .. ''",
    "tostring(1e16)",
    "string.format('%.0f', 2^53)",
    "string.format('%016.0f', 1700000000123456)",
    "string.format('%d', 3)",
    "string.format(',%.0f', 1e15 + 1)",
    "'10' + 5",
    "'0x10' + 0",
    "'1700000000' * 1000000 + '123456'",
    "10 % 16",
    "-1 % 16",
    "1700000000123456 % 16",
    "'5' < '10'",
    "'a\\0b' < 'a\\0c'",
    "math.max(2^53, 1)",
    "math.floor(-1.5)",
    "#'a\\0b'",
    // patterns and positions
    "{ ('1,2,3'):match('^(%d),(%d+),()') }",
    "{ ('a\\0b'):find('\\0', 1, true) }",
    "('a\\1b\\1c'):match('^(.*)\\1')",
    "('abc'):sub(2, -1)",
    "('abc'):sub(5)",
    "('abc'):sub(1, 0)",
    "{ ('\\1a\\1b'):find('\\1', 2, true) }",
    // `#` and `unpack` on the edge
    "#{ 1, 2, 3, nil }",
    "select('#', unpack(ARGV))",
    "select('#', unpack(KEYS))",
    "#ARGV",
    "#KEYS",
    "ARGV[1]",
    "ARGV[9] == nil",
    "{ unpack(ARGV, 2) }",
    "{ unpack(ARGV, 2, 3) }",
    "KEYS[1]",
    "type(ARGV[2])",
    "ARGV",
    "KEYS",
    // packed numbers
    "struct.pack('<I4I4I4I4I4I4', 1, 2, 3, 4, 5, 6)",
    "struct.pack('<I4', 2^32 - 1)",
    "struct.pack('>I4', 258)",
    "struct.pack('<I4', -1)",
    "struct.pack('<I4', '7')",
    "struct.pack('<I2I1', 513, 3)",
    "struct.pack('<i8', -2)",
    "struct.pack('<I4', 2^32 + 5)",
    "struct.pack('<I4', 1.9)",
    "struct.pack('')",
    "struct.pack('<I4 I4', 1, 2)",
    "struct.pack('<hHbBlL', 1, 2, 3, 4, 5, 6)",
    "{ struct.unpack('<I4I4', '\\1\\0\\0\\0\\255\\255\\255\\255') }",
    "{ struct.unpack('<i4', '\\255\\255\\255\\255') }",
    "{ struct.unpack('>I2', '\\1\\2') }",
    "{ struct.unpack('<I4', 'xx\\1\\0\\0\\0', 3) }",
    "{ struct.unpack('<bB', '\\255\\255') }",
    "{ struct.unpack('', 'abc') }",
    "select('#', struct.unpack('<I4I4I4I4I4I4', ('\\0'):rep(24)))",
    "pcall(struct.unpack, '<I4', 'abc')",
    "pcall(struct.pack, '<I4')",
    "pcall(struct.unpack, '<I4', false)",
];

/// What a script may hand to a command.
const ARGUMENTS: &[&str] = &[
    "0",
    "1",
    "-1",
    "-0",
    "42",
    "1e3",
    "2^24",
    "2^31",
    "2^32",
    "2^53",
    "2^53 + 2",
    "2^60",
    "1e15",
    "1e16",
    "99999999999999984",
    "1e17",
    "123456789012345680",
    "1e18",
    "1e20",
    "1e21",
    "1e22",
    "1e100",
    "1.7976931348623157e308",
    "5e-324",
    "2.2250738585072014e-308",
    "0.1",
    "0.2 + 0.1",
    "-0.5",
    "1.5",
    "1/3",
    "-1/3",
    "100/3",
    "1e5/3",
    "1e10/3",
    "1e15/3",
    "1e16/3",
    "1e17/3",
    "1e-3",
    "1e-4",
    "1e-5",
    "1.5e-4",
    "1.5e-5",
    "1e-10/3",
    "1e15 + 0.5",
    "1700000000123456",
    "1700000000123456 + 30000000",
    "-1e17",
    "-1e16",
    "1/0",
    "-1/0",
    "0/0",
    "-(0/0)",
    "''",
    "'a'",
    "'a\\0b'",
    "'\\255'",
    "'007'",
    "' 1'",
    "1 .. ''",
    "1e15 .. ''",
    "math.pi",
    "-math.pi * 1e-7",
    "123456.789e3",
    "4503599627370496.5",
];

/// What differs, if anything does.
fn difference(server: &mut Server, emulated: &mut Emulated, text: &str) -> Option<String> {
    let keys = ["first".to_owned(), "second".to_owned()];
    let arguments: [&[u8]; 4] = [b"one", b"2", b"", b"\xff\0"];
    let real = server.eval(text, &keys, &arguments);
    let ours = emulated.eval(text, &keys, &arguments, 1_700_000_000_123_456);
    (ours != real).then(|| format!("{text}\n  emulated: {ours:?}\n  real:     {real:?}"))
}

#[test]
fn replies_are_read_as_on_a_real_server() {
    let (mut server, mut emulated) = (Server::start(), Emulated::default());
    let mut all = Vec::new();
    for expression in REPLIES {
        all.extend(difference(&mut server, &mut emulated, &format!("return {expression}")));
        let within = format!("local value = {expression}\nreturn {{ 'before', value, 'behind' }}");
        all.extend(difference(&mut server, &mut emulated, &within));
    }
    assert!(all.is_empty(), "{} differences:\n{}", all.len(), all.join("\n"));
}

#[test]
fn arguments_are_written_as_on_a_real_server() {
    let (mut server, mut emulated) = (Server::start(), Emulated::default());
    let first = "redis.call('HSET', 'hash', 'field', VALUE) return redis.call('HGET', 'hash', 'field')";
    let score = "redis.call('ZADD', 'sorted', VALUE, 'member') return redis.call('ZSCORE', 'sorted', 'member')";
    let pushed = "redis.call('DEL', 'list') redis.call('RPUSH', 'list', VALUE, VALUE)
        return redis.call('BLMPOP', 0, 1, 'list', 'LEFT', 'COUNT', 2)";
    let back = "redis.call('ZADD', 'sorted', VALUE, 'member') return redis.call('ZSCORE', 'sorted', 'member') + 0";
    let upto = "redis.call('ZADD', 'sorted', VALUE, 'member')
        return redis.call('ZRANGEBYSCORE', 'sorted', '-inf', VALUE, 'LIMIT', 0, 1)";
    let mut all = Vec::new();
    for value in ARGUMENTS {
        for text in [first, score, pushed, back, upto] {
            all.extend(difference(&mut server, &mut emulated, &text.replace("VALUE", value)));
        }
    }
    assert!(all.is_empty(), "{} differences:\n{}", all.len(), all.join("\n"));
}

/// Doubles of all sizes, and what is next to a round one.
#[test]
fn random_numbers_are_written_as_on_a_real_server() {
    programs(40, |seed, server, emulated| {
        let mut rng = Rng::with_seed(seed);
        let numbers: Vec<String> = (0..200)
            .map(|_| {
                let number = match rng.u8(..4) {
                    0 => f64::from_bits(rng.u64(..)),
                    1 => f64::from(rng.i32(..)) / 10_f64.powi(rng.i32(-3..12)),
                    2 => (10_f64.powi(rng.i32(-8..22))).next_up(),
                    _ => (rng.u64(..) >> rng.u8(1..63)) as f64,
                };
                if number.is_nan() { "0".into() } else { format!("{number:e}") }
            })
            .map(|text| text.replace("inf", "1/0"))
            .collect();
        let list = numbers.join(", ");
        let text = format!(
            "local numbers = {{ {list} }}
            for i, number in ipairs(numbers) do
              redis.call('HSET', 'hash', i, number)
              redis.call('ZADD', 'sorted', number, i)
            end
            local fields = {{}}
            for i = 1, #numbers do fields[i] = i end
            return {{ redis.call('HMGET', 'hash', unpack(fields)),
              redis.call('ZRANGEBYSCORE', 'sorted', '-inf', '+inf', 'WITHSCORES') }}"
        );
        let real = server.eval(&text, &[], &[]);
        assert_eq!(emulated.eval(&text, &[], &[], 0), real, "seed {seed}: {list}");
        assert_eq!(emulated.contents(), server.contents(), "seed {seed}: {list}");
    });
}
