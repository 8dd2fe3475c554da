//! The names of variables of the environment: which key each means, and which mean nothing.

use std::fmt;

use super::keys::{KEYS, Named, PROPERTIES, named};
use super::nearest::nearest;

/// The begin of every variable of ours.
pub(super) const PREFIX: &str = "FLOWSTAGE_";

/// What is read by others than the program as it runs: by its build, its tests and its benches.
const OF_OTHERS: [&str; 4] = ["REVISION", "RUSTC", "PROMTOOL", "POD_MONITOR_MODELS"];
const OF_OTHERS_BEGIN: [&str; 2] = ["TEST_", "BENCH_"];

/// What the name of a variable says.
pub(super) enum Spelled {
    /// Its value is that of the key.
    Value(String),
    /// Its value is the path of a file with that of the key.
    File(String),
    /// It looks like ours and is not: nobody meant a setting, or it cannot be told which.
    Foreign,
    /// A setting was meant, but there is none of that name.
    Unknown { suggestion: Option<String> },
}

/// Reads `KAFKA__BROKERS` as `kafka.brokers`. In the names of the client's properties one underscore is a dot.
pub(super) fn path_of(rest: &str) -> Spelled {
    let path = rest.to_ascii_lowercase().replace("__", ".");
    let spelled = |path: &str| match named(path) {
        Named::Key(_) => Some(path.to_owned()),
        Named::Property(name) => Some(format!("{PROPERTIES}.{}", name.replace('_', "."))),
        Named::Section | Named::Unknown => None,
    };
    // `_FILE` comes first, since every name is that of a property.
    if let Some(path) = path.strip_suffix("_file").and_then(spelled) {
        return Spelled::File(path);
    }
    if let Some(path) = spelled(&path) {
        return Spelled::Value(path);
    }
    // Kubernetes sets variables like `FLOWSTAGE_SERVICE_HOST` for a Service of our name, so what has no double
    // underscore is ours only if a key is spelled like it.
    let flat = |it: &str| it.replace(['.', '_'], "");
    let same = KEYS.iter().find(|it| flat(it.path) == flat(&path));
    let variable = |key: &str| format!("{PREFIX}{}", upper(key));
    match same {
        Some(key) => Spelled::Unknown { suggestion: Some(variable(key.path)) },
        None if rest.contains("__") => {
            Spelled::Unknown { suggestion: nearest(&path, KEYS.iter().map(|it| it.path)).map(variable) }
        }
        None => Spelled::Foreign,
    }
}

/// Spells a key as a variable, without the begin.
fn upper(key: &str) -> String {
    key.replace('.', "__").to_ascii_uppercase()
}

/// A variable that begins like ours and that nothing reads: most likely its name is misspelt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownVariable {
    /// Its name.
    pub name: String,
    /// The variable that was probably meant.
    pub suggestion: Option<String>,
}

/// Says that it is ignored, and what was probably meant.
impl fmt::Display for UnknownVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown variable `{}` is ignored", self.name)?;
        self.suggestion.as_ref().map_or(Ok(()), |it| write!(f, ", did you mean `{it}`"))
    }
}

/// Returns the variables that begin like ours and that nothing reads, by name. `others` are those that are read
/// elsewhere than in [`Layers`](super::Layers).
///
/// Left out are those that [`Layers`](super::Layers) refuses, since they mean settings, and the links that Kubernetes
/// sets for Services.
#[must_use]
pub fn unknown_variables(environment: &[(String, String)], others: &[String]) -> Vec<UnknownVariable> {
    let others: Vec<&str> = others.iter().filter_map(|it| it.strip_prefix(PREFIX)).collect();
    let keys: Vec<String> = KEYS.iter().map(|it| upper(it.path)).collect();
    let mut unknown: Vec<UnknownVariable> = environment
        .iter()
        .filter_map(|(name, value)| Some((name, name.strip_prefix(PREFIX)?, value)))
        .filter(|(_, rest, value)| {
            !others.contains(rest)
                && !OF_OTHERS.contains(rest)
                && !OF_OTHERS_BEGIN.iter().any(|it| rest.starts_with(it))
                && !is_service_link(rest, value)
                && matches!(path_of(rest), Spelled::Foreign)
        })
        .map(|(name, rest, _)| {
            let known = others.iter().copied().chain(keys.iter().map(String::as_str));
            let suggestion = nearest(&rest.to_ascii_uppercase(), known).map(|it| format!("{PREFIX}{it}"));
            UnknownVariable { name: name.clone(), suggestion }
        })
        .collect();
    unknown.sort_by(|a, b| a.name.cmp(&b.name));
    unknown
}

