//! Kubernetes' `LabelSelector`, and the Calico selector that means the same.

use super::out::{Out, OutMap};
use super::reader::{Context, Field};
use super::values::{check_label_key, label_value};
use crate::model::Name;
use crate::policy::Selector;
use crate::policy::selector::Node;

/// The label by which Calico tells pods from everything else.
const ORCHESTRATOR: (&str, &str) = ("projectcalico.org/orchestrator", "k8s");

/// What a selector selects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Selects {
    /// Pods: the term that keeps network sets and hosts out stands first.
    Pods,
    /// Namespaces.
    Namespaces,
}

#[derive(Clone, Copy)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

const OPERATORS: [(&str, Operator); 4] = [
    ("In", Operator::In),
    ("NotIn", Operator::NotIn),
    ("Exists", Operator::Exists),
    ("DoesNotExist", Operator::DoesNotExist),
];

/// Reads a selector. Labels come first, sorted by key, then expressions as they were written.
pub(super) fn read(cx: &mut Context, at: Option<&Field<'_>>, selects: Selects) -> Selector {
    let mut terms = Vec::new();
    if selects == Selects::Pods {
        terms.push(Node::Eq(Name::from(ORCHESTRATOR.0), Name::from(ORCHESTRATOR.1)));
    }
    if let Some(mut fields) = at.and_then(|it| it.map(cx)) {
        if let Some(labels) = fields.take("matchLabels") {
            let labels = super::values::labels(cx, &labels);
            terms.extend(labels.iter().map(|(key, value)| Node::Eq(key.clone(), value.clone())));
        }
        for item in fields.list(cx, "matchExpressions") {
            terms.extend(expression(cx, &item));
        }
        fields.finish(cx);
    }
    Selector::from_node(Node::And(terms))
}

fn expression(cx: &mut Context, at: &Field<'_>) -> Option<Node> {
    let mut fields = at.map(cx)?;
    let key_at = fields.need(cx, "key");
    let key = key_at.as_ref().and_then(|it| it.text(cx));
    if let (Some(it), Some(key)) = (&key_at, key) {
        check_label_key(cx, it, key);
    }
    let operator = fields.need(cx, "operator").and_then(|it| it.one_of(cx, "operator", &OPERATORS));
    let items = fields.list(cx, "values");
    fields.finish(cx);
    let key = Name::from(key?);
    let mut values = Vec::with_capacity(items.len());
    for item in &items {
        values.push(Name::from(label_value(cx, item)?));
    }
    match operator? {
        Operator::In | Operator::NotIn if values.is_empty() => {
            cx.error(at, "the operators In and NotIn need `values`");
            None
        }
        Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
            cx.error(at, "the operators Exists and DoesNotExist take no `values`");
            None
        }
        Operator::In => Some(Node::In(key, values)),
        Operator::NotIn => Some(Node::NotIn(key, values)),
        Operator::Exists => Some(Node::Has(key)),
        Operator::DoesNotExist => Some(Node::Not(Box::new(Node::Has(key)))),
    }
}

/// Writes a selector; nothing if Kubernetes cannot say the same.
pub(super) fn write(selector: &Selector, selects: Selects) -> Option<OutMap> {
    let terms = match selector.root() {
        Node::All => &[][..],
        Node::And(terms) => terms,
        only => std::slice::from_ref(only),
    };
    let terms = match (selects, terms) {
        (Selects::Namespaces, terms) => terms,
        (Selects::Pods, [Node::Eq(key, value), rest @ ..])
            if (key.as_str(), value.as_str()) == ORCHESTRATOR =>
        {
            rest
        }
        (Selects::Pods, _) => return None,
    };
    let mut labels = OutMap::new();
    let mut expressions: Vec<Out> = Vec::new();
    let mut last_key = None;
    for term in terms {
        // Labels are read in the order of their keys; what stands otherwise becomes an expression.
        if let Node::Eq(key, value) = term
            && expressions.is_empty()
            && last_key.is_none_or(|it| it < key)
        {
            last_key = Some(key);
            labels = labels.put(key.as_str(), value);
            continue;
        }
        expressions.push(expression_out(term)?);
    }
    Some(OutMap::new().put_map("matchLabels", labels).put_list("matchExpressions", expressions))
}

fn expression_out(term: &Node) -> Option<Out> {
    let out = |key: &Name, operator: &str| OutMap::new().put("key", key).put("operator", operator);
    Some(match term {
        Node::Eq(key, value) => out(key, "In").put_list("values", [value]).into(),
        Node::In(key, values) if !values.is_empty() => out(key, "In").put_list("values", values).into(),
        Node::NotIn(key, values) if !values.is_empty() => out(key, "NotIn").put_list("values", values).into(),
        Node::Has(key) => out(key, "Exists").into(),
        Node::Not(operand) => {
            let Node::Has(key) = &**operand else { return None };
            out(key, "DoesNotExist").into()
        }
        Node::Ne(key, value) => out(key, "NotIn").put_list("values", [value]).into(),
        Node::All
        | Node::Global
        | Node::In(..)
        | Node::NotIn(..)
        | Node::Contains(..)
        | Node::StartsWith(..)
        | Node::EndsWith(..)
        | Node::And(_)
        | Node::Or(_) => return None,
    })
}
