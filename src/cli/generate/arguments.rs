//! The flags of `flowstage generate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

use crate::cli::calico_version::VersionFlag;
use crate::generate::Settings;
use crate::model::EventTime;

/// How a file is compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Compression {
    /// Not at all
    Plain,
    /// With gzip
    Gzip,
    /// With zstd
    Zstd,
}

/// What `flowstage generate` takes.
#[derive(clap::Args, Debug)]
#[command(group = clap::ArgGroup::new("kafka").args(["brokers", "topic"]).multiple(true).conflicts_with("output"))]
pub(crate) struct Args {
    /// How many records
    #[arg(long, short = 'n', default_value_t = 1_000_000, value_name = "N")]
    flows: u64,
    /// How many distinct edges, up to 10 million; without it, those of the applications
    #[arg(long, value_name = "N")]
    edges: Option<u64>,
    /// The seed: equal flags and an equal seed give equal bytes
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Records per second of event time
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    rate: u64,
    /// How unequally traffic is spread over edges: the exponent of Zipf's law, from 0 to 2
    #[arg(long, default_value_t = 1.0, value_name = "EXPONENT")]
    skew: f64,
    /// How many nodes
    #[arg(long, default_value_t = 12, value_name = "N")]
    nodes: u32,
    /// Of connections that both ends report, the share where both records exist
    #[arg(long, default_value_t = 1.0, value_name = "SHARE")]
    both_reporters_share: f64,
    /// The share of late records, within the lateness
    #[arg(long, default_value_t = 0.01, value_name = "SHARE")]
    late_share: f64,
    /// The share of records that are later than the lateness
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    beyond_share: f64,
    /// The share of records that are written twice
    #[arg(long, default_value_t = 0.001, value_name = "SHARE")]
    repeat_share: f64,
    /// The share of records that are garbage
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    poison_share: f64,
    /// The lateness that readers wait for
    #[arg(long, default_value = "2m", value_parser = duration, value_name = "DURATION")]
    lateness: Duration,
    /// The interval of a record
    #[arg(long, default_value = "15s", value_parser = duration, value_name = "DURATION")]
    interval: Duration,
    /// The event time of the first record: `2026-01-01T00:00:00Z`, seconds since 1970, or `now`
    #[arg(long, default_value = "2026-01-01T00:00:00Z", value_parser = time, value_name = "TIME")]
    start: EventTime,
    /// Policies in force, a folder or a file; without it, the demonstration's
    #[arg(long, value_name = "PATH")]
    pub(super) policies: Option<PathBuf>,
    /// The file to write, `-` for standard output
    #[arg(long, short = 'o', value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// How to compress; without it, as the name of the file ends (.gz, .zst)
    #[arg(long, value_enum, value_name = "HOW", conflicts_with = "kafka")]
    pub(super) compress: Option<Compression>,
    /// Send to Kafka: brokers as host:port, separated by commas
    #[arg(long, value_name = "BROKERS")]
    pub(super) brokers: Option<String>,
    /// Send to Kafka: the topic
    #[arg(long, value_name = "TOPIC")]
    pub(super) topic: Option<String>,
    /// Create the topic with that many partitions if it does not exist
    #[arg(long, value_name = "N", requires = "kafka", value_parser = clap::value_parser!(i32).range(1..))]
    pub(super) partitions_create: Option<i32>,
    /// Also write what an exact reader counts of every edge, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub(super) expected: Option<PathBuf>,
    #[command(flatten)]
    pub(super) version: VersionFlag,
}

impl Args {
    /// Returns the generator's settings.
    pub(super) const fn settings(&self) -> Settings {
        Settings {
            seed: self.seed,
            flows: self.flows,
            rate: self.rate,
            edges: self.edges,
            skew: self.skew,
            nodes: self.nodes,
            both_reporters_share: self.both_reporters_share,
            late_share: self.late_share,
            beyond_share: self.beyond_share,
            repeat_share: self.repeat_share,
            poison_share: self.poison_share,
            lateness: self.lateness,
            start: self.start,
            interval: self.interval,
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|it| Duration::try_from(it).ok());
    parsed.ok_or_else(|| "write a duration like `15s` or `2m`".to_owned())
}

fn time(text: &str) -> Result<EventTime, String> {
    if text == "now" {
        return Ok(EventTime::from_millis(jiff::Timestamp::now().as_millisecond()));
    }
    if let Ok(secs) = text.parse::<i64>() {
        return Ok(EventTime::from_secs(secs));
    }
    let parsed = text.parse::<jiff::Timestamp>();
    parsed
        .map(|it| EventTime::from_millis(it.as_millisecond()))
        .map_err(|_| "write a time like `2026-01-01T00:00:00Z`, seconds since 1970, or `now`".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn without_flags_the_settings_are_the_generators_own() {
        assert_eq!(Alone::parse_from(["generate"]).args.settings(), Settings::default());
    }
}
