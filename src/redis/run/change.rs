//! What the calling thread does with a lock that becomes another one: narrower, wider, or
//! exclusive.

use std::panic::Location;
use std::thread;
use std::time::Duration;

use super::caller::{instant, may_wait, not_held, perform};
use super::client::store_error;
use super::confirm;
use super::engine::Engine;
use super::inbox::Inbox;
use super::keeping::settle;
use crate::deadlock::Asks;
use crate::error::LockError;
use crate::observe::meters::retried;
use crate::observe::{Store, Waiting};
use crate::redis::clock::clock;
use crate::redis::error::Failure;
use crate::redis::primitives::Arc;
use crate::redis::protocol::acquisition::MayWait;
use crate::redis::protocol::calls::{Answered, Changed};
use crate::redis::protocol::change::{Got, Narrow, Next, Upgrade, Widen};
use crate::redis::protocol::held::Outcome;
use crate::redis::protocol::keys::Target;
use crate::redis::protocol::lock::Lock;
use crate::redis::protocol::message::News;
use crate::redis::protocol::timing::{NEVER, RECALL, recall_pause};
use crate::request::{Kind, Request, Wait};

/// Makes a lock one for each of these nodes. After an error other than `NotHeld` it is held as
/// before. If it is not known whether the server has done it, the lock is lost.
pub(in crate::redis) fn narrow(engine: &Engine, lock: &Arc<Lock>, to: &[&Target]) -> Result<Vec<Arc<Lock>>, LockError> {
    let client = &engine.client;
    settle(client, lock)?;
    let kept = to.iter().map(|&target| (client.new_part(lock, target), target.clone())).collect();
    let narrow = Narrow::new(lock, kept, &client.name, &client.timing, clock());
    // Nobody renews it from now on: to be told that there is no such lock would be to lose it.
    // Whoever has taken it off the agenda before tells of its loss.
    let (Some(mut narrow), true) = (narrow, client.agenda(|agenda| agenda.forget(lock))) else {
        super::caller::forget(client, lock);
        return Err(not_held(lock));
    };
    let outcome = perform(
        client,
        &mut narrow,
        |narrow| narrow.call(&client.timing),
        |narrow, answer: Result<Answered, Failure>, _, hopeless| {
            let outcome = narrow.answered(answer.as_ref().map_err(Failure::clone), hopeless);
            if let Ok(answered) = answer {
                client.left_over(answered.more);
            }
            (!matches!(outcome, Outcome::Again)).then_some(outcome)
        },
    );
    match outcome {
        Outcome::Done(kept) => {
            client.agents.as_ref().inspect(|agents| agents.becomes(lock, &kept));
            client.agenda(|agenda| kept.iter().for_each(|lock| agenda.held(lock)));
            return Ok(kept);
        }
        Outcome::Failed(failure) => {
            let Some(release) = narrow.left() else {
                client.agenda(|agenda| agenda.held(lock));
                return Err(store_error(failure));
            };
            client.agenda(|agenda| agenda.give_up(release, clock()));
        }
        Outcome::NotHeld | Outcome::Again => {}
    }
    lock.lose();
    client.tell_loss(lock);
    Err(not_held(lock))
}

/// Makes a lock one of this kind on this node. After an error it is what it was; if replicas did
/// not acknowledge it, as the lock that is returned.
pub(in crate::redis) fn widen(
    engine: &Engine,
    lock: &Arc<Lock>,
    from: &Target,
    target: &Target,
    kind: Kind,
) -> Result<Arc<Lock>, (LockError, Option<Arc<Lock>>)> {
    let wide = try_widen(engine, lock, target, kind).map_err(|error| (error, None))?;
    match confirm::check(engine, &wide, NEVER) {
        None => Ok(wide),
        // Back where it was. If that cannot be had it is still held as a whole, and given back so.
        Some(error) => {
            let back = narrow(engine, &wide, &[from]).ok().and_then(|kept| kept.into_iter().next());
            Err((error, Some(back.unwrap_or(wide))))
        }
    }
}

fn try_widen(engine: &Engine, lock: &Arc<Lock>, target: &Target, kind: Kind) -> Result<Arc<Lock>, LockError> {
    let client = &engine.client;
    settle(client, lock)?;
    let until = clock() + RECALL;
    let mut widen = Widen::new(lock, target, kind, &client.name, &client.timing);
    let mut asked = 0;
    let got = loop {
        let got = perform(
            client,
            &mut widen,
            |widen| widen.call(&client.timing),
            |widen, answer: Result<Changed, Failure>, _, hopeless| {
                let (got, more) = widen.answered(answer, clock(), hopeless);
                client.left_over(more);
                got
            },
        );
        match got {
            Got::Kept(_) if clock() < until => {
                thread::sleep(Duration::from_micros(recall_pause(asked)));
                asked += 1;
            }
            got => break got,
        }
    };
    match got {
        Got::It(moved) if client.agenda(|agenda| agenda.moved(&moved)) => {
            client.agents.as_ref().inspect(|agents| agents.becomes(lock, std::slice::from_ref(&moved)));
            Ok(moved)
        }
        Got::It(_) | Got::NotHeld => Err(lost(engine, lock)),
        Got::Blocked(blocker) | Got::Kept(blocker) | Got::Upgrading(blocker) => Err(LockError::WouldBlock { blocker }),
        Got::Failed(failure) => Err(store_error(failure)),
    }
}

