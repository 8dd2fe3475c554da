//! `metadata`, in the form of the API and in the form in which Calico stores its objects.

use super::out::OutMap;
use super::reader::{Context, Field, Fields, shown};
use super::tier_name;
use super::values::{check_label, is_dns_label, is_subdomain, labels};
use crate::model::{LabelSet, Name};

/// What is read of `metadata`.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Meta {
    pub(super) name: Name,
    /// The namespace; nothing for a kind that has none.
    pub(super) namespace: Option<Name>,
    pub(super) labels: LabelSet,
    pub(super) annotations: Vec<(Name, Name)>,
    pub(super) generate_name: Option<Name>,
    /// The object was read in the form in which Calico stores it.
    pub(super) stored: bool,
}

/// What the kind of an object says about its metadata.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct MetaSpec {
    pub(super) namespaced: bool,
    pub(super) name: NameRule,
    /// The object is in the form in which Calico stores it (`crd.projectcalico.org/v1`).
    pub(super) stored: bool,
}

/// What a name may look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NameRule {
    /// One DNS label.
    Label,
    /// One DNS label, or two joined by a dot; the namespaced policies know two reserved prefixes beside.
    CalicoPolicy,
    /// A DNS subdomain.
    Subdomain,
}

/// The annotation in which Calico keeps the metadata of an object that it stores.
const STORED_METADATA: &str = "projectcalico.org/metadata";

/// The beginnings of names that Calico gives to policies which it makes of those of others.
const RESERVED: [&str; 2] = ["knp.default.", "ossg.default."];

/// The bound that the API sets to all annotations of an object together.
const ANNOTATION_BYTES_MAX: usize = 256 << 10;

/// Reads the metadata of an object.
pub(super) fn read(cx: &mut Context, root: &mut Fields<'_>, spec: MetaSpec) -> Option<Meta> {
    let at = root.need(cx, "metadata")?;
    let mut fields = at.map(cx)?;
    let name_at = fields.need(cx, "name");
    let name = name_at.as_ref().and_then(|it| it.text(cx));
    let namespace_at = fields.take("namespace");
    let namespace = namespace_at.as_ref().and_then(|it| it.text(cx)).filter(|it| !it.is_empty());
    let own_labels = fields.take("labels").map(|it| labels(cx, &it)).unwrap_or_default();
    let annotations = fields.take("annotations").map(|it| read_annotations(cx, &it)).unwrap_or_default();
    let generate_name = fields.text(cx, "generateName").map(Name::from);
    // What the API writes by itself.
    for key in [
        "clusterName",
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generation",
        "initializers",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    ] {
        drop(fields.take(key));
    }
    fields.finish(cx);
    let (name, name_at) = (name?, name_at?);
    let namespace = match (spec.namespaced, namespace) {
        (true, Some(namespace)) => Some(namespace),
        (true, None) => {
            if namespace_at.is_none() {
                cx.warn(&at, "no namespace is given; `default` is taken");
            }
            Some("default")
        }
        (false, Some(_)) => {
            cx.warn(
                namespace_at.as_ref().unwrap_or(&at),
                "the kind has no namespaces; the field is not used",
            );
            None
        }
        (false, None) => None,
    };
    if let (Some(namespace), Some(namespace_at)) = (namespace, &namespace_at)
        && !is_dns_label(namespace)
    {
        cx.error_hint(
            namespace_at,
            format!("`{}` is no name of a namespace", shown(namespace)),
            "one is of lower-case letters, digits and `-`",
        );
    }
    let mut meta = Meta {
        name: Name::from(name),
        namespace: namespace.map(Name::from),
        labels: own_labels,
        annotations,
        generate_name,
        stored: spec.stored,
    };
    if spec.stored {
        restore(cx, &at, &mut meta, spec.name == NameRule::CalicoPolicy, root.peek("spec", "tier"));
    }
    check_name(cx, &name_at, &meta.name, spec, root.peek("spec", "tier"));
    Some(meta)
}

