//! From a text to its objects: documents, lists, and the kind of each object.

use super::error::Error;
use super::meta::{self, MetaSpec, NameRule};
use super::object::{Item, Object, Unused};
use super::reader::{Context, Field, Fields, shown};
use super::{calico_object, calico_policy, cluster_object, cluster_policy, kubernetes_policy, tree};
use crate::model::{CalicoVersion, Name, PolicyKind};

const CALICO: &str = "projectcalico.org/v3";
const STORED: &str = "crd.projectcalico.org/v1";
const NETWORKING: &str = "networking.k8s.io/v1";
const CLUSTER: &str = "policy.networking.k8s.io/v1alpha2";
const ADMIN: &str = "policy.networking.k8s.io/v1alpha1";

/// Groups whose objects are policy, or are near it.
const GROUPS: [&str; 4] =
    ["projectcalico.org/", "crd.projectcalico.org/", "networking.k8s.io/", "policy.networking.k8s.io/"];

/// A kind that is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    CalicoPolicy(PolicyKind),
    KubernetesPolicy(PolicyKind),
    ClusterPolicy(PolicyKind),
    Tier,
    NetworkSet,
    GlobalNetworkSet,
    HostEndpoint,
    Profile,
    Namespace,
    ServiceAccount,
    Pod,
    Service,
    EndpointSlice,
}

/// Every kind that is read, with its API version. The storage form of Calico's kinds is read alike.
const KINDS: [(&str, &str, Kind); 19] = [
    (CALICO, "NetworkPolicy", Kind::CalicoPolicy(PolicyKind::NetworkPolicy)),
    (CALICO, "GlobalNetworkPolicy", Kind::CalicoPolicy(PolicyKind::GlobalNetworkPolicy)),
    (CALICO, "StagedNetworkPolicy", Kind::CalicoPolicy(PolicyKind::StagedNetworkPolicy)),
    (CALICO, "StagedGlobalNetworkPolicy", Kind::CalicoPolicy(PolicyKind::StagedGlobalNetworkPolicy)),
    (
        CALICO,
        "StagedKubernetesNetworkPolicy",
        Kind::KubernetesPolicy(PolicyKind::StagedKubernetesNetworkPolicy),
    ),
    (CALICO, "Tier", Kind::Tier),
    (CALICO, "NetworkSet", Kind::NetworkSet),
    (CALICO, "GlobalNetworkSet", Kind::GlobalNetworkSet),
    (CALICO, "HostEndpoint", Kind::HostEndpoint),
    (CALICO, "Profile", Kind::Profile),
    (NETWORKING, "NetworkPolicy", Kind::KubernetesPolicy(PolicyKind::KubernetesNetworkPolicy)),
    (CLUSTER, "ClusterNetworkPolicy", Kind::ClusterPolicy(PolicyKind::ClusterNetworkPolicy)),
    (ADMIN, "AdminNetworkPolicy", Kind::ClusterPolicy(PolicyKind::AdminNetworkPolicy)),
    (ADMIN, "BaselineAdminNetworkPolicy", Kind::ClusterPolicy(PolicyKind::BaselineAdminNetworkPolicy)),
    ("v1", "Namespace", Kind::Namespace),
    ("v1", "ServiceAccount", Kind::ServiceAccount),
    ("v1", "Pod", Kind::Pod),
    ("v1", "Service", Kind::Service),
    ("discovery.k8s.io/v1", "EndpointSlice", Kind::EndpointSlice),
];

/// Reads every object of a text: YAML documents or JSON, single objects and lists of them.
///
/// `source_name` is what errors and warnings name as the place: the file, or where else the text came from.
///
/// # Errors
///
/// Everything that is wrong, up to a hundred errors. Where one object is wrong, none is returned.
pub fn read(text: &str, source_name: &str) -> Result<Vec<Object>, Vec<Error>> {
    read_for(text, source_name, CalicoVersion::NEWEST)
}

