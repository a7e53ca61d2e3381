use std::fmt::Debug;

use tracing::field::{Field, Visit};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::Link;
use crate::sync::{Mutex, PlainArc};

/// What events say, a line each.
#[derive(Clone, Default)]
struct Lines(PlainArc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().push(line.0);
    }
}

/// What is said while connections are opened and break: each step is `None` if one breaks, and else
/// where one leads.
fn said(steps: &[Option<&str>]) -> Vec<String> {
    let (lines, link) = (Lines::default(), Link::default());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(lines.clone()), || {
        for step in steps {
            match step {
                None => link.broke(),
                Some(peer) => link.opened("name:1", || Some((*peer).into())),
            }
        }
    });
    let lines = lines.0.lock();
    lines.clone()
}

#[test]
fn connections_are_told_of_once_one_broke_or_leads_elsewhere() {
    let again = "INFO message=connected again server=\"name:1\"";
    let moved = "INFO message=found another server server=\"name:1\" from=\"a\" to=\"b\"";
    let (one, other) = (Some("a"), Some("b"));
    assert!(said(&[one, one, one]).is_empty());
    assert!(said(&[one, None, None]).is_empty());
    assert_eq!(said(&[one, None, None, one, one]), [again]);
    assert_eq!(said(&[one, other, other]), [moved]);
    assert_eq!(said(&[one, None, other]), [again, moved]);
    assert_eq!(said(&[None, one]), [again]);
}
