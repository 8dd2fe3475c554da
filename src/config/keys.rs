//! The table of all keys. What is not in it is no setting.

use super::sections::{Config, Properties};
use super::setting::Setting;
use super::tree::Raw;

/// One key: how it is read into the configuration and shown from it.
pub(super) struct Key {
    pub(super) path: &'static str,
    pub(super) set: fn(&mut Config, &Raw) -> Result<(), String>,
    pub(super) show: fn(&Config) -> Raw,
}

macro_rules! keys {
    ($( $first:ident $(. $rest:ident)* ),+ $(,)?) => { &[ $( Key {
        path: concat!(stringify!($first) $(, ".", stringify!($rest))*),
        set: |config, raw| {
            config.$first $(.$rest)* = Setting::read(raw)?;
            Ok(())
        },
        show: |config| Setting::show(&config.$first $(.$rest)*),
    } ),+ ] };
}

/// Every key, in the order of the reference file. The properties of the client are no keys of ours: see
/// [`PROPERTIES`].
pub(super) const KEYS: &[Key] = keys![
    kafka.brokers,
    kafka.group,
    kafka.client_id,
    kafka.format,
    kafka.topics.flows,
    kafka.topics.partials,
    kafka.topics.edges,
    kafka.topics.denies,
    kafka.topics.recommendations,
    kafka.topics.dead_letters,
    windows.width,
    windows.slide,
    windows.lateness,
    windows.skew,
    workers,
    policies.path,
    policies.poll_interval,
    policies.pod_networks,
    policies.calico_version,
    partials.mode,
    partials.partitions,
    publish.flush_interval,
    publish.publish_interval,
    publish.idle_after,
    publish.drain_timeout,
    recommendations.enabled,
    recommendations.stabilization_period,
    recommendations.exclude_namespaces,
    sinks.kafka,
    sinks.directory,
    http.admin,
    http.api,
    limits.edges_per_subject,
    limits.edges_per_pane,
    limits.store_edges,
    limits.deny_retention,
    limits.compiled_policies_mib,
    log.level,
    log.format,
];

/// The section whose keys are librdkafka's.
pub(super) const PROPERTIES: &str = "kafka.properties";

/// What a path names.
pub(super) enum Named<'p> {
    /// A key of the table.
    Key(&'static Key),
    /// A property of the client.
    Property(&'p str),
    /// A section.
    Section,
    /// Nothing.
    Unknown,
}

/// Returns what a path names.
pub(super) fn named(path: &str) -> Named<'_> {
    if let Some(key) = KEYS.iter().find(|it| it.path == path) {
        return Named::Key(key);
    }
    if let Some(name) = path.strip_prefix(PROPERTIES).and_then(|it| it.strip_prefix('.'))
        && !name.is_empty()
    {
        return Named::Property(name);
    }
    let is_section = |it: &str| it.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
    if path == PROPERTIES || KEYS.iter().any(|it| is_section(it.path)) {
        return Named::Section;
    }
    Named::Unknown
}

/// Sets a property of the client.
pub(super) fn set_property(properties: &mut Properties, name: &str, raw: &Raw) -> Result<(), String> {
    let value = match raw {
        Raw::Scalar(text) => text.clone(),
        // librdkafka's lists are texts with commas.
        Raw::List(items) => items.join(","),
        Raw::Null => return Err("a value is missing".to_owned()),
    };
    properties.0.insert(name.to_owned(), value);
    Ok(())
}
