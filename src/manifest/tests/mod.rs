//! Tests of the whole room, through its public face.

mod conversion;
mod generated;
mod hostile;
mod round_trip;
mod validation;
mod versions;
mod wild;

use super::{Item, Object, assemble, read};
use crate::policy::{Policy, PolicySet};

/// Reads a text that has to be good.
#[track_caller]
fn objects(text: &str) -> Vec<Object> {
    read(text, "test.yaml").unwrap_or_else(|errors| panic!("{}\n{}", errors[0], cut(text)))
}

/// The begin of a text, for messages.
fn cut(text: &str) -> String {
    text.chars().take(2000).collect()
}

/// Reads the only policy of a text, and its warnings as they are printed.
#[track_caller]
fn policy(text: &str) -> (Policy, Vec<String>) {
    match <[Object; 1]>::try_from(objects(text)) {
        Ok([Object { item: Item::Policy(policy), warnings, .. }]) => {
            (*policy, warnings.iter().map(ToString::to_string).collect())
        }
        other => panic!("{other:?}"),
    }
}

/// Reads a text that has to be refused; gives the errors as they are printed.
#[track_caller]
fn errors(text: &str) -> Vec<String> {
    match read(text, "test.yaml") {
        Ok(_) => panic!("read, not refused:\n{}", cut(text)),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

/// Expects one error that holds `expect`.
#[track_caller]
fn refused(text: &str, expect: &str) {
    let errors = errors(text);
    assert!(errors.len() == 1 && errors[0].contains(expect), "{errors:#?}\n{}", cut(text));
}

#[track_caller]
fn set(text: &str) -> PolicySet {
    assemble(objects(text)).unwrap().set
}

/// A Calico `NetworkPolicy` with the types given, and more of its spec in YAML's flow style.
fn network_policy(spec: &str) -> String {
    calico("NetworkPolicy", &format!("types: [Ingress, Egress], {spec}"))
}

/// An object of Calico in the namespace `shop`, or without one for global kinds.
fn calico(kind: &str, spec: &str) -> String {
    let namespace = if kind.starts_with("Global") || kind.starts_with("StagedGlobal") || kind == "Tier" {
        ""
    } else {
        ", namespace: shop"
    };
    format!(
        "apiVersion: projectcalico.org/v3\nkind: {kind}\nmetadata: {{name: db{namespace}}}\nspec: {{{spec}}}\n"
    )
}

fn kubernetes(spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: db, namespace: shop}}\nspec: {{{spec}}}\n"
    )
}
