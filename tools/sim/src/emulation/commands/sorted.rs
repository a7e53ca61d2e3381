//! The commands on sorted sets.

use std::ops::Bound;

use super::super::data::{Bytes, Sorted};
use super::numbers::{bound, float, integer};
use super::{Digits, Error, NO_FLOAT, NO_INTEGER, Reply, Result, SYNTAX, Server, length};

/// The options of `ZADD`.
#[derive(Default)]
struct Options {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
    ch: bool,
    incr: bool,
}

impl Options {
    /// And how many words they are.
    fn read<W: AsRef<[u8]>>(words: &[W]) -> (Self, usize) {
        let mut options = Self::default();
        for (at, word) in words.iter().enumerate() {
            let is = |name: &[u8]| word.as_ref().eq_ignore_ascii_case(name);
            let flag = match () {
                () if is(b"nx") => &mut options.nx,
                () if is(b"xx") => &mut options.xx,
                () if is(b"gt") => &mut options.gt,
                () if is(b"lt") => &mut options.lt,
                () if is(b"ch") => &mut options.ch,
                () if is(b"incr") => &mut options.incr,
                () => return (options, at),
            };
            *flag = true;
        }
        (options, words.len())
    }
}

/// What became of a member.
enum Outcome {
    Added(f64),
    Changed(f64),
    /// It has that score already.
    Same(f64),
    /// The options forbid it.
    Nothing,
}

impl Options {
    fn apply(&self, sorted: &mut Sorted, member: &[u8], score: f64) -> std::result::Result<Outcome, Error> {
        let Some(current) = sorted.score(member) else {
            if self.xx {
                return Ok(Outcome::Nothing);
            }
            sorted.insert(member, score);
            return Ok(Outcome::Added(score));
        };
        if self.nx {
            return Ok(Outcome::Nothing);
        }
        let score = if self.incr { current + score } else { score };
        if score.is_nan() {
            return Err("ERR resulting score is not a number (NaN)".into());
        }
        if self.lt && score >= current || self.gt && score <= current {
            return Ok(Outcome::Nothing);
        }
        if score == current {
            return Ok(Outcome::Same(score));
        }
        sorted.insert(member, score);
        Ok(Outcome::Changed(score))
    }
}

impl Server {
    pub(super) fn zadd<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result {
        let key = words[0].as_ref();
        let (options, many) = Options::read(&words[1..]);
        let pairs = &words[1 + many..];
        if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
            return Err(SYNTAX);
        }
        let Options { nx, xx, gt, lt, ch, incr } = options;
        if nx && xx {
            return Err("ERR XX and NX options at the same time are not compatible".into());
        }
        if nx && (gt || lt) || gt && lt {
            return Err("ERR GT, LT, and/or NX options at the same time are not compatible".into());
        }
        if incr && pairs.len() > 2 {
            return Err("ERR INCR option supports a single increment-element pair".into());
        }
        if pairs.chunks_exact(2).any(|pair| float(pair[0].as_ref()).is_none()) {
            return Err(NO_FLOAT);
        }
        if xx && self.data.get::<Sorted>(key)?.is_none() {
            return Ok(if incr { Reply::Nil } else { Reply::Int(0) });
        }
        let sorted: &mut Sorted = self.data.get_or_make(key)?;
        let (mut added, mut changed, mut last) = (0, 0, Reply::Nil);
        for pair in pairs.chunks_exact(2) {
            let score = float(pair[0].as_ref()).ok_or(NO_FLOAT)?;
            match options.apply(sorted, pair[1].as_ref(), score)? {
                Outcome::Added(score) => (added, last) = (added + 1, Reply::Digits(Digits::new(score))),
                Outcome::Changed(score) => (changed, last) = (changed + 1, Reply::Digits(Digits::new(score))),
                Outcome::Same(score) => last = Reply::Digits(Digits::new(score)),
                Outcome::Nothing => last = Reply::Nil,
            }
        }
        self.watch_ends(key, pairs.chunks_exact(2).map(|pair| pair[1].as_ref()));
        Ok(if incr { last } else { Reply::Int(added + if ch { changed } else { 0 }) })
    }

    pub(super) fn zscore<W: AsRef<[u8]>>(&self, words: &[W]) -> Result {
        let sorted: Option<&Sorted> = self.data.get(words[0].as_ref())?;
        let score = sorted.and_then(|sorted| sorted.score(words[1].as_ref()));
        Ok(score.map_or(Reply::Nil, |score| Reply::Digits(Digits::new(score))))
    }

    pub(super) fn zrem<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result {
        let key = words[0].as_ref();
        let Some(sorted): Option<&mut Sorted> = self.data.get_mut(key)? else { return Ok(Reply::Int(0)) };
        let gone = words[1..].iter().filter(|member| sorted.remove(member.as_ref())).count();
        self.data.drop_if_empty(key);
        self.watch_ends(key, words[1..].iter().map(AsRef::as_ref));
        Ok(Reply::Int(length(gone)))
    }

    pub(super) fn zrangebyscore<W: AsRef<[u8]>>(&self, words: &[W]) -> Result {
        let page = Page::read(&words[3..])?;
        let (from, to) = (score_bound(words[1].as_ref())?, score_bound(words[2].as_ref())?);
        let Some(sorted): Option<&Sorted> = self.data.get(words[0].as_ref())? else { return Ok(Reply::List(vec![])) };
        let starts = |score: f64| match from {
            Bound::Excluded(from) => score > from,
            Bound::Included(from) => score >= from,
            Bound::Unbounded => true,
        };
        let lasts = |score: f64| match to {
            Bound::Excluded(to) => score < to,
            Bound::Included(to) => score <= to,
            Bound::Unbounded => true,
        };
        let within = sorted.iter().skip_while(|&(score, _)| !starts(score)).take_while(|&(score, _)| lasts(score));
        let mut reply = Vec::new();
        for (score, member) in page.of(within) {
            reply.push(Reply::Bytes(member.clone()));
            if page.with_scores {
                reply.push(Reply::Digits(Digits::new(score)));
            }
        }
        Ok(Reply::List(reply))
    }

    pub(super) fn zrangebylex<W: AsRef<[u8]>>(&self, words: &[W]) -> Result {
        let page = Page::read(&words[3..])?;
        if page.with_scores {
            return Err("ERR syntax error, WITHSCORES not supported in combination with BYLEX".into());
        }
        let (from, to) = (LexBound::read(words[1].as_ref())?, LexBound::read(words[2].as_ref())?);
        let Some(sorted): Option<&Sorted> = self.data.get(words[0].as_ref())? else { return Ok(Reply::List(vec![])) };
        if LexBound::nothing_between(from, to) {
            return Ok(Reply::List(vec![]));
        }
        if sorted.has_one_score() {
            let range = sorted.members().range::<[u8], _>((from.as_start(), to.as_end()));
            return Ok(Reply::List(page.of(range.map(|(member, _)| member)).cloned().map(Reply::Bytes).collect()));
        }
        // Nobody should ask this. Small sets are read one after another.
        let mut all = sorted.iter().map(|(_, member)| member);
        let (first, last) = (all.next(), all.last());
        if !last.is_some_and(|last| from.starts(last)) || !first.is_some_and(|first| to.lasts(first)) {
            return Ok(Reply::List(vec![]));
        }
        let range = sorted.iter().map(|(_, member)| member);
        let mut range = range.skip_while(|member| !from.starts(member)).peekable();
        if !range.peek().is_some_and(|first| to.lasts(first)) {
            return Ok(Reply::List(vec![]));
        }
        // What is passed over is not looked at.
        let range = range.skip(page.offset()).take_while(|member| to.lasts(member)).take(page.count());
        Ok(Reply::List(range.cloned().map(Reply::Bytes).collect()))
    }
}

