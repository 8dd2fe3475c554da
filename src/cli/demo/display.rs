//! What is seen while the demonstration runs: a line that changes on a terminal, a line now and then elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::denies::rows_of;
use crate::pipeline::{Listeners, Results, Shared};

/// Between two lines where standard error is no terminal.
const QUIET: Duration = Duration::from_secs(5);

/// The live display.
pub(super) struct Display {
    bar: ProgressBar,
    named: bool,
    last_line: Option<Duration>,
}

impl Display {
    /// Says where to look, and begins.
    pub(super) fn new(seconds: Option<u64>, listeners: &Listeners) -> Self {
        eprintln!("metrics  http://{}/metrics", listeners.admin());
        eprintln!("API      http://{}/api/v1/denies", listeners.api());
        let bar = ProgressBar::with_draw_target(seconds, ProgressDrawTarget::stderr());
        let template =
            if seconds.is_some() { "{bar:24} {elapsed} {msg}" } else { "{spinner} {elapsed} {msg}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, named: false, last_line: None }
    }

    /// Shows how it stands.
    pub(super) fn show(&mut self, elapsed: Duration, produced: u64, shared: &Shared, results: &Results) {
        let rows = rows_of(results);
        if !self.named
            && let Some(first) = rows.first()
        {
            self.named = true;
            let name = format!("{} would break traffic: {} ({})", first.policy, first.edge, first.by);
            self.bar.suspend(|| eprintln!("{name}"));
        }
        let read: u64 = shared.partitions().values().map(|it| it.frontier.ledger.accepted).sum();
        let denied: u64 = rows.iter().map(|it| it.totals.flows).sum();
        let message = format!(
            "{produced} flows produced, {read} judged on {} edges; {denied} would be denied; {} recommendations",
            results.edges().len(),
            results.recommendations().len(),
        );
        self.bar.set_position(elapsed.as_secs());
        if self.bar.is_hidden() {
            if self.last_line.is_none_or(|it| elapsed >= it + QUIET) {
                self.last_line = Some(elapsed);
                eprintln!("{:>3} s  {message}", elapsed.as_secs());
            }
        } else {
            self.bar.set_message(message);
        }
    }

    /// Clears the line.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
