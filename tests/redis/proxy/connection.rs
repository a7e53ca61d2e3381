use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::frame::{self, Command};
use super::rules::Shared;

/// What is read is taken apart by one thread a direction, and delivered by another.
struct Connection {
    number: u64,
    shared: Arc<Shared>,
    asked: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    /// Commands whose answers have not been read, the oldest first.
    commands: VecDeque<Command>,
    /// How many have not been answered, those of a listener left out.
    open: u64,
}

/// A command or an answer, to be delivered at a time; `None` is the end of the stream.
type Parcel = (Instant, Option<(Command, Vec<u8>)>);

pub(super) fn start(client: TcpStream, shared: &Arc<Shared>) {
    let (cut, port) = shared.look(|rules| (rules.cut, rules.server));
    if cut {
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let two = |stream: &TcpStream| (stream.try_clone().unwrap(), stream.try_clone().unwrap());
    let ((from_client, to_client), (from_server, to_server)) = (two(&client), two(&server));
    let number = shared.change(|rules| rules.take_in([client, server]));
    let connection = Arc::new(Connection { number, shared: shared.clone(), asked: Mutex::default() });
    let (requests, to_deliver) = mpsc::channel();
    let (answers, to_return) = mpsc::channel();
    let [one, two, three, four] = [(); 4].map(|()| connection.clone());
    thread::spawn(move || one.read_requests(from_client, &requests));
    thread::spawn(move || two.deliver_requests(to_server, &to_deliver));
    thread::spawn(move || three.read_answers(from_server, &answers));
    thread::spawn(move || four.deliver_answers(to_client, &to_return));
}

impl Connection {
    fn read_requests(&self, from: TcpStream, line: &Sender<Parcel>) {
        let mut end = None;
        read(from, |command| {
            let kind = Command::new(&command);
            let due = self.shared.change(|rules| {
                // What is said at a login is not delayed, so that connections can be opened.
                let delay = if kind == Command::Login { Duration::ZERO } else { rules.delay_requests };
                let due = Instant::now() + delay;
                if kind == Command::Script && rules.loses_request() || !rules.is_open(self.number) {
                    end = Some(due);
                    return None;
                }
                let mut asked = self.asked.lock().unwrap();
                asked.commands.push_back(kind);
                if kind == Command::Listen {
                    rules.listening += 1;
                } else {
                    asked.open += 1;
                    rules.unanswered += 1;
                }
                Some(due)
            });
            due.is_some_and(|due| line.send((due, Some((kind, command)))).is_ok())
        });
        // What was read before is delivered, also if the client has gone meanwhile.
        let end = end.unwrap_or_else(|| Instant::now() + self.shared.look(|rules| rules.delay_requests));
        let _ = line.send((end, None));
    }

    fn read_answers(&self, from: TcpStream, line: &Sender<Parcel>) {
        let mut loses = false;
        read(from, |answer| {
            let (command, due) = self.shared.change(|rules| {
                let asked = self.asked.lock().unwrap().commands.pop_front();
                rules.listening -= u64::from(asked == Some(Command::Listen));
                // A full server answers before it is asked: that is not counted, as a message is
                // not.
                let command = asked.unwrap_or(Command::Listen);
                let lost = match command {
                    Command::Script => !frame::did_not_run(&answer) && rules.loses_answer(),
                    Command::Listen => frame::is_message(&answer) && rules.loses_message(),
                    Command::Login | Command::Other => false,
                };
                let delay = if command == Command::Login { Duration::ZERO } else { rules.delay_answers };
                (command, (!lost).then(|| Instant::now() + delay))
            });
            loses = due.is_none();
            due.is_some_and(|due| line.send((due, Some((command, answer)))).is_ok())
        });
        // A lost answer ends the connection at once.
        let delay = if loses { Duration::ZERO } else { self.shared.look(|rules| rules.delay_answers) };
        let _ = line.send((Instant::now() + delay, None));
    }

    fn deliver_requests(&self, mut to: TcpStream, line: &Receiver<Parcel>) {
        for (due, parcel) in line {
            if !self.shared.wait_to_deliver(self.number, due) {
                break;
            }
            let Some((_, command)) = parcel else { break };
            // A server that is gone is found out by the other direction.
            let _ = to.write_all(&command);
        }
        let _ = to.shutdown(Shutdown::Both);
    }

    fn deliver_answers(&self, mut to: TcpStream, line: &Receiver<Parcel>) {
        while let Ok((due, parcel)) = line.recv()
            && self.shared.wait_to_deliver(self.number, due)
            && let Some((command, answer)) = parcel
        {
            let ran = command == Command::Script && !frame::did_not_run(&answer);
            self.shared.change(|rules| rules.answered += u64::from(ran));
            let _ = to.write_all(&answer); // a client that is gone still has requests on their way
            if command != Command::Listen {
                self.shared.change(|rules| {
                    self.asked.lock().unwrap().open -= 1;
                    rules.unanswered -= 1;
                });
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        self.shared.change(|rules| {
            rules.forget(self.number);
            let asked = std::mem::take(&mut *self.asked.lock().unwrap());
            rules.unanswered -= asked.open;
            rules.listening -= asked.commands.iter().filter(|&&command| command == Command::Listen).count() as u64;
        });
    }
}

/// Takes apart what comes, until the end or until `each` has enough.
fn read(mut from: TcpStream, mut each: impl FnMut(Vec<u8>) -> bool) {
    let (mut buffer, mut read) = (Vec::new(), vec![0; 1 << 16]);
    while let Ok(count @ 1..) = from.read(&mut read) {
        buffer.extend_from_slice(&read[..count]);
        while let Some(length) = frame::length(&buffer) {
            if !each(buffer.drain(..length).collect()) {
                return;
            }
        }
    }
}