/// As [`read`], by the rules of a release of Calico: how it names policies, and which tiers and kinds it knows.
///
/// # Errors
///
/// As [`read`].
pub fn read_for(text: &str, source_name: &str, version: CalicoVersion) -> Result<Vec<Object>, Vec<Error>> {
    let mut cx = Context::new(Name::from(source_name), version);
    let mut objects = Vec::new();
    let (documents, error) = tree::parse(text);
    for node in &documents {
        read_document(&mut cx, &Field { path: String::new(), node }, None, &mut objects);
    }
    if let Some(tree::SyntaxError { line, column, cause, hint }) = error {
        cx.begin(None);
        cx.fail((line, column), "", cause, hint);
    }
    if cx.errors.is_empty() { Ok(objects) } else { Err(cx.errors) }
}

/// Reads a document or an item of a list. `inherited` is the version and kind of items that do not name theirs.
fn read_document(
    cx: &mut Context,
    at: &Field<'_>,
    inherited: Option<(&str, &str)>,
    objects: &mut Vec<Object>,
) {
    cx.begin(None);
    if at.is_null() {
        return;
    }
    // `calicoctl` takes a list of objects as a whole document.
    if matches!(at.node.value, tree::Value::List(_)) {
        for item in at.list(cx) {
            read_document(cx, &Field { path: String::new(), ..item }, None, objects);
        }
        return;
    }
    let Some(mut root) = at.map(cx) else { return };
    let version_at = root.take("apiVersion");
    let kind_at = root.take("kind");
    let (version, kind) = match (&version_at, &kind_at, inherited) {
        (None, None, Some(inherited)) => inherited,
        _ => {
            let version = version_at.as_ref().and_then(|it| it.text(cx));
            let kind = kind_at.as_ref().and_then(|it| it.text(cx));
            for (key, found) in [("apiVersion", &version_at), ("kind", &kind_at)] {
                if found.is_none() {
                    cx.error(at, format!("`{key}` is missing: this is no Kubernetes object"));
                }
            }
            let (Some(version), Some(kind)) = (version, kind) else { return };
            (version, kind)
        }
    };
    if let Some(item_kind) = kind.strip_suffix("List") {
        return read_list(cx, &mut root, (version, item_kind), objects);
    }
    cx.begin(Some(object_name(kind, &root)));
    let known = KINDS
        .iter()
        .find(|(api_version, name, _)| {
            *name == kind && (*api_version == version || (*api_version == CALICO && version == STORED))
        })
        .map(|(_, _, kind)| *kind);
    let Some(known) = known else {
        return unsupported(cx, kind_at.as_ref().unwrap_or(at), version, kind);
    };
    let written = Name::from(root.peek("metadata", "name").unwrap_or_default());
    let item = read_item(cx, &mut root, known, version == STORED);
    // What the API server writes about an object is none of its author's business.
    drop(root.take("status"));
    root.finish(cx);
    if let (Some(warnings), Some(item)) = (cx.end(), item) {
        objects.push(Object { item, written, place: cx.place(at.line(), at.column()), warnings });
    }
}

fn read_list(
    cx: &mut Context,
    root: &mut Fields<'_>,
    (version, kind): (&str, &str),
    objects: &mut Vec<Object>,
) {
    let items = root.list(cx, "items");
    drop(root.take("metadata"));
    root.finish(cx);
    // The items of a plain `List` always name their kind.
    let inherited = (!kind.is_empty()).then_some((version, kind));
    for item in items {
        read_document(cx, &Field { path: String::new(), ..item }, inherited, objects);
    }
}

/// Names an object for messages, before anything of it is checked.
fn object_name(kind: &str, root: &Fields<'_>) -> Name {
    let name = root.peek("metadata", "name").unwrap_or("?");
    let name = match root.peek("metadata", "namespace") {
        Some(namespace) => format!("{} {}/{}", shown(kind), shown(namespace), shown(name)),
        None => format!("{} {}", shown(kind), shown(name)),
    };
    Name::from(name)
}

fn unsupported(cx: &mut Context, at: &Field<'_>, version: &str, kind: &str) {
    let mut cause = format!("kind `{}` of api version `{}` is not supported", shown(kind), shown(version));
    let same = KINDS.iter().find(|(_, name, _)| *name == kind).map(|(version, ..)| *version);
    let related = GROUPS.iter().any(|it| version.starts_with(it));
    let hint = match same {
        Some(near) => Some(format!("did you mean the api version `{near}`?")),
        None if related => {
            cx.nearest(kind, KINDS.iter().map(|(_, name, _)| *name)).map(|it| format!("did you mean `{it}`?"))
        }
        None => {
            cause.push_str(": it is not a policy object");
            None
        }
    };
    cx.fail((at.line(), at.column()), "", cause, hint);
}

