//! [`Cluster`]: how the nodes of a cluster are asked who has the tree's slot; and [`moved_to`].

use super::super::command::command;
use super::super::primitives::Arc;
use super::super::value::Value;
use super::answer::Answer;
use super::guide::{Denial, Guide, Told};
use super::login::Login;
use super::place::Place;
use super::slots::{Slots, Table};

const SLOTS: u16 = 16384;

pub(super) struct Cluster {
    pub(super) slots: Arc<Slots>,
    pub(super) table: Arc<Table>,
    pub(super) login: Login,
    pub(super) is_tls: bool,
}

impl Guide for Cluster {
    fn question(&self) -> (Vec<u8>, usize) {
        (command(&[b"CLUSTER", b"SLOTS"]), 1)
    }

    fn read(&self, answers: Vec<Answer>, asked: &Place) -> Result<Told, Denial> {
        let ranges = match answers.into_iter().next() {
            Some(Ok(Value::List(ranges))) => ranges,
            Some(Err(error)) if error.contains("cluster support disabled") => {
                return Err(Denial::Never("is no node of a cluster".into()));
            }
            Some(Err(error)) => return Err(Denial::Later(format!("says {error}"))),
            _ => return Err(Denial::Later("answered what makes no sense".into())),
        };
        let (mut master, mut guides, mut table) = (None, Vec::new(), Vec::new());
        let slot = self.slots.asked();
        for range in &ranges {
            let Value::List(range) = range else { continue };
            let [Value::Int(first), Value::Int(last), nodes @ ..] = &range[..] else { continue };
            let mut nodes = nodes.iter().filter_map(|node| self.place(node, asked));
            let Some(first_node) = nodes.next() else { continue };
            if (*first..=*last).contains(&i64::from(slot)) {
                master = Some(first_node.clone());
            }
            if let (Ok(first), Ok(last)) = (u16::try_from(*first), u16::try_from(*last)) {
                table.push((first, last, first_node.clone()));
            }
            for node in std::iter::once(first_node).chain(nodes) {
                if !guides.contains(&node) {
                    guides.push(node);
                }
            }
        }
        self.table.set(table);
        let nobody = || Denial::Later(format!("says that no node has the slot {slot}"));
        Ok(Told { master: master.ok_or_else(nobody)?, epoch: None, guides })
    }

    fn login(&self) -> &Login {
        &self.login
    }
}

impl Cluster {
    /// A node is a list of host, port and more. The host is empty if it is that of the node asked.
    fn place(&self, node: &Value, asked: &Place) -> Option<Place> {
        let Value::List(words) = node else { return None };
        let [host, Value::Int(port), ..] = &words[..] else { return None };
        let host = match host {
            Value::Bytes(host) => String::from_utf8(host.clone()).ok()?,
            Value::Nil => String::new(),
            _ => return None,
        };
        let port = u16::try_from(*port).ok().filter(|port| *port > 0)?;
        place(&host, port, self.is_tls, asked)
    }
}

fn place(host: &str, port: u16, is_tls: bool, asked: &Place) -> Option<Place> {
    let host = match (host, asked) {
        ("", Place::Host { host, .. }) => host.clone(),
        ("" | "?", _) => return None, // it does not know
        (host, _) => host.into(),
    };
    Some(Place::Host { host, port, is_tls })
}

/// The slot that somebody else has, by such an error.
pub(super) fn moved_slot(error: &str) -> Option<u16> {
    error.strip_prefix("MOVED ")?.split(' ').next()?.parse().ok()
}

/// Who has the slot, by an error as `MOVED 3999 127.0.0.1:6381` of the server that was asked.
pub(super) fn moved_to(error: &str, asked: &Place) -> Option<Place> {
    let address = error.strip_prefix("MOVED ")?.split(' ').nth(1)?;
    let (host, port) = address.rsplit_once(':')?;
    let is_tls = matches!(asked, Place::Host { is_tls: true, .. });
    place(host.trim_matches(['[', ']']), port.parse().ok()?, is_tls, asked)
}

/// The slot of all keys with this hash tag.
pub(super) fn slot(tag: &str) -> u16 {
    let crc = tag.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 })
    });
    crc % SLOTS
}

#[cfg(test)]
mod tests;
