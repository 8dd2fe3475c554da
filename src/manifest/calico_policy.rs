//! The four tiered kinds of Calico: `NetworkPolicy`, `GlobalNetworkPolicy` and their staged forms.

use super::entity::Scope;
use super::meta::{self, Meta};
use super::out::{Out, OutMap};
use super::reader::{Context, Field, Fields, shown};
use super::rule;
use super::values::{is_dns_label, selector_without_global};
use crate::model::{Direction, Name, PolicyId, PolicyKind};
use crate::policy::{GlobalScope, Order, Policy, StagedAction, Types};

/// The API's bound on the selector of a policy.
const SELECTOR_CHARS_MAX: usize = 1024;

const STAGED_ACTIONS: [(&str, StagedAction); 4] = [
    ("Set", StagedAction::Set),
    ("Delete", StagedAction::Delete),
    ("Learn", StagedAction::Learn),
    ("Ignore", StagedAction::Ignore),
];

/// Reads a policy of one of the four kinds.
pub(super) fn read(cx: &mut Context, root: &mut Fields<'_>, meta: Meta, kind: PolicyKind) -> Option<Policy> {
    let at = root.need(cx, "spec")?;
    let mut spec = at.map(cx)?;
    let stored = meta.stored;
    let scope = if kind.is_namespaced() { Scope::Namespaced } else { Scope::Global };
    let staged_action = kind.is_staged().then(|| read_staged_action(cx, &mut spec));
    let tier_at = spec.take("tier");
    let tier = tier_at.as_ref().and_then(|it| it.text(cx)).filter(|it| !it.is_empty()).unwrap_or("default");
    if let Some(tier_at) = tier_at.filter(|_| !is_dns_label(tier)) {
        cx.error(&tier_at, format!("`{}` is no name of a tier", shown(tier)));
    }
    let order = spec.take("order").and_then(|it| it.number(cx)).map_or(Order::LAST, Order::new);
    let selector_at = spec.take("selector");
    if let Some(it) = &selector_at
        && it.scalar().is_some_and(|it| it.chars().count() > SELECTOR_CHARS_MAX)
    {
        cx.error(it, format!("the selector is longer than {SELECTOR_CHARS_MAX} characters"));
    }
    let selector = selector_at.and_then(|it| selector_without_global(cx, &it));
    let service_account_selector =
        spec.take("serviceAccountSelector").and_then(|it| selector_without_global(cx, &it));
    let types_at = spec.take("types");
    let types = types_at.as_ref().and_then(|it| read_types(cx, it));
    let ingress = rule::read_all(cx, &mut spec, Direction::Ingress, scope);
    let egress = rule::read_all(cx, &mut spec, Direction::Egress, scope);
    for hint in spec.list(cx, "performanceHints") {
        hint.one_of(cx, "performance hint", &[("AssumeNeededOnEveryNode", ())]);
    }
    let global = match scope {
        Scope::Namespaced => GlobalScope::default(),
        Scope::Global => read_global(cx, &mut spec),
    };
    spec.finish(cx);
    let mut policy = Policy {
        id: PolicyId { kind, namespace: meta.namespace, name: cx.version.policy_name(kind, tier, meta.name) },
        tier: Name::from(tier),
        order,
        selector,
        service_account_selector,
        types: types.unwrap_or_else(|| default_types(!ingress.is_empty(), !egress.is_empty())),
        ingress,
        egress,
        staged_action,
        global,
        labels: meta.labels,
    };
    if staged_action == Some(StagedAction::Delete) {
        check_delete(cx, &at, &policy);
        policy.types = Types { ingress: false, egress: false };
    } else {
        if types.is_none() {
            warn_missing_types(cx, &at, policy.types);
            if stored {
                cx.warn(&at, "Calico's agent takes a stored policy without types to govern both directions");
            }
        }
        warn_idle_rules(cx, &at, &policy);
    }
    check_global(cx, &at, &policy);
    Some(policy)
}

/// Takes `stagedAction`, which is `Set` where it is left out.
pub(super) fn read_staged_action(cx: &mut Context, spec: &mut Fields<'_>) -> StagedAction {
    spec.take("stagedAction")
        .filter(|it| it.scalar() != Some(""))
        .and_then(|it| it.one_of(cx, "staged action", &STAGED_ACTIONS))
        .unwrap_or_default()
}

pub(super) fn staged_action_name(action: StagedAction) -> &'static str {
    STAGED_ACTIONS.iter().find(|(_, it)| *it == action).map_or("Set", |(name, _)| name)
}

