//! Answers as rows: one for each end that was judged.

use std::fmt;
use std::io;

use comfy_table::presets::NOTHING;

use super::answer::{EndAnswer, FlowAnswer, Route, VerdictAnswer, What};

/// A table for a terminal. It is written as a whole, since the widths of its columns depend on every row.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Adds the rows of an answer.
    pub(super) fn add(&mut self, answer: &FlowAnswer) {
        match &answer.what {
            What::Unread { error } => {
                let mut cells = vec![answer.flow.to_string(), "-".to_owned()];
                cells.resize(9, String::new());
                cells.push(format!("error: {error}"));
                self.rows.push(cells);
            }
            What::Judged { route, egress, ingress } => {
                let ends = ends(egress.as_ref(), ingress.as_ref());
                self.rows.extend(ends.map(|(direction, end)| row(answer.flow, direction, route, end)));
                if egress.is_none() && ingress.is_none() {
                    let mut cells = vec![answer.flow.to_string(), "-".to_owned()];
                    cells.extend([route.source.clone(), route.dest.clone(), route.service.clone()]);
                    self.rows.push(cells);
                }
            }
        }
    }
}

fn ends<'a>(
    egress: Option<&'a EndAnswer>,
    ingress: Option<&'a EndAnswer>,
) -> impl Iterator<Item = (&'static str, &'a EndAnswer)> {
    egress.map(|it| ("egress", it)).into_iter().chain(ingress.map(|it| ("ingress", it)))
}

fn row(flow: u64, direction: &str, route: &Route, end: &EndAnswer) -> Vec<String> {
    let EndAnswer { synthesised, enforced, pending } = end;
    let Route { source, dest, service } = route;
    let by = |it: &VerdictAnswer| match it.missing.is_empty() {
        true => it.trace.last().cloned().unwrap_or_default(),
        false => format!("lacks {}", it.missing.join(", ")),
    };
    let synthesised = synthesised.then(|| "synthesised".to_owned());
    let blame = Some(&pending.blame).filter(|it| !it.is_empty()).map(|it| format!("blame {}", it.join(", ")));
    let notes: Vec<String> = synthesised.into_iter().chain(blame).collect();
    vec![
        flow.to_string(),
        direction.to_owned(),
        source.clone(),
        dest.clone(),
        service.clone(),
        enforced.verdict.to_owned(),
        by(enforced),
        pending.verdict.to_owned(),
        by(pending),
        notes.join("; "),
    ]
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING);
        table.set_header([
            "FLOW",
            "DIRECTION",
            "SOURCE",
            "DESTINATION",
            "PORT",
            "ENFORCED",
            "BY",
            "PENDING",
            "BY",
            "NOTE",
        ]);
        table.add_rows(self.rows.iter().cloned());
        f.write_str(&table.lines().map(|it| it.trim_end().to_owned()).collect::<Vec<_>>().join("\n"))
    }
}

/// Comma-separated values with a header. Several values of one cell are joined by a blank, which no hit, policy or
/// attribute of ours begins or ends with; missing attributes, which hold blanks, by a semicolon.
pub(super) struct Csv<W: io::Write>(csv::Writer<W>);

impl<W: io::Write> Csv<W> {
    /// Writes the header.
    pub(super) fn begin(to: W) -> io::Result<Self> {
        let mut csv = csv::Writer::from_writer(to);
        csv.write_record([
            "flow",
            "direction",
            "source",
            "destination",
            "port",
            "enforced",
            "enforced_trace",
            "enforced_missing",
            "pending",
            "pending_trace",
            "pending_missing",
            "blame",
            "error",
            "synthesised",
        ])?;
        Ok(Self(csv))
    }

    /// Writes the rows of an answer; one without a direction where nothing was judged.
    pub(super) fn write(&mut self, answer: &FlowAnswer) -> io::Result<()> {
        let flow = answer.flow.to_string();
        let (route, egress, ingress) = match &answer.what {
            What::Unread { error } => {
                let mut cells = vec![flow];
                cells.resize(12, String::new());
                cells.extend([error.clone(), String::new()]);
                return Ok(self.0.write_record(&cells)?);
            }
            What::Judged { route, egress, ingress } => (route, egress, ingress),
        };
        let head = |direction: &str| {
            let Route { source, dest, service } = route;
            vec![flow.clone(), direction.to_owned(), source.clone(), dest.clone(), service.clone()]
        };
        if egress.is_none() && ingress.is_none() {
            let mut cells = head("");
            cells.resize(14, String::new());
            self.0.write_record(&cells)?;
        }
        for (direction, EndAnswer { synthesised, enforced, pending }) in
            ends(egress.as_ref(), ingress.as_ref())
        {
            let mut cells = head(direction);
            for it in [enforced, pending] {
                cells.extend([it.verdict.to_owned(), it.trace.join(" "), it.missing.join("; ")]);
            }
            let synthesised = if *synthesised { "true" } else { "" };
            cells.extend([pending.blame.join(" "), String::new(), synthesised.to_owned()]);
            self.0.write_record(&cells)?;
        }
        Ok(())
    }

    /// Writes what is held back.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.0.flush()
    }
}
