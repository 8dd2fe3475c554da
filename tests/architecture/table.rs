//! The import table: who stands above whom, and who may name which crate.

/// Whether a room talks to the world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Synchronous and deterministic: no clock, no I/O, no random source.
    Pure,
    /// Talks to the world.
    Shell,
}

/// A crate that a room may name.
#[derive(Debug)]
pub(crate) struct Outside {
    pub(crate) name: &'static str,
    /// The files of the room that may; all when empty. A name that ends in `/` is a folder.
    pub(crate) files: &'static [&'static str],
    pub(crate) why: &'static str,
}

/// One row.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) name: &'static str,
    pub(crate) rank: u8,
    pub(crate) kind: Kind,
    pub(crate) may_import: &'static [&'static str],
    pub(crate) outside: &'static [Outside],
    /// Lints of the core that this room does not deny, each with its reason.
    pub(crate) relaxed: &'static [(&'static str, &'static str)],
}

/// Returns a room's row.
pub(crate) fn room(name: &str) -> Option<&'static Room> {
    ROOMS.iter().find(|it| it.name == name)
}

/// Crates that every room may name.
pub(crate) const EVERYWHERE: &[&str] = &["thiserror"];

/// Items that a child takes from its parent's `mod.rs` all the same, as file and item.
pub(crate) const PARENT_ITEMS: &[(&str, &str)] = &[
    // One small type that the two outputs share; a file of its own would hold nothing else.
    ("cli/generate/file.rs", "Output"),
    ("cli/generate/kafka.rs", "Output"),
];

const fn all(name: &'static str, why: &'static str) -> Outside {
    Outside { name, files: &[], why }
}

