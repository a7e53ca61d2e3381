//! What the driver sends, and what comes of it.

use super::{Asks, Client, Job, Shared, push};
use crate::observe::meters::retried;
use crate::redis::clock::clock;
use crate::redis::error::Failure;
use crate::redis::primitives::{Arc, Ordering};
use crate::redis::protocol::calls::{Released, Reply};
use crate::redis::protocol::release::{Outcome, Release};
use crate::redis::protocol::script::Call;
use crate::redis::value::Value;

/// A command, and whose it is.
pub(super) struct Sending {
    pub(super) client: Arc<Client>,
    pub(super) call: Call,
    whose: Whose,
}

enum Whose {
    Task(Arc<dyn Asks>),
    Release(Release),
}

impl Sending {
    /// `None` if there is nothing to send. And until when it is to be sent.
    pub(super) fn from_job(job: Job) -> Option<(Self, u64)> {
        match job {
            Job::Ask(task, latest) => {
                let (call, deadline) = task.take_up()?;
                let client = task.client().clone();
                Some((Self { client, call, whose: Whose::Task(task) }, deadline.min(latest)))
            }
            Job::Release(client, release, deadline) => {
                let call = release.call(&client.timing);
                Some((Self { client, call, whose: Whose::Release(release) }, deadline))
            }
            Job::Barrier(barrier) => {
                barrier.pass();
                None
            }
        }
    }

    pub(super) fn answered(self, shared: &Arc<Shared>, answer: Result<Value, Failure>, sent: u64) {
        match self.whose {
            Whose::Task(task) => task.answered(answer, sent),
            Whose::Release(release) => released(shared, &self.client, release, answer),
        }
    }
}

/// There is nobody to return an error to. That the lock was not held any more is told to those who
/// listen for losses.
fn released(shared: &Arc<Shared>, client: &Arc<Client>, mut release: Release, answer: Result<Value, Failure>) {
    let answer: Result<Released, Failure> = Reply::from_answer(answer);
    match release.answered(answer.as_ref().map_err(Failure::clone), false) {
        Outcome::Done { was_held } => {
            if release.was_held && !was_held {
                client.tell_loss(&release.lock);
            }
        }
        Outcome::Again => {
            retried(1);
            let deadline = client.timing.call_deadline(clock());
            // Of a tree that is gone by now it stays here.
            let job = Job::Release(client.clone(), release, deadline);
            return push(client, job, true).unwrap_or_else(|job| drop(shared.push(job, true)));
        }
        Outcome::Failed(_) => client.agenda(|agenda| agenda.give_up(release, clock())),
    }
    if let Ok(released) = answer {
        client.left_over(released.more);
    }
    client.owed.fetch_sub(1, Ordering::Relaxed);
}
