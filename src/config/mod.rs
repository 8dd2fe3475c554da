//! The whole configuration: defaults, under a file, under the environment, under flags.
//!
//! ```text
//!   stages' own defaults --> Config <-- flowstage.yaml <-- FLOWSTAGE_KAFKA__BROKERS <-- --brokers
//!                              |
//!                              +--> what each stage takes (Spec, Limits, Pace, ...)
//!                              `--> YAML again, with the origin of every setting, secrets left out
//! ```
//!
//! One table names every key ([`Config`] field by field); what is not in it is an error that says what was probably
//! meant and where it stands. Nothing here reads the environment or a file: the caller hands both in. Durations have
//! units. `*_FILE` variables name a file that holds the value, so that secrets need not stand in the environment.

mod error;
mod setting;
mod tree;

mod sections;

mod check;
mod convert;
mod keys;
mod layers;
mod nearest;
mod print;
mod variable;

pub use error::{Error, Errors, Origin};
pub use layers::{Layers, Loaded};
pub use print::Origins;
pub use sections::{
    Bounds, Config, Http, Kafka, Log, Partials, PartialsMode, Policies, Properties, Publish, Recommendations,
    Sinks, Topics, Windows,
};
pub use variable::{UnknownVariable, unknown_variables};
