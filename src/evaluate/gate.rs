//! What a rule asks first, in sixteen bytes: it leaves out most rules, and decides most of the others.
//!
//! The rules of a policy stand all over the memory, and few of them match a given edge. Their gates stand side by
//! side, so that a policy is walked in as many cache lines as it has handfuls of rules.

use std::sync::Arc;

use super::class::Class;
use super::question::QuestionId;
use super::rule::{CompiledRule, Facts, Side};
use super::truth::Truth;
use crate::model::{Action, Direction, Protocol};
use crate::policy::RuleAction;

/// Stands for no question.
const NO_QUESTION: QuestionId = QuestionId::MAX;

/// Every port, and a port that is not known.
const ANY_PORT: (u16, u16) = (0, u16::MAX);

/// The gate of one rule; one that only logs has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Gate {
    /// What the peer must answer with yes.
    peer: QuestionId,
    /// The interval around all destination ports that the rule may match: the first and the last, in this order.
    ports: (u16, u16),
    /// The rule, by its place in the list.
    pub(super) rule: u32,
    protocol: Option<Protocol>,
    pub(super) action: Action,
    /// Whether the rule asks for nothing else.
    is_whole: bool,
}

/// What a gate tells of its rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Opening {
    /// The rule does not match.
    Never,
    /// The rule matches.
    Surely,
    /// The rule must be asked.
    Perhaps,
}

/// What gates are held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    protocol: Protocol,
    dest_port: Option<u16>,
    peer: &'a Class,
}

impl<'a> Asked<'a> {
    pub(super) const fn of(facts: &Facts<'a>) -> Self {
        let peer = match facts.direction {
            Direction::Ingress => facts.source,
            Direction::Egress => facts.dest,
        };
        Self { protocol: facts.protocol, dest_port: facts.dest_port, peer }
    }
}

impl Gate {
    /// Returns a gate of the same rule that asks for nothing.
    pub(super) const fn opened(&self) -> Self {
        let Self { rule, action, .. } = *self;
        Self { peer: NO_QUESTION, ports: ANY_PORT, rule, protocol: None, action, is_whole: true }
    }

    fn new(rule: &CompiledRule, place: u32, direction: Direction) -> Option<Self> {
        let RuleAction::Terminal(action) = rule.action else { return None };
        let (peer, subject) = match direction {
            Direction::Ingress => (rule.entity(Side::Source), rule.entity(Side::Destination)),
            Direction::Egress => (rule.entity(Side::Destination), rule.entity(Side::Source)),
        };
        let (ports, are_whole) = match rule.entity(Side::Destination).ports() {
            None => (ANY_PORT, true),
            // Names may mean any port.
            Some(list) if !list.is_numeric() => (ANY_PORT, false),
            Some(list) => match list.ranges() {
                [range] if range.0 <= range.1 => (*range, *range != ANY_PORT),
                ranges => (hull(ranges), false),
            },
        };
        let is_whole = are_whole
            && rule.asks_protocol_alone()
            && rule.entity(Side::Source).ports().is_none()
            && subject.necessary().is_none()
            && subject.asks_no_more()
            && peer.asks_no_more();
        let (peer, protocol) = (peer.necessary().unwrap_or(NO_QUESTION), rule.protocol());
        Some(Self { peer, ports, rule: place, protocol, action, is_whole })
    }

    /// Tells what can be told of the rule from what stands here.
    #[inline]
    pub(super) fn opens(&self, asked: &Asked<'_>) -> Opening {
        if self.protocol.is_some_and(|it| it != asked.protocol || asked.protocol.0 == 0) {
            return Opening::Never;
        }
        let mut is_sure = self.is_whole;
        match asked.dest_port {
            // One comparison for both bounds: most rules of a policy are left out here, on either side at random, and
            // a branch that cannot be foretold costs more than all the rest.
            Some(port) if port.wrapping_sub(self.ports.0) > self.ports.1.wrapping_sub(self.ports.0) => {
                return Opening::Never;
            }
            Some(_) => {}
            None => is_sure &= self.ports == ANY_PORT,
        }
        if self.peer != NO_QUESTION {
            match asked.peer.answer(self.peer) {
                Truth::True => {}
                Truth::False => return Opening::Never,
                Truth::Unknown(_) => is_sure = false,
            }
        }
        if is_sure { Opening::Surely } else { Opening::Perhaps }
    }
}

/// Returns the interval around several; for none that holds a port, every port.
fn hull(ranges: &[(u16, u16)]) -> (u16, u16) {
    let ranges = ranges.iter().filter(|(first, last)| first <= last);
    let first = ranges.clone().map(|it| it.0).min();
    let last = ranges.map(|it| it.1).max();
    first.zip(last).unwrap_or(ANY_PORT)
}

/// Returns the gates of the rules of one direction, in their order.
pub(super) fn gates(rules: &[CompiledRule], direction: Direction) -> Arc<[Gate]> {
    rules.iter().zip(0_u32..).filter_map(|(rule, place)| Gate::new(rule, place, direction)).collect()
}
