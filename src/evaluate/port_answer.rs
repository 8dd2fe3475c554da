//! Ports of one end that rules speak of by name, or through a Service.

use super::truth::Truth;
use super::verdict::Missing;
use crate::model::Protocol;

/// Ports of one end that a rule speaks of by name, or through a Service.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct PortAnswer {
    pub(super) sure: Vec<(Protocol, u16)>,
    /// Ports that may be among them, with what is missing to know.
    pub(super) maybe: Vec<(Protocol, u16, Missing)>,
    /// What is missing to know of every other port; nothing when no other is among them.
    pub(super) open: Missing,
    /// Whether every port is.
    pub(super) is_any: bool,
}

impl PortAnswer {
    /// Tells whether a port is one of them. A port that is not known is `missing`.
    pub(super) fn holds(&self, protocol: Protocol, port: Option<u16>, missing: Missing) -> Truth {
        if self.is_any {
            return Truth::True;
        }
        if !protocol.has_ports() {
            return Truth::False;
        }
        let open = doubtful(self.open);
        let of_protocol = self.maybe.iter().filter(|it| it.0 == protocol);
        let Some(port) = port else {
            let sure = self.sure.iter().any(|it| it.0 == protocol);
            let maybe = of_protocol.fold(Truth::False, |any, it| any.or(Truth::Unknown(it.2)));
            let possible = if sure { Truth::True } else { maybe.or(open) };
            return possible.and(Truth::Unknown(missing));
        };
        if self.sure.contains(&(protocol, port)) {
            return Truth::True;
        }
        of_protocol.filter(|it| it.1 == port).fold(open, |any, it| any.or(Truth::Unknown(it.2)))
    }

    pub(super) fn add(&mut self, selected: Truth, ports: &[(Protocol, u16)]) {
        match selected {
            Truth::False => {}
            Truth::True => self.sure.extend(ports),
            Truth::Unknown(missing) => self.maybe.extend(ports.iter().map(|it| (it.0, it.1, missing))),
        }
    }

    pub(super) fn sorted(mut self) -> Self {
        self.sure.sort_unstable();
        self.sure.dedup();
        self.maybe.sort_unstable();
        self.maybe.dedup();
        self
    }
}

fn doubtful(doubt: Missing) -> Truth {
    if doubt.is_nothing() { Truth::False } else { Truth::Unknown(doubt) }
}