/// Tells whether Kubernetes set the variable for a Service whose name begins like ours: `FLOWSTAGE_SERVICE_HOST`,
/// `FLOWSTAGE_PORT_9404_TCP_ADDR` (Kubernetes documentation, "Service", environment variables).
fn is_service_link(rest: &str, value: &str) -> bool {
    let rest = format!("_{rest}");
    let is_port = |tail: &str| {
        tail.split_once('_').is_some_and(|(number, tail)| {
            number.parse::<u16>().is_ok() && matches!(tail.split('_').next(), Some("TCP" | "UDP" | "SCTP"))
        })
    };
    rest.ends_with("_SERVICE_HOST")
        || rest.ends_with("_SERVICE_PORT")
        || rest.contains("_SERVICE_PORT_")
        || rest.ends_with("_PORT") && value.contains("://")
        || rest.split("_PORT_").skip(1).any(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds what is said of a variable against the expectation; nothing where it is not unknown.
    #[track_caller]
    fn check(name: &str, value: &str, expect: Option<Option<&str>>) {
        let environment = [(name.to_owned(), value.to_owned())];
        let found = unknown_variables(&environment, &["FLOWSTAGE_CONFIG".to_owned()]);
        let found: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.suggestion.as_deref())).collect();
        assert_eq!(found, expect.map(|it| (name, it)).into_iter().collect::<Vec<_>>(), "{name}");
    }

    #[test]
    fn a_misspelt_variable_is_told_with_the_one_that_was_meant() {
        check("FLOWSTAGE_CONFG", "f.yaml", Some(Some("FLOWSTAGE_CONFIG")));
        check("FLOWSTAGE_config", "f.yaml", Some(Some("FLOWSTAGE_CONFIG")));
        check("FLOWSTAGE_WORKER", "2", Some(Some("FLOWSTAGE_WORKERS")));
        check("FLOWSTAGE_KAFKA_BROKER", "a:1", Some(Some("FLOWSTAGE_KAFKA__BROKERS")));
        check("FLOWSTAGE_HTTP_PORT", "9404", Some(None));
        check("FLOWSTAGE_", "", Some(None));
    }

    #[test]
    fn what_is_read_or_refused_elsewhere_is_not_told() {
        for name in [
            "FLOWSTAGE_CONFIG",
            "FLOWSTAGE_WORKERS",
            "FLOWSTAGE_KAFKA__BROKERS",
            "FLOWSTAGE_KAFKA__PROPERTIES__SASL_PASSWORD_FILE",
            "FLOWSTAGE_KAFKA_BROKERS",
            "FLOWSTAGE_KAFKA__BROKER",
            "FLOWSTAGE_TEST_DATA",
            "FLOWSTAGE_BENCH_BROKER",
            "FLOWSTAGE_REVISION",
            "FLOWSTAGED",
            "PATH",
        ] {
            check(name, "x", None);
        }
    }

    #[test]
    fn links_of_services_are_nobodys_slip() {
        check("FLOWSTAGE_SERVICE_HOST", "10.0.0.1", None);
        check("FLOWSTAGE_SERVICE_PORT", "9404", None);
        check("FLOWSTAGE_API_SERVICE_PORT_HTTP", "9405", None);
        check("FLOWSTAGE_PORT", "tcp://10.0.0.1:9404", None);
        check("FLOWSTAGE_PORT_9404_TCP", "tcp://10.0.0.1:9404", None);
        check("FLOWSTAGE_API_PORT_9405_TCP_ADDR", "10.0.0.1", None);
        check("FLOWSTAGE_PORT_9404", "10.0.0.1", Some(None));
    }
}
