//! Lists of ports: numbers and names.

use super::class::Class;
use super::options::Switches;
use super::question::{Question, QuestionId};
use super::truth::Truth;
use super::verdict::Missing;
use crate::model::Protocol;
use crate::policy::PortMatch;
use crate::policy::selector::Node;

/// A list of ports.
#[derive(Clone, Debug, Default)]
pub(super) struct Ports {
    ranges: Vec<(u16, u16)>,
    named: Vec<QuestionId>,
}

impl Ports {
    /// Compiles a list; nothing for an empty one.
    pub(super) fn new(
        list: &[PortMatch],
        scope: &Node,
        ask: &mut dyn FnMut(Question) -> QuestionId,
        switches: Switches,
    ) -> Option<Self> {
        if list.is_empty() {
            return None;
        }
        let mut ports = Self::default();
        for port in list {
            match port {
                PortMatch::Range(first, last) => ports.ranges.push((*first, *last)),
                PortMatch::Named(name) => {
                    if !switches.named_ports_never_match {
                        ports.named.push(ask(Question::PortsNamed(scope.clone(), name.clone())));
                    }
                }
            }
        }
        Some(ports)
    }

    /// Tells whether one of the numbers is the port. What is missing is named as of the source.
    pub(super) fn hold_numbers(&self, protocol: Protocol, port: Option<u16>) -> Truth {
        match port {
            Some(port) => {
                Truth::from(self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&port)))
            }
            None if !protocol.has_ports() || self.ranges.is_empty() => Truth::False,
            None if self.ranges.iter().any(|(first, last)| *first <= 1 && *last == u16::MAX) => Truth::True,
            None => Truth::Unknown(Missing::SOURCE_PORT),
        }
    }

    pub(super) fn hold(&self, class: &Class, protocol: Protocol, port: Option<u16>) -> Truth {
        let mut any = self.hold_numbers(protocol, port);
        for question in &self.named {
            if let Some(answer) = class.ports(*question) {
                any = any.or(answer.holds(protocol, port, Missing::SOURCE_PORT));
            }
        }
        any
    }

    /// Returns the intervals of numbers.
    pub(super) fn ranges(&self) -> &[(u16, u16)] {
        &self.ranges
    }

    /// Tells whether numbers alone are listed.
    pub(super) fn is_numeric(&self) -> bool {
        self.named.is_empty()
    }

    /// Estimates the memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.ranges.capacity() * 4 + self.named.capacity() * 4
    }
}
