//! A subscriber and a recorder for the whole program, and one test at a time that looks at them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::common::asking::AT_MOST;

/// Fields of a span or an event, as text.
pub(crate) type Fields = BTreeMap<String, String>;

#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) target: String,
    pub(crate) level: tracing::Level,
    pub(crate) fields: Fields,
    pub(crate) parent: Option<String>,
    pub(crate) was_entered: bool,
    pub(crate) is_closed: bool,
}

impl Shown {
    #[track_caller]
    pub(crate) fn says(&self, fields: &[(&str, &str)]) {
        for (name, value) in fields {
            let there = self.fields.get(*name).map(String::as_str);
            assert_eq!(there, Some(*value), "the field {name} of {self:?}");
        }
    }

    #[track_caller]
    pub(crate) fn number(&self, field: &str) -> f64 {
        self.fields.get(field).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {field}: {self:?}"))
    }
}

#[derive(Default)]
struct Said {
    spans: Vec<Shown>,
    events: Vec<Shown>,
}

static SAID: Mutex<Said> = Mutex::new(Said { spans: Vec::new(), events: Vec::new() });

fn said() -> MutexGuard<'static, Said> {
    SAID.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Notes what comes from the crate.
struct Notes;

/// Where the span is in the notes.
struct Place(usize);

struct Reader<'a>(&'a mut Fields);

impl tracing::field::Visit for Reader<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        let old = self.0.insert(field.name().into(), format!("{value:?}"));
        assert!(old.is_none(), "{field} is recorded twice");
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

fn shown(metadata: &tracing::Metadata<'_>, parent: Option<String>) -> Shown {
    let (target, level) = (metadata.target().into(), *metadata.level());
    Shown { target, level, fields: Fields::new(), parent, was_entered: false, is_closed: false }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Notes {
    fn on_new_span(&self, attributes: &tracing::span::Attributes<'_>, id: &tracing::span::Id, context: Context<'_, S>) {
        if attributes.metadata().target().starts_with("mutextree") {
            let span = context.span(id).unwrap();
            let mut new = shown(attributes.metadata(), span.parent().map(|parent| parent.name().into()));
            attributes.record(&mut Reader(&mut new.fields));
            let mut said = said();
            span.extensions_mut().insert(Place(said.spans.len()));
            said.spans.push(new);
        }
    }

    fn on_record(&self, id: &tracing::span::Id, values: &tracing::span::Record<'_>, context: Context<'_, S>) {
        change(id, &context, |span| values.record(&mut Reader(&mut span.fields)));
    }

    fn on_enter(&self, id: &tracing::span::Id, context: Context<'_, S>) {
        change(id, &context, |span| span.was_entered = true);
    }

    fn on_close(&self, id: tracing::span::Id, context: Context<'_, S>) {
        change(&id, &context, |span| span.is_closed = true);
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        if event.metadata().target().starts_with("mutextree") {
            let parent = context.event_span(event).map(|parent| parent.name().into());
            let mut new = shown(event.metadata(), parent);
            event.record(&mut Reader(&mut new.fields));
            said().events.push(new);
        }
    }
}

fn change<S: tracing::Subscriber + for<'a> LookupSpan<'a>>(
    id: &tracing::span::Id,
    context: &Context<'_, S>,
    how: impl FnOnce(&mut Shown),
) {
    let span = context.span(id).unwrap();
    if let Some(&Place(at)) = span.extensions().get::<Place>()
        && let Some(span) = said().spans.get_mut(at)
    {
        how(span);
    }
}

fn snapshotter() -> &'static Snapshotter {
    static INSTALLED: OnceLock<Snapshotter> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Notes)).unwrap();
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        recorder.install().unwrap();
        snapshotter
    })
}

#[derive(Debug, Default)]
struct Series {
    count: u64,
    gauge: f64,
    values: Vec<f64>,
}

/// What was seen since it was made. While it lives no other test looks.
pub(crate) struct Seen {
    series: BTreeMap<(String, Vec<(String, String)>), Series>,
    _alone: MutexGuard<'static, ()>,
}