/// The keeper tells of it.
fn lost(engine: &Engine, lock: &Lock) -> LockError {
    lock.lose();
    engine.client.agenda(|agenda| agenda.look_now());
    not_held(lock)
}

/// Makes a shared lock exclusive.
pub(in crate::redis) fn upgrade(
    engine: &Arc<Engine>,
    lock: &Arc<Lock>,
    target: &Target,
    kind: Kind,
    wait: Wait,
    place: &'static Location<'static>,
) -> Result<(), LockError> {
    if let Some(agents) = &engine.client.agents {
        agents.upgrades(lock, Asks::thread(place));
    }
    settle(&engine.client, lock)?;
    let inbox = Arc::new(Inbox::of_thread());
    let (mut waiting, mut request) = (None, Request::new(kind));
    request.owner.clone_from(&lock.owner);
    engine.client.agenda(|agenda| agenda.upgrades(lock, Some(inbox.clone())));
    let result = ask(engine, &inbox, lock, (target, &request, wait), &mut waiting);
    engine.client.agenda(|agenda| agenda.upgrades(lock, None));
    let result = result.and_then(|()| match confirm::check(engine, lock, deadline_of(wait)) {
        None => Ok(()),
        // Shared again. If no answer says so it is believed to be, and exclusive on the server.
        Some(error) => {
            let _ = super::caller::downgrade(engine, lock);
            Err(error)
        }
    });
    if let Some(waiting) = waiting {
        Waiting::ended(waiting, &request, &result);
    }
    result
}

/// For how long the caller of this waits for replicas, at the most.
fn deadline_of(wait: Wait) -> u64 {
    match may_wait(wait) {
        MayWait::No => NEVER,
        MayWait::Until(deadline) => deadline,
    }
}

fn ask(
    engine: &Arc<Engine>,
    inbox: &Arc<Inbox>,
    lock: &Arc<Lock>,
    (target, request, wait): (&Target, &Request, Wait),
    waiting: &mut Option<Waiting>,
) -> Result<(), LockError> {
    let client = &engine.client;
    let deadline = match may_wait(wait) {
        MayWait::No => 0,
        MayWait::Until(deadline) => deadline,
    };
    let mut upgrade = Upgrade::new(lock, target, deadline, clock());
    // For as long as it waits, where deadlocks are looked for; and why it would wait for ever.
    let (mut waits, mut deadlock) = (None, None);
    // What tasks gave back may be in the way still.
    engine.driver.settle(client.timing.call_deadline(clock()));
    loop {
        let sent = clock();
        let (call, until) = upgrade.call(&client.timing, sent);
        let answer = client.call(&call, until);
        retried(usize::from(answer.is_err()));
        let (next, more) = upgrade.answered(answer, sent, clock(), &client.timing);
        client.left_over(more);
        match next {
            Next::Ask => {}
            Next::Wait(until) => {
                engine.listener.start();
                let blocker = || upgrade.blocker().cloned();
                waiting.get_or_insert_with(|| Waiting::begin(Store::Redis, &target.path, request, blocker));
                if let (Some(agents), None) = (&client.agents, &waits) {
                    waits = Some(agents.waits_for_upgrade(engine, lock, inbox));
                }
                let news = inbox.sleep(instant(until));
                if let Some(verdict) = waits.as_ref().and_then(|waits| waits.verdict(news)) {
                    deadlock = Some(verdict);
                    upgrade.leave(clock());
                }
                if let News::Granted(fencing_token) = news
                    && upgrade.told(fencing_token, clock())
                {
                    return Ok(());
                }
            }
            Next::Over(got) => {
                return match got {
                    Got::It(()) => Ok(()),
                    Got::NotHeld => Err(lost(engine, lock)),
                    Got::Blocked(blocker) | Got::Kept(blocker) => {
                        Err(deadlock.map_or_else(|| LockError::refused(wait, blocker), LockError::Deadlock))
                    }
                    Got::Upgrading(blocker) => Err(LockError::Upgrading { blocker }),
                    Got::Failed(failure) => Err(store_error(failure)),
                };
            }
        }
    }
}
