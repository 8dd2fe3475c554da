//! How the program ends, and how it says what went wrong.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::process::ExitCode;

/// How a subcommand that did its work ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exit {
    /// Nothing to remark.
    Fine,
    /// What was asked for was found.
    Findings,
    /// Some records could not be read, so a part of the answer is missing.
    Partial,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Fine => Self::SUCCESS,
            Exit::Findings => Self::from(3),
            Exit::Partial => Self::from(4),
        }
    }
}

/// Whose fault a failure is; it decides the exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// The world's: a file that cannot be read, a broker that does not answer.
    Failure,
    /// The user's: a flag or a configuration that cannot be meant.
    Usage,
}

/// A failure with a remedy, for the last person to see it.
#[derive(Debug)]
pub(super) struct Complaint {
    message: String,
    fault: Fault,
    remedy: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Complaint {
    /// Makes a complaint about the world.
    pub(super) fn failure(message: impl Into<String>) -> Self {
        Self { message: message.into(), fault: Fault::Failure, remedy: None, source: None }
    }

    /// Makes a complaint about how the program was called.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { fault: Fault::Usage, ..Self::failure(message) }
    }

    /// Adds what to try.
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Adds the cause.
    pub(super) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Complaint {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|it| it as &(dyn StdError + 'static))
    }
}

/// Tells whether a failure is only that nobody reads standard output any more.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(is_closed)
}

/// Passes over a failure that is only that nobody reads standard output any more.
pub(super) fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if is_closed(&error) => Ok(()),
        it => it,
    }
}

/// Tells whether the other end of a pipe is closed; also where the error stands inside of another one.
fn is_closed(error: &(dyn StdError + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return error.kind() == io::ErrorKind::BrokenPipe || error.get_ref().is_some_and(|it| is_closed(it));
    }
    matches!(error.downcast_ref().map(csv::Error::kind), Some(csv::ErrorKind::Io(it)) if is_closed(it))
}

/// Writes what went wrong, why, and what to try; returns the exit code.
pub(super) fn report(error: &anyhow::Error, to: &mut dyn io::Write) -> ExitCode {
    let complaints = || error.chain().filter_map(|it| it.downcast_ref::<Complaint>());
    let mut text = String::new();
    for (place, cause) in error.chain().enumerate() {
        let head = if place == 0 { "error: " } else { "  because: " };
        for (line, it) in cause.to_string().lines().enumerate() {
            text.push_str(if line == 0 { head } else { "       " });
            text.push_str(it);
            text.push('\n');
        }
    }
    for remedy in complaints().filter_map(|it| it.remedy.as_ref()) {
        text.push_str("  try: ");
        text.push_str(remedy);
        text.push('\n');
    }
    // Where standard error is closed there is nobody left to tell.
    let _ignored: io::Result<()> = to.write_all(text.as_bytes());
    let is_usage = complaints().any(|it| it.fault == Fault::Usage);
    ExitCode::from(if is_usage { 2 } else { 1 })
}