/// What labels may say; a path is nothing of it.
const LABELS: [(&str, &[&str]); 4] = [
    ("store", &["memory", "redis", "other"]),
    ("mode", &["exclusive", "shared"]),
    ("scope", &["subtree", "node"]),
    ("outcome", &OUTCOMES),
];
const OUTCOMES: [&str; 14] = [
    "acquired",
    "would_block",
    "timed_out",
    "failed",
    "cancelled",
    "renewed",
    "lost",
    "answered",
    "hit",
    "miss",
    "given_back",
    "exchanged",
    "in_use",
    "gone",
];

impl Seen {
    pub(crate) fn from_now() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        snapshotter().snapshot(); // which resets all there is
        *said() = Said::default();
        Self { series: BTreeMap::new(), _alone: alone }
    }

    /// A snapshot resets what it shows, so the snapshots are summed up.
    fn look(&mut self) {
        for (key, _, _, value) in snapshotter().snapshot().into_vec() {
            let name = key.key().name().to_owned();
            if !name.starts_with("mutextree_") {
                continue;
            }
            let labels: Vec<(String, String)> =
                key.key().labels().map(|label| (label.key().into(), label.value().into())).collect();
            for (label, value) in &labels {
                let known = LABELS.iter().any(|(name, values)| name == label && values.contains(&&**value));
                assert!(known, "{name} has the label {label}={value}");
            }
            let series = self.series.entry((name, labels)).or_default();
            match value {
                DebugValue::Counter(count) => series.count += count,
                DebugValue::Gauge(gauge) => series.gauge += gauge.into_inner(),
                DebugValue::Histogram(values) => series.values.extend(values.iter().map(|value| value.into_inner())),
            }
        }
    }

    fn of<'a>(&'a mut self, name: &'a str, labels: &'a [(&str, &str)]) -> impl Iterator<Item = &'a Series> {
        self.look();
        let has = |all: &[(String, String)], (label, value): &(&str, &str)| {
            all.iter().any(|(name, is)| name == label && is == value)
        };
        let fits = move |all: &[(String, String)]| labels.iter().all(|label| has(all, label));
        self.series.iter().filter(move |((is, all), _)| is == name && fits(all)).map(|(_, series)| series)
    }

    /// The sum of the counters of this name with these labels.
    pub(crate) fn count(&mut self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.of(name, labels).map(|series| series.count).sum()
    }

    pub(crate) fn gauge(&mut self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.of(name, labels).map(|series| series.gauge).sum()
    }

    /// All that the histograms got.
    pub(crate) fn times(&mut self, name: &str, labels: &[(&str, &str)]) -> Vec<f64> {
        self.of(name, labels).flat_map(|series| series.values.clone()).collect()
    }

    /// Acquisitions of this store that came to this.
    pub(crate) fn acquisitions(&mut self, store: &str, outcome: &str) -> u64 {
        self.count("mutextree_lock_acquisitions_total", &[("store", store), ("outcome", outcome)])
    }

    pub(crate) fn waits(&mut self, store: &str, outcome: &str) -> Vec<f64> {
        self.times("mutextree_lock_wait_seconds", &[("store", store), ("outcome", outcome)])
    }

    pub(crate) fn waiting(&mut self, store: &str) -> f64 {
        self.gauge("mutextree_locks_waiting", &[("store", store)])
    }

    pub(crate) fn held(&mut self, store: &str) -> f64 {
        self.gauge("mutextree_locks_held", &[("store", store)])
    }

    pub(crate) fn spans(&self) -> Vec<Shown> {
        said().spans.clone()
    }

    /// The only span there was. It is over. Nobody was in it, unless to say that the time was up.
    #[track_caller]
    pub(crate) fn only_wait(&self) -> Shown {
        let spans = self.spans();
        assert_eq!(spans.len(), 1, "{spans:?}");
        let span = spans[0].clone();
        assert_eq!((&*span.target, span.level), ("mutextree::wait", tracing::Level::DEBUG));
        assert!(span.is_closed && span.was_entered == (span.fields["outcome"] == "timed_out"), "{span:?}");
        span
    }

    /// The events of this target.
    pub(crate) fn events(&self, target: &str) -> Vec<Shown> {
        said().events.iter().filter(|event| event.target == target).cloned().collect()
    }

    /// Looks until it is so.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            assert!(began.elapsed() < AT_MOST, "it is never so: {what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