const fn only(name: &'static str, files: &'static [&'static str], why: &'static str) -> Outside {
    Outside { name, files, why }
}

use Kind::{Pure, Shell};

pub(crate) const ROOMS: &[Room] = &[
    Room {
        name: "model",
        rank: 0,
        kind: Pure,
        may_import: &[],
        outside: &[all("ipnet", "prefixes are words of the house")],
        relaxed: &[],
    },
    Room {
        name: "telemetry",
        rank: 0,
        kind: Shell,
        may_import: &[],
        outside: &[
            only("serde", &["settings.rs", "config.rs"], "settings are read from the configuration file"),
            all("tracing", "logs"),
            all("tracing_subscriber", "logs"),
            all("prometheus", "metrics"),
            all("hdrhistogram", "latency, one histogram a worker"),
        ],
        relaxed: &[],
    },
    Room { name: "policy", rank: 1, kind: Pure, may_import: &["model"], outside: &[], relaxed: &[] },
    Room {
        name: "ingest",
        rank: 1,
        kind: Shell,
        may_import: &["model"],
        outside: &[
            only("serde", &["settings.rs", "config.rs"], "settings are read from the configuration file"),
            all("rdkafka", "the consumer group"),
            only(
                "rdkafka_sys",
                &["native/"],
                "the batch poll and answered commits, which the safe crate does not offer",
            ),
            only("libc", &["native/memory.rs"], "the allocator's settings for what librdkafka unpacks"),
            all("tracing", "what a broker does is logged where it is seen"),
            only("flate2", &["unpack.rs"], "gzip files"),
            only("zstd", &["unpack.rs"], "zstd files"),
        ],
        relaxed: &[],
    },
    Room {
        name: "decode",
        rank: 2,
        kind: Pure,
        may_import: &["model"],
        outside: &[
            all("simd_json", "the strict parser; its nodes are what the readers walk over"),
            only("serde_json", &["strict.rs"], "says where a record's syntax breaks, once it was rejected"),
            only("serde", &["strict.rs"], "says where a record's syntax breaks, once it was rejected"),
            only("memchr", &["cursor.rs", "keys.rs"], "the scanner's search in long text"),
            only("simdutf8", &["scan.rs"], "the scanner's check of UTF-8"),
            only("hashbrown", &["containers.rs"], "the table of containers that were read before"),
            only("foldhash", &["containers.rs"], "its hash"),
        ],
        relaxed: &[],
    },
    Room {
        name: "manifest",
        rank: 2,
        kind: Pure,
        may_import: &["model", "policy"],
        outside: &[
            all("serde_saphyr", "strict YAML"),
            all("granit_parser", "positions in YAML, which the strict reader does not give"),
            all("serde", "wire shapes"),
            all("serde_json", "manifests may be JSON"),
            all("sha2", "a digest names a policy set"),
        ],
        relaxed: &[],
    },
    Room {
        name: "evaluate",
        rank: 2,
        kind: Pure,
        may_import: &["model", "policy"],
        outside: &[
            all("fixedbitset", "sets of selectors and policies"),
            all("prefix_trie", "longest-prefix match"),
            all("ipnet", "prefixes"),
            all("hashbrown", "memo tables with hand-made keys"),
            all("foldhash", "their hash"),
        ],
        relaxed: &[("indexing_slicing", "dense ids index tables of the same build on the hot path")],
    },
    Room {
        name: "aggregate",
        rank: 3,
        kind: Pure,
        may_import: &["model", "policy", "evaluate"],
        outside: &[
            only(
                "dashmap",
                &["store.rs", "policy_counts.rs"],
                "the two tables that readers see, the only ones that lock",
            ),
            only("postcard", &["partial.rs", "checkpoint.rs"], "one codec for what is on a log"),
            only("serde", &["partial.rs", "checkpoint.rs"], "one codec for what is on a log"),
            all("sha2", "digests name edges across processes"),
            all("hashbrown", "the tables of the hot path"),
            all("foldhash", "their hash"),
        ],
        relaxed: &[("disallowed_types", "store.rs locks")],
    },
    Room {
        name: "catalog",
        rank: 3,
        kind: Shell,
        may_import: &["model", "policy", "manifest"],
        outside: &[
            only("serde", &["settings.rs", "config.rs"], "settings are read from the configuration file"),
            all("rdkafka", "policies from a topic"),
            all("tokio", "watches"),
            all("tokio_util", "watches end when told"),
            all("tracing", "what was loaded and refused is logged"),
            all("arc_swap", "the current set is swapped whole"),
            all("sha2", "a digest names a policy set"),
        ],
        relaxed: &[],
    },
    Room {
        name: "recommend",
        rank: 4,
        kind: Pure,
        may_import: &["model", "policy", "evaluate", "aggregate"],
        outside: &[
            only("serde", &["config.rs"], "settings are read from the configuration file"),
            only("jiff", &["config.rs"], "durations as people write them"),
        ],
        relaxed: &[("indexing_slicing", "dense ids index tables of the same call")],
    },
    Room {
        name: "engine",
        rank: 5,
        kind: Pure,
        may_import: &["model", "policy", "aggregate", "evaluate", "recommend"],
        outside: &[],
        relaxed: &[],
    },
    Room {
        name: "sink",
        rank: 5,
        kind: Shell,
        may_import: &["model", "policy", "manifest", "aggregate", "evaluate", "recommend", "telemetry"],
        outside: &[
            all("rdkafka", "results to topics"),
            all("serde", "wire shapes of results"),
            all("serde_json", "results are JSON"),
            all("utoipa", "the shapes that are published are the ones that are documented"),
            all("sha2", "keys of results, digests of rejected records"),
            all("jiff", "times as people read them"),
            all("csv", "results as tables"),
            all("tokio", "delivery"),
            all("tracing", "what was not delivered is logged"),
            all("arc_swap", "views are swapped whole"),
        ],
        relaxed: &[],
    },
    Room {
        name: "generate",
        rank: 5,
        kind: Pure,
        // Evaluate: a scenario carries the verdicts that its policies must give.
        may_import: &["model", "policy", "evaluate"],
        outside: &[
            all("rand", "a seeded source"),
            all("rand_chacha", "a seeded source whose numbers do not change"),
            all("serde_json", "records as the exporters write them"),
            all("serde", "records as the exporters write them"),
        ],
        relaxed: &[],
    },
    Room {
        name: "pipeline",
        rank: 7,
        kind: Shell,
        // Http: the pipeline opens the listeners, and is what their view looks at.
        may_import: &[
            "http",
            "model",
            "telemetry",
            "policy",
            "ingest",
            "decode",
            "manifest",
            "evaluate",
            "aggregate",
            "catalog",
            "recommend",
            "engine",
            "sink",
            "generate",
        ],
        outside: &[
            only("serde", &["settings.rs", "config.rs"], "settings are read from the configuration file"),
            all("tokio", "tasks"),
            all("tokio_util", "cancellation"),
            all("rdkafka", "the partials log"),
            all("arc_swap", "programs are swapped whole"),
            all("tracing", "logs, per batch"),
        ],
        relaxed: &[],
    },
    Room {
        name: "http",
        rank: 6,
        kind: Shell,
        may_import: &[
            "model",
            "policy",
            "manifest",
            "evaluate",
            "aggregate",
            "recommend",
            "engine",
            "sink",
            "telemetry",
        ],
        outside: &[
            all("axum", "routes"),
            all("hyper", "limits of connections, which axum leaves to it"),
            all("hyper_util", "limits of connections, which axum leaves to it"),
            all("tokio", "the listener"),
            all("tokio_util", "shutdown"),
            all("serde", "answers"),
            all("serde_json", "answers"),
            all("utoipa", "the document is made from the types that are served"),
            all("prometheus", "the metrics page"),
            all("arc_swap", "views are swapped whole"),
            all("tracing", "failed requests are logged"),
            all("jiff", "times as people write them"),
            only("flate2", &["admin.rs"], "the metrics page is packed for scrapers that ask for it"),
            only("sha2", &["page.rs"], "a page's mark is a digest of its filters"),
        ],
        relaxed: &[],
    },
    Room {
        name: "config",
        rank: 8,
        kind: Shell,
        may_import: &[
            "model",
            "telemetry",
            "policy",
            "ingest",
            "decode",
            "manifest",
            "evaluate",
            "aggregate",
            "catalog",
            "recommend",
            "engine",
            "sink",
            "generate",
            "pipeline",
            "http",
        ],
        outside: &[
            all("serde", "the file's shape"),
            all("serde_saphyr", "the file"),
            all("serde_json", "the schema of the file"),
            all("jiff", "durations as people write them"),
        ],
        relaxed: &[],
    },
    Room {
        name: "cli",
        rank: 9,
        kind: Shell,
        may_import: &[
            "model",
            "telemetry",
            "policy",
            "ingest",
            "decode",
            "manifest",
            "evaluate",
            "aggregate",
            "catalog",
            "recommend",
            "engine",
            "sink",
            "generate",
            "pipeline",
            "http",
            "config",
        ],
        outside: &[
            only("flate2", &["generate/file.rs"], "packed files"),
            only("zstd", &["generate/file.rs"], "packed files"),
            all("clap", "subcommands"),
            all("clap_complete", "completions"),
            all("anyhow", "one error type with context, for people"),
            all("indicatif", "live progress"),
            all("comfy_table", "tables"),
            all("csv", "tables for other programs"),
            all("jiff", "times as people write them"),
            all("serde", "output for other programs"),
            all("serde_json", "output for other programs"),
            all("tokio", "signals, and the runtime"),
            all("tokio_util", "cancellation"),
            all("tracing", "logs"),
            all("rdkafka", "topics are looked at and made"),
            all("utoipa", "prints the API's document"),
            all("arc_swap", "views are swapped whole"),
        ],
        relaxed: &[],
    },
    Room {
        name: "main",
        rank: 10,
        kind: Shell,
        may_import: &["cli"],
        outside: &[all("anyhow", "the exit")],
        relaxed: &[],
    },
];
