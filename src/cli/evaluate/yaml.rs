//! Answers as one YAML list, in the shape of the JSON.

use std::io::{self, Write};

use super::answer::{EndAnswer, FlowAnswer, VerdictAnswer, What};

/// Writes one item of the list.
pub(super) fn write(to: &mut dyn Write, answer: &FlowAnswer) -> io::Result<()> {
    writeln!(to, "- flow: {}", answer.flow)?;
    match &answer.what {
        What::Unread { error } => writeln!(to, "  error: {}", quoted(error)),
        What::Judged { route: _, egress, ingress } => {
            write_end(to, "egress", egress.as_ref())?;
            write_end(to, "ingress", ingress.as_ref())
        }
    }
}

fn write_end(to: &mut dyn Write, direction: &str, end: Option<&EndAnswer>) -> io::Result<()> {
    let Some(EndAnswer { synthesised, enforced, pending }) = end else {
        return writeln!(to, "  {direction}: null");
    };
    writeln!(to, "  {direction}:")?;
    if *synthesised {
        writeln!(to, "    synthesised: true")?;
    }
    write_verdict(to, "enforced", enforced)?;
    write_verdict(to, "pending", pending)
}

fn write_verdict(to: &mut dyn Write, name: &str, answer: &VerdictAnswer) -> io::Result<()> {
    let VerdictAnswer { verdict, trace, blame, missing } = answer;
    writeln!(to, "    {name}:\n      verdict: {verdict}")?;
    write_list(to, "trace", trace.iter().map(String::as_str))?;
    if !blame.is_empty() {
        write_list(to, "blame", blame.iter().map(String::as_str))?;
    }
    if !missing.is_empty() {
        write_list(to, "missing", missing.iter().copied())?;
    }
    Ok(())
}

fn write_list<'a>(
    to: &mut dyn Write,
    name: &str,
    items: impl ExactSizeIterator<Item = &'a str>,
) -> io::Result<()> {
    if items.len() == 0 {
        return writeln!(to, "      {name}: []");
    }
    writeln!(to, "      {name}:")?;
    items.into_iter().try_for_each(|it| writeln!(to, "      - {}", quoted(it)))
}

/// Quotes a text as JSON does, which YAML reads alike.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
