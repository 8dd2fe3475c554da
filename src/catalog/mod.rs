//! The catalog: where policies and the cluster's objects come from, and whether they changed.
//!
//! A folder of manifests becomes one [`PolicySet`], whole or not at all: one bad object keeps the set that was there.
//! The folder is looked at again from time to time; what counts as a change is the content, not a date.
//!
//! ```text
//!   folder --walk--> files --manifest::read--> objects --manifest::assemble--> Loaded { PolicySet, warnings }
//! ```
//!
//! [`gather`] reads several folders and files once, for whoever asks a single question.
//!
//! It decides nothing about policy, keeps no set itself, and starts no thread: whoever owns it calls
//! [`DirectoryCatalog::poll`] as often as [`Config::poll_interval`] says.
//!
//! [`PolicySet`]: crate::policy::PolicySet

mod config;
mod directory;
mod error;
mod gather;
mod walk;

pub use config::Config;
pub use directory::{DirectoryCatalog, Loaded, Polled};
pub use error::Error;
pub use gather::{Gathered, gather};
