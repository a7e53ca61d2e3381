//! When the keeper is to look at a tree again.

use super::*;
use crate::redis::builder::RedisStoreBuilder;
use crate::redis::protocol::timing::NEVER;
use crate::redis::run::hub::Hub;

/// After a look that found nothing to do the keeper sleeps: it does not look again and again.
#[test]
fn the_keeper_sleeps_after_a_look() {
    let builder = RedisStoreBuilder::new("redis://127.0.0.1:1/");
    let hub = Hub::start(builder.servers(false).unwrap()).unwrap();
    let client = Client::new(hub.sites.clone(), &builder.settings().unwrap()).unwrap();
    let everything = Room { renewals: true, heartbeats: true, releases: true };
    for _ in 0..2 {
        client.agenda(Agenda::look_now);
        assert!(client.agenda.lock().entry.is_due(clock()), "it looks now");
        assert!(client.take_work(everything).is_empty());
        assert!(!client.agenda.lock().entry.is_due(NEVER - 1));
    }
}
