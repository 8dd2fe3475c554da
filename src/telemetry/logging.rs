//! Logs: JSON for machines, plain lines for people; on standard error, since standard output carries data.

use std::fmt;
use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// How a log line looks.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Format {
    /// Lines for people on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// Lines for people.
    Text,
}

/// What is logged, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// The level, for everything or by target: `info`, `info,flowstage::ingest=debug`.
    pub filter: String,
    /// The look of a line.
    pub format: Format,
}

impl Default for Options {
    fn default() -> Self {
        Self { filter: "info".into(), format: Format::Auto }
    }
}

const LEVELS: &str = "the levels are `error`, `warn`, `info`, `debug`, `trace` and `off`";

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter does not parse.
    #[error(
        "log filter `{filter}` does not parse: name a level, or `target=level` pairs joined by commas; {LEVELS}"
    )]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// A part of the filter is neither a level nor a pair. Taken as a target it would silence all others.
    #[error("`{part}` is no level of the log, and no `target=level`; {LEVELS}")]
    Level {
        /// The part.
        part: String,
    },
    /// Another part of the process was first.
    #[error("logging is set up already")]
    Installed(#[source] tracing_subscriber::util::TryInitError),
}

/// Sends the process's logs to standard error. Colours are used on a terminal, unless the environment says `NO_COLOR`.
///
/// # Errors
///
/// When the filter does not parse, or when logging was set up before.
pub fn init(options: &Options) -> Result<(), Error> {
    let terminal = io::stderr().is_terminal();
    // https://no-color.org: present and not empty.
    let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    let json = match options.format {
        Format::Auto => !terminal,
        Format::Json => true,
        Format::Text => false,
    };
    subscriber(options, json, colours, io::stderr)?.try_init().map_err(Error::Installed)
}

/// Checks that a filter is one, as [`init`] does.
///
/// # Errors
///
/// When it does not parse.
pub fn check_filter(text: &str) -> Result<(), Error> {
    filter(text).map(drop)
}

fn filter(text: &str) -> Result<EnvFilter, Error> {
    // A part that names a span needs no level.
    let is_sound = |part: &str| part.contains(['=', '[']) || part.parse::<LevelFilter>().is_ok();
    let mut parts = text.split(',').filter(|it| !it.is_empty()).peekable();
    if parts.peek().is_none() {
        return Err(Error::Level { part: text.to_owned() });
    }
    if let Some(part) = parts.find(|it| !is_sound(it)) {
        return Err(Error::Level { part: part.to_owned() });
    }
    EnvFilter::try_new(text).map_err(|source| Error::Filter { filter: text.to_owned(), source })
}

type Subscriber = Box<dyn tracing::Subscriber + Send + Sync>;

fn subscriber<W>(options: &Options, json: bool, colours: bool, writer: W) -> Result<Subscriber, Error>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = filter(&options.filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    Ok(if json {
        Box::new(builder.json().flatten_event(true).with_current_span(false).finish())
    } else {
        Box::new(builder.with_ansi(colours).finish())
    })
}

/// Prints text that somebody else wrote so that it fits on a line and cannot forge one: at most 256 bytes of it, with
/// control characters and what is not UTF-8 escaped.
#[derive(Clone, Copy, Debug)]
pub struct Excerpt<'a>(pub &'a [u8]);

/// Enough to see which field a record broke in; a longer one would carry whole records into the log.
const EXCERPT_BYTES_MAX: usize = 256;

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = &self.0[..self.0.len().min(EXCERPT_BYTES_MAX)];
        let mut left = self.0.len() - head.len();
        let mut chunks = head.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            for char in chunk.valid().chars() {
                match char {
                    '"' | '\'' => write!(f, "{char}")?,
                    // Marks that turn the direction of writing could make a line read as another.
                    '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                        write!(f, "{}", char.escape_unicode())?;
                    }
                    _ => write!(f, "{}", char.escape_debug())?,
                }
            }
            if chunks.peek().is_none() && left > 0 && chunk.invalid().len() < 4 {
                // The cut may go through a character; what is left of it counts as cut off.
                left += chunk.invalid().len();
            } else {
                write!(f, "{}", chunk.invalid().escape_ascii())?;
            }
        }
        if left > 0 {
            write!(f, "... ({left} bytes more)")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(Excerpt(bytes).to_string(), expected);
    }

    #[test]
    fn foreign_text_cannot_forge_a_line() {
        check(b"{\"a\":1}", "{\"a\":1}");
        check(b"x\nlevel=ERROR \x1b[31m", "x\\nlevel=ERROR \\u{1b}[31m");
        check(b"\xff\xfeok", "\\xff\\xfeok");
        check("a\u{202e}b".as_bytes(), "a\\u{202e}b");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let text = format!("{}é{}", "a".repeat(255), "b".repeat(10));
        check(text.as_bytes(), &format!("{}... (12 bytes more)", "a".repeat(255)));
        check(&[b'a'; 256], &"a".repeat(256));
        check(&[b'a'; 257], &format!("{}... (1 bytes more)", "a".repeat(256)));
    }

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log(filter: &str, json: bool) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let options = Options { filter: filter.into(), format: Format::Auto };
        let subscriber = subscriber(&options, json, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(lag = 7, "consumer is falling behind");
            tracing::debug!("not asked for");
        });
        String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_json_line_carries_its_fields() {
        let text = log("info", true);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["lag"], 7);
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["message"], "consumer is falling behind");
    }

    #[test]
    fn a_text_line_has_no_colour_codes_unless_asked() {
        let text = log("info", false);
        assert!(text.contains("consumer is falling behind lag=7"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert_eq!(log("error", false), "");
    }

    #[test]
    fn a_filter_that_does_not_parse_is_named() {
        let options = Options { filter: "flowstage=loud".into(), format: Format::Auto };
        let error = subscriber(&options, true, false, io::sink).err().unwrap();
        assert!(error.to_string().contains("`flowstage=loud`"), "{error}");
    }

    #[track_caller]
    fn check_refused(filter: &str, part: &str) {
        let error = check_filter(filter).expect_err("this filter must be refused").to_string();
        let levels = "the levels are `error`, `warn`, `info`, `debug`, `trace` and `off`";
        assert_eq!(error, format!("`{part}` is no level of the log, and no `target=level`; {levels}"));
    }

    #[test]
    fn a_word_that_is_no_level_is_no_target() {
        check_refused("verbose", "verbose");
        check_refused("info,flowstage", "flowstage");
        check_refused("", "");
        check_refused(",", ",");
        for sound in [
            "info",
            "WARN",
            "off",
            "warn,flowstage::ingest=debug",
            "info,[batch{partition=3}]",
            "info,[batch]",
        ] {
            assert!(check_filter(sound).is_ok(), "{sound}");
        }
    }
}
