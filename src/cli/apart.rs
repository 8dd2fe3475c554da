//! What tells edges apart that look alike: their labels, and the Service by which a destination was reached.

use std::collections::BTreeSet;

use crate::model::{Edge, Endpoint, LabelSet, Name, ServiceRef};

/// What is to be written behind the parts of an edge; empty where there is nothing to tell.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Marks {
    pub(super) source: String,
    pub(super) dest: String,
    pub(super) port: String,
}

/// Returns the marks of each of some edges that look alike: of their labels those that are not the same in all.
///
/// Edges that differ in neither labels nor Service have equal marks.
pub(super) fn marks_of(alike: &[&Edge]) -> Vec<Marks> {
    let sources: Vec<&Endpoint> = alike.iter().map(|it| it.source()).collect();
    let dests: Vec<&Endpoint> = alike.iter().map(|it| it.dest()).collect();
    let services: Vec<Option<&ServiceRef>> = alike.iter().map(|it| it.service.as_ref()).collect();
    let ends = label_marks(&sources).into_iter().zip(label_marks(&dests));
    ends.zip(service_marks(&services)).map(|((source, dest), port)| Marks { source, dest, port }).collect()
}

fn label_marks(ends: &[&Endpoint]) -> Vec<String> {
    let known: Vec<&LabelSet> = ends.iter().filter_map(|it| it.labels.as_ref()).collect();
    let keys: BTreeSet<&Name> = known.iter().flat_map(|it| it.iter()).map(|(key, _)| key).collect();
    let differing: Vec<&Name> =
        keys.into_iter().filter(|key| !are_equal(known.iter().map(|it| it.get(key)))).collect();
    let is_known_of_all = known.len() == ends.len();
    let is_known_of_none = known.is_empty();
    let mark = |end: &&Endpoint| match &end.labels {
        None if is_known_of_none => String::new(),
        None => " {labels unknown}".to_owned(),
        Some(_) if differing.is_empty() && is_known_of_all => String::new(),
        Some(_) if differing.is_empty() => " {labels known}".to_owned(),
        Some(labels) => {
            let label = |key: &&Name| match labels.get(key) {
                Some(value) => format!("{key}={value}"),
                None => format!("no {key}"),
            };
            format!(" {{{}}}", differing.iter().map(label).collect::<Vec<_>>().join(", "))
        }
    };
    ends.iter().map(mark).collect()
}

fn service_marks(services: &[Option<&ServiceRef>]) -> Vec<String> {
    if are_equal(services.iter()) {
        return vec![String::new(); services.len()];
    }
    let mark = |service: &Option<&ServiceRef>| match service {
        Some(ServiceRef { namespace, name, port_name }) if port_name.is_empty() => {
            format!(" by {namespace}/{name}")
        }
        Some(ServiceRef { namespace, name, port_name }) => format!(" by {namespace}/{name}:{port_name}"),
        None => " by no service".to_owned(),
    };
    services.iter().map(mark).collect()
}

fn are_equal<T: PartialEq>(mut values: impl Iterator<Item = T>) -> bool {
    let first = values.next();
    values.all(|it| first.as_ref() == Some(&it))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Direction, EndpointKind, NameScope, Protocol};

    fn edge(labels: Option<&[(&str, &str)]>, service: Option<&str>) -> Edge {
        let end = |labels: Option<&[(&str, &str)]>| Endpoint {
            kind: EndpointKind::Workload,
            namespace: Some("shop".into()),
            name: "cart*".into(),
            name_scope: NameScope::Aggregated,
            address: None,
            labels: labels.map(|it| it.iter().copied().collect()),
        };
        let service = service.map(|port_name| ServiceRef {
            namespace: "shop".into(),
            name: "mail".into(),
            port_name: port_name.into(),
        });
        Edge {
            direction: Direction::Ingress,
            subject: end(Some(&[("app", "mail")])),
            peer: end(labels),
            protocol: Protocol::TCP,
            port: Some(80),
            service,
        }
    }

    /// Holds the marks of the source and of the port against the expectation; those of the destination are empty.
    #[track_caller]
    fn check(edges: &[Edge], expect: &[(&str, &str)]) {
        let marks = marks_of(&edges.iter().collect::<Vec<_>>());
        let found: Vec<_> = marks.iter().map(|it| (it.source.as_str(), it.port.as_str())).collect();
        assert_eq!(found, expect);
        assert!(marks.iter().all(|it| it.dest.is_empty()), "{marks:?}");
    }

    #[test]
    fn the_labels_that_differ_are_told_and_no_others() {
        let first = edge(Some(&[("app", "cart"), ("version", "v1")]), None);
        let second = edge(Some(&[("app", "cart"), ("version", "v2"), ("canary", "")]), None);
        check(&[first, second], &[(" {no canary, version=v1}", ""), (" {canary=, version=v2}", "")]);
    }

    #[test]
    fn unknown_labels_are_not_the_same_as_none() {
        let unknown = || edge(None, None);
        check(&[unknown(), edge(Some(&[]), None)], &[(" {labels unknown}", ""), (" {labels known}", "")]);
        let known = |app| edge(Some(&[("app", app)]), None);
        check(
            &[unknown(), known("a"), known("b")],
            &[(" {labels unknown}", ""), (" {app=a}", ""), (" {app=b}", "")],
        );
    }

    #[test]
    fn the_service_is_told_where_it_differs() {
        let edges = [edge(None, None), edge(None, Some("")), edge(None, Some("http"))];
        check(&edges, &[("", " by no service"), ("", " by shop/mail"), ("", " by shop/mail:http")]);
    }

    #[test]
    fn what_is_equal_has_no_mark() {
        check(&[edge(None, None), edge(None, None)], &[("", ""), ("", "")]);
        check(&[], &[]);
    }
}
