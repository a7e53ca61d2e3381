//! What a lane does that was called: exchanges, gives back, and says what is in use.

use super::super::client::Client;
use super::super::own::Own;
use super::{BATCH, Keeping, State};
use crate::observe::meters::Recall;
use crate::redis::clock::clock;
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;
use crate::redis::protocol::calls::{self, Answered, Released};
use crate::redis::protocol::exchange::Exchange;
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::release::{Outcome, Release};
use crate::redis::protocol::script::Call;

/// What a lane has to do.
struct Work {
    /// To be given back.
    back: Vec<Arc<Lock>>,
    /// To be said that they are in use.
    in_use: Vec<Arc<Lock>>,
    /// Those that are over once all of that is done.
    recalls: Vec<Recall>,
    /// To be sent.
    exchanges: Vec<Exchange>,
}

impl Keeping {
    /// All that is to be done now, by a lane that was called for it.
    fn work(&self) -> Work {
        let mut state = self.state.lock();
        state.called = false;
        let now = clock();
        let exchanges = state.exchanges.extract_if(.., |it| it.0 <= now).map(|it| it.1).collect();
        let State { back, in_use, recalls, .. } = &mut *state;
        let [back, in_use] = [back, in_use].map(std::mem::take);
        Work { back, in_use, recalls: std::mem::take(recalls), exchanges }
    }
}

/// Whether the server has them back. If not the agenda goes on with it.
pub(super) fn give_back(
    client: &Client,
    batch: &[Arc<Lock>],
    send: impl FnOnce(&Release) -> Result<Released, Failure>,
) -> bool {
    client.agenda(|agenda| batch.iter().for_each(|lock| _ = agenda.forget(lock)));
    let Some(mut release) = Release::of_many(batch.to_vec(), false) else { return true };
    let answer = send(&release);
    let is_done = match release.answered(answer.as_ref().map_err(Failure::clone), true) {
        Outcome::Done { .. } => true,
        Outcome::Again | Outcome::Failed(_) => {
            client.agenda(|agenda| agenda.give_up(release, clock()));
            false
        }
    };
    if let Ok(released) = answer {
        client.left_over(released.more);
    }
    is_done
}

/// A lane has been called: does all there is to do.
pub(in crate::redis::run) fn give_back_all(own: &mut Own, client: Arc<Client>) {
    let Some(keeping) = &client.keeping else { return };
    let Work { mut back, in_use, recalls, exchanges } = keeping.work();
    let (mut failed, mut owed): (Option<Failure>, usize) = (None, 0);
    for exchange in exchanges {
        // After a failure the rest fails with it, and is sent again a little later.
        let send = |call: &Call, deadline| {
            let answer = failed.clone().map_or_else(|| own.call(&client, call, deadline), Err);
            failed = answer.as_ref().err().cloned();
            answer
        };
        let (gone, count) = keeping.send(&client, exchange, send);
        back.extend(gone);
        owed += count;
    }
    let deadline = clock() + client.timing.release_limit();
    let mut are_back = failed.is_none();
    for batch in back.chunks(BATCH) {
        are_back &= give_back(&client, batch, |release| own.call(&client, &release.call(&client.timing), deadline));
    }
    keeping.paid(&client, owed);
    if are_back {
        recalls.into_iter().for_each(Recall::end);
    }
    for batch in in_use.chunks(BATCH) {
        let call = calls::in_use(batch.iter().map(|lock| &**lock), &client.timing);
        // If it fails, whoever wants to know asks again.
        if let Ok(Answered { more, .. }) = own.call(&client, &call, deadline) {
            client.left_over(more);
        }
    }
}
