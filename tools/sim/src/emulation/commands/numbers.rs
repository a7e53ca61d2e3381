//! Numbers as text, as the server reads and writes them.

use std::io::Write as _;

/// The text of a number: as C's `%.17g` writes it, which is how the server prints scores, and
/// numbers that a script hands to a command.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Digits {
    bytes: [u8; Self::MOST],
    length: usize,
}

impl Digits {
    /// A sign, 17 digits, a point, and an exponent, with room to spare: no number is longer.
    const MOST: usize = 40;

    pub(in super::super) fn new(number: f64) -> Self {
        if number == number.trunc() && number.abs() < 1e17 && !(number == 0.0 && number.is_sign_negative()) {
            return Self::whole(number as i64);
        }
        if number.is_nan() {
            return Self::of(format_args!("{}nan", if number.is_sign_negative() { "-" } else { "" }));
        }
        if number.is_infinite() || number == 0.0 {
            return Self::of(format_args!("{number}"));
        }
        // One digit, a point, 16 digits, and the exponent.
        let scientific = format!("{number:.16e}");
        let (mantissa, exponent) = scientific.split_once('e').expect("it has an exponent");
        let exponent: i32 = exponent.parse().expect("the exponent is a number");
        let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
        let digits = mantissa.replace('.', "");
        let digits = digits.trim_end_matches('0');
        if !(-4..17).contains(&exponent) {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            let minus = if exponent < 0 { '-' } else { '+' };
            return Self::of(format_args!("{sign}{first}{point}{rest}e{minus}{:02}", exponent.abs()));
        }
        if exponent < 0 {
            let zeros = "000";
            let zeros = &zeros[..usize::try_from(-exponent - 1).expect("it is 0 to 3")];
            return Self::of(format_args!("{sign}0.{zeros}{digits}"));
        }
        let whole = usize::try_from(exponent).expect("it is not negative") + 1;
        if digits.len() <= whole {
            return Self::of(format_args!("{sign}{digits:0<whole$}"));
        }
        let (whole, part) = digits.split_at(whole);
        Self::of(format_args!("{sign}{whole}.{part}"))
    }

    pub(in super::super) fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn whole(number: i64) -> Self {
        let (mut bytes, mut at, mut rest) = ([0; Self::MOST], Self::MOST, number.unsigned_abs());
        loop {
            at -= 1;
            bytes[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if number < 0 {
            at -= 1;
            bytes[at] = b'-';
        }
        bytes.copy_within(at.., 0);
        Self { bytes, length: Self::MOST - at }
    }

    fn of(text: std::fmt::Arguments<'_>) -> Self {
        let mut bytes = [0; Self::MOST];
        let mut rest = &mut bytes[..];
        rest.write_fmt(text).expect("no number is longer");
        let length = Self::MOST - rest.len();
        Self { bytes, length }
    }
}

/// A whole number as the server takes it: no sign but a minus, no zero in front, nothing around it.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let plain = match digits {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if plain { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

/// A number that fills the whole text, as the server takes a score: no space before it, and none
/// that is too large or too small for a double.
pub(super) fn float(text: &[u8]) -> Option<f64> {
    // Most scores are times: whole numbers that a u64 has room for.
    if (1..=18).contains(&text.len()) && text.iter().all(u8::is_ascii_digit) {
        return Some(text.iter().fold(0, |number, &digit| number * 10 + u64::from(digit - b'0')) as f64);
    }
    wide_float(text).filter(|_| !strtod(text).out_of_range)
}

/// The same, read as a number of more than 64 bits: then it fits.
pub(super) fn wide_float(text: &[u8]) -> Option<f64> {
    let read = strtod(text);
    let whole = read.length == text.len() && !text.is_empty() && !is_space(text[0]);
    (whole && !read.number.is_nan()).then_some(read.number)
}

/// A number at the start of a range, as the server takes the end of a range of scores: it is C's
/// `strtod` on a string that ends with its first zero.
pub(super) fn bound(text: &[u8]) -> Option<f64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let read = strtod(text);
    (read.length == text.len() && !read.number.is_nan()).then_some(read.number)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

struct Read {
    number: f64,
    /// How much of the text it is.
    length: usize,
    out_of_range: bool,
}

/// C's `strtod`: the longest number at the start.
fn strtod(text: &[u8]) -> Read {
    let spaces = text.iter().take_while(|&&byte| is_space(byte)).count();
    let after_sign = spaces + usize::from(matches!(text.get(spaces), Some(b'+' | b'-')));
    let negative = text.get(spaces) == Some(&b'-') && after_sign > spaces;
    let rest = &text[after_sign..];
    let (number, length, out_of_range) = unsigned(rest);
    if length == 0 {
        return Read { number: 0.0, length: 0, out_of_range: false };
    }
    Read { number: if negative { -number } else { number }, length: after_sign + length, out_of_range }
}

fn unsigned(text: &[u8]) -> (f64, usize, bool) {
    let starts = |word: &str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
    for (word, number) in [("infinity", f64::INFINITY), ("inf", f64::INFINITY), ("nan", f64::NAN)] {
        if starts(word) {
            return (number, word.len(), false);
        }
    }
    if starts("0x") {
        let (number, length) = hexadecimal(&text[2..]);
        // Without a digit behind the x it is the 0 in front of it.
        return if length == 0 { (0.0, 1, false) } else { (number, 2 + length, false) };
    }
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = digits(0);
    let mut any = end;
    if text.get(end) == Some(&b'.') {
        let part = digits(end + 1);
        any += part;
        end += 1 + part;
    }
    if any == 0 {
        return (0.0, 0, false);
    }
    if let Some(b'e' | b'E') = text.get(end) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits((end + 1 + sign).min(text.len()));
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let plain = std::str::from_utf8(&text[..end]).expect("these are digits");
    let number: f64 = plain.parse().expect("this is a number");
    let mantissa = plain.split(['e', 'E']).next().unwrap_or_default();
    let vanished = number == 0.0 && mantissa.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    (number, end, vanished || number.is_infinite())
}

/// The digits behind `0x`. Exact up to 13 of them, which is what anybody writes.
fn hexadecimal(text: &[u8]) -> (f64, usize) {
    let (mut number, mut scale, mut end, mut any, mut point) = (0.0_f64, 0_i32, 0, false, false);
    while let Some(&byte) = text.get(end) {
        match char::from(byte).to_digit(16) {
            Some(digit) => {
                number = number * 16.0 + f64::from(digit);
                scale -= if point { 4 } else { 0 };
                any = true;
            }
            None if byte == b'.' && !point => point = true,
            None => break,
        }
        end += 1;
    }
    if !any {
        return (0.0, 0);
    }
    if let Some(b'p' | b'P') = text.get(end) {
        let negative = text.get(end + 1) == Some(&b'-');
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let digits = text[(end + 1 + sign).min(text.len())..].iter().take_while(|byte| byte.is_ascii_digit());
        let exponent: Vec<u8> = digits.copied().collect();
        if !exponent.is_empty() {
            let text = std::str::from_utf8(&exponent).expect("these are digits");
            let value: i32 = text.parse().unwrap_or(100_000);
            scale += if negative { -value } else { value };
            end += 1 + sign + exponent.len();
        }
    }
    (number * 2.0_f64.powi(scale), end)
}
