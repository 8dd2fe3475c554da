//! What settings must be beyond the kind of their value: what stages, clients and brokers refuse, and what does not fit
//! together. It is told when the configuration is read, so that nothing is sound that cannot be started.

use super::error::{Error, Origin};
use super::keys::PROPERTIES;
use super::layers::Loaded;
use crate::aggregate::SpecError;
use crate::ingest::{check_brokers, check_property, check_topic};
use crate::telemetry::check_log_filter;

/// Each worker is a thread with a consumer and a producer, which have threads, connections and up to 48 MiB of queues of
/// their own.
pub(super) const WORKERS_MAX: u32 = 256;

/// Every flush of every partition of flows writes to each partition of the partials.
const PARTITIONS_MAX: u32 = 1024;

/// Checks a configuration of which every value could be read.
pub(super) fn check(loaded: &Loaded) -> Vec<Error> {
    let mut checking = Checking { loaded, errors: Vec::new() };
    checking.times();
    checking.kafka();
    checking.topics();
    checking.counts();
    checking.listeners();
    if let Err(error) = check_log_filter(&loaded.config.log.level) {
        checking.refuse("log.level", error.to_string());
    }
    checking.errors
}

struct Checking<'a> {
    loaded: &'a Loaded,
    errors: Vec<Error>,
}

impl Checking<'_> {
    fn refuse(&mut self, key: &str, cause: String) {
        let origin = self.loaded.origins.get(key).cloned().unwrap_or(Origin::Default);
        self.errors.push(Error::Value { origin, key: key.to_owned(), cause });
    }

    fn times(&mut self) {
        let config = &self.loaded.config;
        match config.window_spec() {
            Ok(_) => {}
            Err(error @ SpecError::Slide) => self.refuse("windows.slide", error.to_string()),
            // Of the keys that do not fit each other the one that somebody set is told.
            Err(error @ SpecError::Width { .. }) => {
                self.refuse(self.set_by_hand(["windows.width", "windows.slide"]), error.to_string());
            }
            Err(error @ SpecError::OpenPanes { .. }) => {
                let keys = ["windows.lateness", "windows.skew", "windows.slide"];
                self.refuse(self.set_by_hand(keys), error.to_string());
            }
        }
        for (key, duration) in [
            ("policies.poll_interval", config.policies.poll_interval),
            ("publish.flush_interval", config.publish.flush_interval),
            ("publish.publish_interval", config.publish.publish_interval),
        ] {
            if duration.is_zero() {
                self.refuse(key, "must be longer than nothing".to_owned());
            }
        }
    }

    fn kafka(&mut self) {
        let kafka = &self.loaded.config.kafka;
        if let Err(cause) = check_brokers(&kafka.brokers) {
            self.refuse("kafka.brokers", cause);
        }
        for (name, value) in &kafka.properties.0 {
            // The same properties go to the consumer and to the producer.
            let checked = check_property(name, value).and_then(|()| crate::sink::check_property(name));
            if let Err(cause) = checked {
                self.refuse(&format!("{PROPERTIES}.{name}"), cause);
            }
        }
    }

    fn topics(&mut self) {
        let topics = &self.loaded.config.kafka.topics;
        let all = [
            ("kafka.topics.flows", &topics.flows),
            ("kafka.topics.partials", &topics.partials),
            ("kafka.topics.edges", &topics.edges),
            ("kafka.topics.denies", &topics.denies),
            ("kafka.topics.recommendations", &topics.recommendations),
            ("kafka.topics.dead_letters", &topics.dead_letters),
        ];
        for (place, (key, topic)) in all.iter().enumerate() {
            if let Err(cause) = check_topic(topic) {
                self.refuse(key, cause);
            }
            if let Some((other, _)) = all.iter().take(place).find(|(_, it)| it == topic) {
                self.refuse(key, format!("`{topic}` is `{other}` already"));
            }
        }
    }

    fn counts(&mut self) {
        let config = &self.loaded.config;
        let workers = config.workers.filter(|it| *it > WORKERS_MAX);
        if let Some(workers) = workers {
            let cause = format!(
                "{workers} are too many, at most {WORKERS_MAX} go: each is a thread with a consumer and a producer of its \
                 own, and one a core is enough"
            );
            self.refuse("workers", cause);
        }
        let partitions = config.partials.partitions;
        if partitions > PARTITIONS_MAX {
            let cause = format!(
                "{partitions} are too many, at most {PARTITIONS_MAX} go: every flush of every partition of flows writes to \
                 each, and more than there are workers in the group do nothing"
            );
            self.refuse("partials.partitions", cause);
        }
    }

    /// Finds listeners that leave each other no place. Port 0 is a free one for each.
    fn listeners(&mut self) {
        let (admin, api) = (self.loaded.config.http.admin, self.loaded.config.http.api);
        let is_everywhere = admin.ip().is_unspecified() || api.ip().is_unspecified();
        if admin.port() != 0 && admin.port() == api.port() && (is_everywhere || admin.ip() == api.ip()) {
            let key = self.set_by_hand(["http.api", "http.admin"]);
            let (own, other, taken) = match key {
                "http.admin" => (admin, "http.api", api),
                _ => (api, "http.admin", admin),
            };
            self.refuse(key, format!("`{own}` is taken: `{other}` listens on `{taken}`"));
        }
    }

    /// Returns the first of the keys that is not at its default.
    fn set_by_hand<const N: usize>(&self, keys: [&'static str; N]) -> &'static str {
        let set = keys.iter().find(|it| self.loaded.origins.contains_key(**it)).or(keys.first());
        set.copied().unwrap_or("windows.width")
    }
}
