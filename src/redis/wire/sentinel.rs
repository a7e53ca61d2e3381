//! [`Sentinel`]: how Sentinels are asked.
//!
//! `SENTINEL GET-MASTER-ADDR-BY-NAME` is what clients are to ask: while a failover goes on it names
//! the new master as soon as there is one. `SENTINEL MASTER` has the `config-epoch`, a number that
//! each failover raises. So of two Sentinels that contradict each other the one that slept through
//! a failover is known.

use super::super::command::command;
use super::super::value::Value;
use super::answer::Answer;
use super::guide::{Denial, Guide, Told};
use super::login::Login;
use super::place::Place;

pub(super) struct Sentinel {
    pub(super) service: String,
    pub(super) login: Login,
    pub(super) is_tls: bool,
}

impl Guide for Sentinel {
    fn question(&self) -> (Vec<u8>, usize) {
        let service = self.service.as_bytes();
        let mut commands = command(&[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", service]);
        commands.extend_from_slice(&command(&[b"SENTINEL", b"MASTER", service]));
        (commands, 2)
    }

    fn read(&self, answers: Vec<Answer>, _: &Place) -> Result<Told, Denial> {
        let mut answers = answers.into_iter();
        let (address, master) = (answers.next(), answers.next());
        let words = match address {
            Some(Ok(Value::List(words))) => words,
            Some(Ok(Value::Nil)) => return Err(Denial::Never(format!("knows no service `{}`", self.service))),
            Some(Err(error)) if error.starts_with("ERR unknown command") => {
                return Err(Denial::Never("is no Sentinel".into()));
            }
            Some(Err(error)) => return Err(Denial::Later(format!("says {error}"))),
            _ => return Err(Denial::Later("answered what makes no sense".into())),
        };
        let mut words = words.iter().map(text);
        let (host, port) = (words.next().flatten(), words.next().flatten());
        let port = port.and_then(|port| port.parse().ok());
        let (Some(host), Some(port)) = (host, port) else {
            return Err(Denial::Later("named a master without host and port".into()));
        };
        // Without it, as where the user may not ask, nothing is known to be older.
        let epoch = match master {
            Some(Ok(Value::List(fields))) => field(&fields, "config-epoch"),
            _ => None,
        };
        let master = Place::Host { host, port, is_tls: self.is_tls };
        Ok(Told { master, epoch, guides: Vec::new() })
    }

    fn login(&self) -> &Login {
        &self.login
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Bytes(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    }
}

/// A number in a list of names and values.
fn field(fields: &[Value], name: &str) -> Option<u64> {
    let found = fields.chunks_exact(2).find(|pair| text(&pair[0]).as_deref() == Some(name))?;
    text(&found[1])?.parse().ok()
}

#[cfg(test)]
mod tests;
