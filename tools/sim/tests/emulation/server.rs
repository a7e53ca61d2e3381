//! A `redis-server` of the test's own, on a socket in a directory that goes with it, and all that
//! it holds.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mutextree_sim::simulator::emulation::testing::{Contents, Key};
use redis::Value;
use tempfile::TempDir;

/// What a server answers: the error is the text of an error reply.
pub(crate) type Answer = Result<Value, String>;

pub(crate) struct Server {
    child: Child,
    stream: BufReader<UnixStream>,
    /// The scripts that it knows, and their hashes.
    known: Vec<(String, Vec<u8>)>,
    /// Goes last.
    _directory: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        let directory = TempDir::new().expect("a directory can be made");
        let socket = directory.path().join("socket");
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(&socket).arg("--dir").arg(directory.path());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap_or_else(|error| {
            panic!("these tests need `redis-server` (7.0 or later) to compare with, and it cannot be run: {error}")
        });
        let began = Instant::now();
        let stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(error) => {
                    assert!(began.elapsed() < Duration::from_secs(20), "redis-server does not start: {error}")
                }
            }
            std::thread::yield_now();
        };
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket has a time limit");
        Self { child, stream: BufReader::new(stream), known: Vec::new(), _directory: directory }
    }

    pub(crate) fn clear(&mut self) {
        self.command(&[b"FLUSHALL"]).expect("it can forget all");
    }

    /// Runs a script.
    pub(crate) fn eval(&mut self, text: &str, keys: &[String], arguments: &[&[u8]]) -> Answer {
        let hash = match self.known.iter().position(|(known, _)| known == text) {
            Some(at) => at,
            None => {
                let loaded = self.command(&[b"SCRIPT", b"LOAD", text.as_bytes()]).map_err(|error| named(&error))?;
                let Value::BulkString(hash) = loaded else { panic!("{loaded:?} is no hash") };
                self.known.push((text.to_owned(), hash));
                self.known.len() - 1
            }
        };
        let hash = self.known[hash].1.clone();
        let count = keys.len().to_string();
        let mut words: Vec<&[u8]> = vec![b"EVALSHA", &hash, count.as_bytes()];
        words.extend(keys.iter().map(|key| key.as_bytes()));
        words.extend(arguments);
        self.command(&words).map_err(|error| named(&error))
    }

    pub(crate) fn command(&mut self, words: &[&[u8]]) -> Answer {
        self.send(&[words]);
        self.answer()
    }

    fn send(&mut self, commands: &[&[&[u8]]]) {
        let mut bytes = Vec::new();
        for words in commands {
            bytes.extend(format!("*{}\r\n", words.len()).bytes());
            for word in *words {
                bytes.extend(format!("${}\r\n", word.len()).bytes());
                bytes.extend_from_slice(word);
                bytes.extend(b"\r\n");
            }
        }
        self.stream.get_mut().write_all(&bytes).expect("the server takes commands");
    }

    fn answer(&mut self) -> Answer {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).expect("the server answers");
        assert!(line.ends_with(b"\r\n"), "the server died: {}", String::from_utf8_lossy(&line));
        let rest = String::from_utf8_lossy(&line[1..line.len() - 2]).into_owned();
        let number = || rest.parse::<i64>().expect("a number");
        match (line[0], &*rest) {
            (b'-', _) => Err(rest),
            (b'+', _) => Ok(Value::SimpleString(rest)),
            (b':', _) => Ok(Value::Int(number())),
            (b'$' | b'*', "-1") => Ok(Value::Nil),
            (b'$', _) => {
                let mut bytes = vec![0; usize::try_from(number()).expect("a length") + 2];
                self.stream.read_exact(&mut bytes).expect("the server answers");
                bytes.truncate(bytes.len() - 2);
                Ok(Value::BulkString(bytes))
            }
            (b'*', _) => {
                // All of it is read before the first error in it is told.
                let elements: Vec<Answer> = (0..number()).map(|_| self.answer()).collect();
                elements.into_iter().collect::<Result<_, _>>().map(Value::Array)
            }
            _ => panic!("{} is no answer", String::from_utf8_lossy(&line)),
        }
    }

    /// Every key, sorted, and what it holds; in three round trips.
    pub(crate) fn contents(&mut self) -> Vec<Key> {
        let mut names = list(self.command(&[b"KEYS", b"*"]));
        names.sort();
        let questions: Vec<[&[u8]; 2]> = names.iter().flat_map(|name| [[b"TYPE", &**name], [b"PTTL", name]]).collect();
        self.send(&questions.iter().map(|words| &words[..]).collect::<Vec<_>>());
        let about: Vec<(Value, Value)> = names.iter().map(|_| (self.sound(), self.sound())).collect();
        let all = |name, (kind, _): &(Value, Value)| -> Vec<&[u8]> {
            let Value::SimpleString(kind) = kind else { panic!("{kind:?} is no type") };
            match &**kind {
                "hash" => vec![b"HGETALL", name],
                "zset" => vec![b"ZRANGE", name, b"0", b"-1", b"WITHSCORES"],
                "list" => vec![b"LRANGE", name, b"0", b"-1"],
                // It went in between.
                "none" => vec![b"PING", name],
                other => panic!("nothing makes a {other}"),
            }
        };
        let questions: Vec<Vec<&[u8]>> = names.iter().zip(&about).map(|(name, about)| all(name, about)).collect();
        self.send(&questions.iter().map(|words| &words[..]).collect::<Vec<_>>());
        let mut keys = Vec::new();
        for (words, (_, left)) in questions.iter().zip(&about) {
            let answer = self.answer();
            let contents = match words[0] {
                b"HGETALL" => {
                    let mut pairs = pairs(list(answer));
                    pairs.sort();
                    Contents::Hash(pairs)
                }
                b"ZRANGE" => {
                    let score = |text: Vec<u8>| String::from_utf8_lossy(&text).parse().expect("a score");
                    let all = pairs(list(answer)).into_iter().map(|(member, text)| (member, score(text)));
                    Contents::Sorted(all.collect())
                }
                b"LRANGE" => Contents::List(list(answer)),
                _ => continue,
            };
            keys.push((words[1].to_vec(), contents, *left != Value::Int(-1)));
        }
        keys
    }

    /// An answer that is no error.
    fn sound(&mut self) -> Value {
        self.answer().expect("the server knows the command")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn list(answer: Answer) -> Vec<Vec<u8>> {
    let Ok(Value::Array(elements)) = answer else { panic!("{answer:?} is no list") };
    let bytes = |element| match element {
        Value::BulkString(bytes) => bytes,
        other => panic!("{other:?} is no string"),
    };
    elements.into_iter().map(bytes).collect()
}

fn pairs(flat: Vec<Vec<u8>>) -> Vec<(Vec<u8>, Vec<u8>)> {
    flat.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

/// An error without what names the script in it: the emulation has no hashes.
fn named(error: &str) -> String {
    let end = error.find(" script: ").unwrap_or(error.len());
    error[..end].to_owned()
}