fn meta_spec(kind: Kind, stored: bool) -> MetaSpec {
    let (namespaced, name) = match kind {
        Kind::CalicoPolicy(kind) => (kind.is_namespaced(), NameRule::CalicoPolicy),
        Kind::KubernetesPolicy(_) => (true, NameRule::Subdomain),
        Kind::NetworkSet | Kind::ServiceAccount | Kind::Pod | Kind::EndpointSlice => {
            (true, NameRule::Subdomain)
        }
        Kind::Service => (true, NameRule::Label),
        Kind::Tier | Kind::Namespace => (false, NameRule::Label),
        Kind::ClusterPolicy(_) | Kind::GlobalNetworkSet | Kind::HostEndpoint | Kind::Profile => {
            (false, NameRule::Subdomain)
        }
    };
    MetaSpec { namespaced, name, stored }
}

/// Tells whether a policy of a cluster-wide kind is read, and warns where the release of Calico does not read it.
fn is_read(cx: &mut Context, root: &Fields<'_>, kind: PolicyKind) -> bool {
    let (version, since) = (cx.version, cluster_policy::since(kind));
    if version < since {
        let cause = format!(
            "Calico {version} does not read this kind, which came with {since}: the policy has no say"
        );
        cx.warn(&root.at, cause);
        return false;
    }
    if let Some(until) = cluster_policy::until(kind).filter(|it| version >= *it) {
        let cause = format!(
            "Calico {until} and later do not read this kind: there the policy has no say, while here it is evaluated as \
             before {until}"
        );
        cx.warn(&root.at, cause);
    }
    true
}

fn read_item(cx: &mut Context, root: &mut Fields<'_>, kind: Kind, stored: bool) -> Option<Item> {
    let meta = meta::read(cx, root, meta_spec(kind, stored));
    let Some(meta) = meta else {
        // Without a name nothing else is worth reading.
        root.accept_rest();
        return None;
    };
    if let Kind::ClusterPolicy(kind) = kind
        && !is_read(cx, root, kind)
    {
        root.accept_rest();
        let reason = "it is of a kind that came with a later Calico";
        return Some(Item::Unused(Unused { kind: kind.as_str(), namespace: None, name: meta.name, reason }));
    }
    let policy = |it| Item::Policy(Box::new(it));
    match kind {
        Kind::CalicoPolicy(kind) => calico_policy::read(cx, root, meta, kind).map(policy),
        Kind::KubernetesPolicy(kind) => kubernetes_policy::read(cx, root, meta, kind).map(policy),
        Kind::ClusterPolicy(kind) => cluster_policy::read(cx, root, meta, kind).map(policy),
        Kind::Tier => calico_object::read_tier(cx, root, &meta).map(Item::Tier),
        Kind::NetworkSet | Kind::GlobalNetworkSet => {
            calico_object::read_network_set(cx, root, meta).map(Item::NetworkSet)
        }
        Kind::HostEndpoint => calico_object::read_host_endpoint(cx, root, meta).map(Item::HostEndpoint),
        Kind::Profile => calico_object::read_profile(cx, root, meta).map(Item::Profile),
        Kind::Namespace => {
            root.accept_rest();
            Some(Item::Namespace(cluster_object::read_namespace(meta)))
        }
        Kind::ServiceAccount => {
            root.accept_rest();
            Some(Item::ServiceAccount(cluster_object::read_service_account(meta)))
        }
        Kind::Pod => Some(cluster_object::read_pod(cx, root, meta)),
        Kind::Service => {
            root.accept_rest();
            let reason = "rules ask for the endpoints of a Service, which its slices hold";
            Some(Item::Unused(Unused { kind: "Service", namespace: meta.namespace, name: meta.name, reason }))
        }
        Kind::EndpointSlice => Some(cluster_object::read_endpoint_slice(cx, root, meta)),
    }
}