/// Reads a list of directions; an empty one counts as missing.
pub(super) fn read_types(cx: &mut Context, at: &Field<'_>) -> Option<Types> {
    let mut types = Types { ingress: false, egress: false };
    for item in at.list(cx) {
        let words = [("Ingress", Direction::Ingress), ("Egress", Direction::Egress)];
        let Some(direction) = item.one_of(cx, "policy type", &words) else { continue };
        if types.governs(direction) {
            cx.error(&item, "the type stands twice");
        }
        match direction {
            Direction::Ingress => types.ingress = true,
            Direction::Egress => types.egress = true,
        }
    }
    (types.ingress || types.egress).then_some(types)
}

pub(super) fn types_out(types: Types) -> impl Iterator<Item = &'static str> {
    [("Ingress", types.ingress), ("Egress", types.egress)]
        .into_iter()
        .filter_map(|(name, governed)| governed.then_some(name))
}

/// What the API server sets where `types` is missing.
const fn default_types(ingress: bool, egress: bool) -> Types {
    Types { ingress: ingress || !egress, egress }
}

pub(super) fn warn_missing_types(cx: &mut Context, at: &Field<'_>, types: Types) {
    let set = types_out(types).collect::<Vec<_>>().join(", ");
    cx.warn(at, format!("the types are missing; [{set}] is taken, as the API server sets it"));
}

pub(super) fn warn_idle_rules(cx: &mut Context, at: &Field<'_>, policy: &Policy) {
    let directions = [(Direction::Ingress, "ingress", "Ingress"), (Direction::Egress, "egress", "Egress")];
    for (direction, key, name) in directions {
        if !policy.rules(direction).is_empty() && !policy.types.governs(direction) {
            cx.warn(at, format!("the rules of `{key}` are never looked at: the types leave out {name}"));
        }
    }
}

fn read_global(cx: &mut Context, spec: &mut Fields<'_>) -> GlobalScope {
    GlobalScope {
        namespace_selector: spec.take("namespaceSelector").and_then(|it| selector_without_global(cx, &it)),
        do_not_track: spec.boolean(cx, "doNotTrack"),
        pre_dnat: spec.boolean(cx, "preDNAT"),
        apply_on_forward: spec.boolean(cx, "applyOnForward"),
    }
}

fn check_global(cx: &mut Context, at: &Field<'_>, policy: &Policy) {
    let GlobalScope { namespace_selector: _, do_not_track, pre_dnat, apply_on_forward } = policy.global;
    if do_not_track && pre_dnat {
        cx.error(at, "`doNotTrack` and `preDNAT` exclude each other");
    }
    if pre_dnat && (!policy.egress.is_empty() || policy.types.egress) {
        cx.error(at, "a policy with `preDNAT` governs ingress only");
    }
    if (do_not_track || pre_dnat) && !apply_on_forward {
        cx.error_hint(at, "`doNotTrack` and `preDNAT` need `applyOnForward`", "add `applyOnForward: true`");
    }
}

/// The staged removal of a policy names it and its tier, and nothing else.
fn check_delete(cx: &mut Context, at: &Field<'_>, policy: &Policy) {
    let bare = policy.order == Order::LAST
        && policy.selector.is_none()
        && policy.service_account_selector.is_none()
        && policy.ingress.is_empty()
        && policy.egress.is_empty()
        && policy.global == GlobalScope::default();
    if !bare {
        cx.error(at, "with the staged action `Delete` no other field than `tier` may be set");
    }
}

/// Writes a policy of one of the four kinds.
pub(super) fn write(policy: &Policy) -> Out {
    let Policy {
        id: PolicyId { kind, namespace, name },
        tier,
        order,
        selector,
        service_account_selector,
        types,
        ingress,
        egress,
        staged_action,
        global: GlobalScope { namespace_selector, do_not_track, pre_dnat, apply_on_forward },
        labels,
    } = policy;
    let text = |it: &Option<crate::policy::Selector>| it.as_ref().map(ToString::to_string);
    let spec = OutMap::new()
        .put_some("stagedAction", staged_action.map(staged_action_name))
        .put("tier", tier)
        .put_some("order", order.value())
        .put_some("namespaceSelector", text(namespace_selector))
        .put_some("selector", text(selector))
        .put_some("serviceAccountSelector", text(service_account_selector))
        .put_flag("doNotTrack", *do_not_track)
        .put_flag("preDNAT", *pre_dnat)
        .put_flag("applyOnForward", *apply_on_forward)
        .put_list("types", types_out(*types))
        .put_list("ingress", ingress.iter().map(rule::write))
        .put_list("egress", egress.iter().map(rule::write));
    meta::write("projectcalico.org/v3", kind.as_str(), name, namespace.as_ref(), labels)
        .put("spec", spec)
        .into()
}