fn read_annotations(cx: &mut Context, at: &Field<'_>) -> Vec<(Name, Name)> {
    let Some(mut fields) = at.map(cx) else { return Vec::new() };
    let mut annotations = Vec::new();
    let mut bytes = 0;
    for (key, field) in fields.entries() {
        let value = if field.is_null() { Some("") } else { field.text(cx) };
        let Some(value) = value else { continue };
        bytes += key.len() + value.len();
        annotations.push((Name::from(&**key), Name::from(value)));
    }
    if bytes > ANNOTATION_BYTES_MAX {
        cx.error(at, format!("the annotations have more than {} KiB together", ANNOTATION_BYTES_MAX >> 10));
    }
    annotations.sort_unstable();
    annotations
}

/// Brings stored metadata back to what the user wrote.
///
/// With the annotation, a name in it wins; without a name in it (Calico 3.29 and earlier) a policy of the tier
/// `default` loses one `default.` from its name. Without the annotation the object is taken as it is. Labels of the
/// annotation win over those of the object.
fn restore(cx: &mut Context, at: &Field<'_>, meta: &mut Meta, policy: bool, tier: Option<&str>) {
    let Some((_, text)) = meta.annotations.iter().find(|(key, _)| *key == STORED_METADATA) else { return };
    let stored: serde_json::Value = match serde_json::from_str(text) {
        Ok(stored) => stored,
        Err(error) => {
            cx.error(at, format!("the annotation `{STORED_METADATA}` is no JSON: {error}"));
            return;
        }
    };
    if policy {
        match stored.get("name").and_then(serde_json::Value::as_str).filter(|it| !it.is_empty()) {
            Some(name) => meta.name = Name::from(name),
            None if matches!(tier, None | Some("" | "default")) => {
                if let Some(rest) = meta.name.strip_prefix("default.") {
                    meta.name = Name::from(rest);
                }
            }
            None => {}
        }
    }
    for (key, value) in stored.get("labels").and_then(serde_json::Value::as_object).into_iter().flatten() {
        match value.as_str() {
            Some(value) => {
                check_label(cx, at, key, value);
                meta.labels.insert(Name::from(key.as_str()), Name::from(value));
            }
            None => cx.error(at, format!("the annotation `{STORED_METADATA}` holds a label that is no text")),
        }
    }
}

fn check_name(cx: &mut Context, at: &Field<'_>, name: &str, spec: MetaSpec, tier: Option<&str>) {
    let is_reserved =
        spec.namespaced && RESERVED.iter().any(|it| name.strip_prefix(it).is_some_and(is_subdomain));
    let (good, due) = match spec.name {
        NameRule::Label => (is_dns_label(name), "at most 63 lower-case letters, digits and inner dashes"),
        NameRule::Subdomain => {
            (is_subdomain(name), "lower-case letters, digits and inner dashes, in parts joined by dots")
        }
        NameRule::CalicoPolicy => {
            let parts = name.split('.').count() <= 2 && name.split('.').all(is_dns_label);
            (
                name.len() <= 253 && (parts || is_reserved),
                "lower-case letters, digits and inner dashes, in one part or two joined by a dot",
            )
        }
    };
    if !good {
        cx.error(at, format!("`{}` is no name for this kind; a name has {due}", shown(name)));
    } else if spec.name == NameRule::CalicoPolicy && !is_reserved {
        tier_name::check(cx, at, name, tier);
    }
}

/// Writes the head of an object.
pub(super) fn write(
    api_version: &str,
    kind: &str,
    name: &str,
    namespace: Option<&Name>,
    labels: &LabelSet,
) -> OutMap {
    let own = labels.iter().fold(OutMap::new(), |map, (key, value)| map.put(key.as_str(), value));
    let meta = OutMap::new().put("name", name).put_some("namespace", namespace).put_map("labels", own);
    OutMap::new().put("apiVersion", api_version).put("kind", kind).put("metadata", meta)
}