/// The options of a range.
struct Page {
    with_scores: bool,
    offset: i64,
    count: i64,
}

impl Page {
    fn read<W: AsRef<[u8]>>(words: &[W]) -> std::result::Result<Self, Error> {
        let mut page = Self { with_scores: false, offset: 0, count: -1 };
        let mut rest = words;
        while let [first, others @ ..] = rest {
            if first.as_ref().eq_ignore_ascii_case(b"withscores") {
                page.with_scores = true;
                rest = others;
            } else if let [offset, count, others @ ..] = others
                && first.as_ref().eq_ignore_ascii_case(b"limit")
            {
                page.offset = integer(offset.as_ref()).ok_or(NO_INTEGER)?;
                page.count = integer(count.as_ref()).ok_or(NO_INTEGER)?;
                rest = others;
            } else {
                return Err(SYNTAX);
            }
        }
        Ok(page)
    }

    fn of<T>(&self, range: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        range.skip(self.offset()).take(self.count())
    }

    /// A negative one is behind all.
    fn offset(&self) -> usize {
        usize::try_from(self.offset).unwrap_or(usize::MAX)
    }

    /// A negative one is all.
    fn count(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }
}

fn score_bound(text: &[u8]) -> std::result::Result<Bound<f64>, Error> {
    let (text, open) = text.strip_prefix(b"(").map_or((text, false), |rest| (rest, true));
    let number = bound(text).ok_or("ERR min or max is not a float")?;
    Ok(if open { Bound::Excluded(number) } else { Bound::Included(number) })
}

/// One end of a range of members.
#[derive(Clone, Copy)]
enum LexBound<'a> {
    /// Before all.
    Minus,
    Open(&'a [u8]),
    Closed(&'a [u8]),
    /// Behind all.
    Plus,
}

impl<'a> LexBound<'a> {
    fn read(text: &'a [u8]) -> std::result::Result<Self, Error> {
        match text {
            [b'-'] | [b'-', 0, ..] => Ok(Self::Minus),
            [b'+'] | [b'+', 0, ..] => Ok(Self::Plus),
            [b'(', rest @ ..] => Ok(Self::Open(rest)),
            [b'[', rest @ ..] => Ok(Self::Closed(rest)),
            _ => Err("ERR min or max not valid string range item".into()),
        }
    }

    fn nothing_between(from: Self, to: Self) -> bool {
        match (from, to) {
            (Self::Plus, _) | (_, Self::Minus) => true,
            (Self::Minus, _) | (_, Self::Plus) => false,
            (Self::Closed(from), Self::Closed(to)) => from > to,
            (Self::Open(from) | Self::Closed(from), Self::Open(to) | Self::Closed(to)) => from >= to,
        }
    }

    fn starts(self, member: &Bytes) -> bool {
        match self {
            Self::Minus => true,
            Self::Open(from) => &**member > from,
            Self::Closed(from) => &**member >= from,
            Self::Plus => false,
        }
    }

    fn lasts(self, member: &Bytes) -> bool {
        match self {
            Self::Minus => false,
            Self::Open(to) => &**member < to,
            Self::Closed(to) => &**member <= to,
            Self::Plus => true,
        }
    }

    fn as_start(self) -> Bound<&'a [u8]> {
        self.as_end()
    }

    fn as_end(self) -> Bound<&'a [u8]> {
        match self {
            Self::Open(text) => Bound::Excluded(text),
            Self::Closed(text) => Bound::Included(text),
            // Which of both it is has been looked at before.
            Self::Minus | Self::Plus => Bound::Unbounded,
        }
    }
}
