//! Compiled rules, and whether one matches.

use super::class::Class;
use super::compose::{EntitySelectors, both_opt, entity_selectors};
use super::options::Switches;
use super::port_list::Ports;
use super::question::{Question, QuestionId};
use super::truth::Truth;
use super::verdict::Missing;
use super::whereabouts::Family;
use crate::model::{Direction, IcmpMessage, IpNet, Name, Protocol};
use crate::policy::selector::Node;
use crate::policy::{EntityRule, IcmpMatch, PortMatch, Rule, RuleAction, ServiceMatch};

/// One end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    /// The end that opened it.
    Source,
    /// The end that was called.
    Destination,
}

/// One condition of a rule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// `ipVersion`, written or implied by the protocol.
    IpVersion,
    /// `protocol`.
    Protocol,
    /// `notProtocol`.
    NotProtocol,
    /// `icmp`.
    Icmp,
    /// `notICMP`.
    NotIcmp,
    /// `http`.
    Http,
    /// `selector`, with namespaces and service accounts.
    Selector(Side),
    /// `notSelector`.
    NotSelector(Side),
    /// `nets`.
    Nets(Side),
    /// `notNets`.
    NotNets(Side),
    /// `services`.
    Services(Side),
    /// `ports`.
    Ports(Side),
    /// `notPorts`.
    NotPorts(Side),
    /// `domains`.
    Domains(Side),
}

impl Part {
    /// Returns the end that is asked about; nothing for what is asked of the packet.
    const fn side(self) -> Option<Side> {
        match self {
            Self::Selector(side)
            | Self::NotSelector(side)
            | Self::Nets(side)
            | Self::NotNets(side)
            | Self::Services(side)
            | Self::Ports(side)
            | Self::NotPorts(side)
            | Self::Domains(side) => Some(side),
            Self::IpVersion
            | Self::Protocol
            | Self::NotProtocol
            | Self::Icmp
            | Self::NotIcmp
            | Self::Http => None,
        }
    }
}

/// A Service: its addresses, or its addresses with their ports.
#[derive(Clone, Copy, Debug)]
enum Service {
    Addresses(QuestionId),
    Ports(QuestionId),
}

/// What a rule asks of one end.
#[derive(Clone, Debug, Default)]
pub(super) struct Entity {
    positive: Option<QuestionId>,
    negative: Option<QuestionId>,
    within: Option<QuestionId>,
    outside: Option<QuestionId>,
    service: Option<Service>,
    ports: Option<Box<Ports>>,
    not_ports: Option<Box<Ports>>,
    domains: bool,
}

/// One rule, with its conditions as questions.
#[derive(Clone, Debug)]
pub(super) struct CompiledRule {
    pub(super) action: RuleAction,
    ip_version: Option<u8>,
    protocol: Option<Protocol>,
    not_protocol: Option<Protocol>,
    icmp: Option<IcmpMatch>,
    not_icmp: Option<IcmpMatch>,
    has_http: bool,
    source: Entity,
    dest: Entity,
}

/// What a rule is held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    pub(super) direction: Direction,
    /// The IP version; nothing when neither end tells it.
    pub(super) family: Option<Family>,
    pub(super) source: &'a Class,
    pub(super) dest: &'a Class,
    pub(super) protocol: Protocol,
    pub(super) source_port: Option<u16>,
    pub(super) dest_port: Option<u16>,
    pub(super) icmp: Option<IcmpMessage>,
}

impl CompiledRule {
    /// Compiles a rule of a policy in `namespace`, for one direction.
    pub(super) fn new(
        rule: &Rule,
        namespace: Option<&Name>,
        direction: Direction,
        ask: &mut dyn FnMut(Question) -> QuestionId,
        switches: Switches,
    ) -> Self {
        let Rule {
            action,
            ip_version,
            protocol,
            not_protocol,
            icmp,
            not_icmp,
            http,
            source,
            destination,
            annotations: _,
        } = rule;
        let implied = match *protocol {
            Some(Protocol::ICMP) => Some(4),
            Some(Protocol::ICMPV6) => Some(6),
            _ => None,
        };
        // A Service's ports count where it is called; where it calls, its addresses alone.
        let with_ports = direction == Direction::Egress;
        Self {
            action: *action,
            ip_version: ip_version.or(implied).filter(|_| !switches.ip_version_ignored),
            protocol: *protocol,
            not_protocol: *not_protocol,
            icmp: icmp.filter(|_| !switches.icmp_ignored),
            not_icmp: not_icmp.filter(|_| !switches.icmp_ignored),
            has_http: switches.http_is_undetermined
                && http.as_ref().is_some_and(|it| !it.methods.is_empty() || !it.paths.is_empty()),
            source: Entity::new(source, namespace, false, ask, switches),
            dest: Entity::new(destination, namespace, with_ports, ask, switches),
        }
    }

    /// Tells whether the rule matches.
    pub(super) fn matches(&self, facts: &Facts<'_>, switches: Switches) -> Truth {
        let mut all = Truth::True;
        self.each_part(facts, switches, |_, truth| {
            all = all.and(truth);
            all != Truth::False
        });
        all
    }

    /// As [`CompiledRule::matches`], for a rule that sees the destination as it was before translation.
    pub(super) fn matches_untranslated(&self, facts: &Facts<'_>, switches: Switches) -> Truth {
        let mut all = Truth::True;
        self.each_part_untranslated(facts, switches, |_, truth| {
            all = all.and(truth);
            all != Truth::False
        });
        all
    }

    /// As [`CompiledRule::each_part`], for a rule that sees the destination as it was before translation: what it asks
    /// of it is not known.
    pub(super) fn each_part_untranslated(
        &self,
        facts: &Facts<'_>,
        switches: Switches,
        mut see: impl FnMut(Part, Truth) -> bool,
    ) {
        self.each_part(facts, switches, |part, truth| {
            let missing = Missing::DEST_ADDRESS.union(Missing::DEST_PORT);
            see(part, if part.side() == Some(Side::Destination) { Truth::Unknown(missing) } else { truth })
        });
    }

    /// Calls `see` for every condition that the rule has, the cheap ones first, until it returns false.
    pub(super) fn each_part(
        &self,
        facts: &Facts<'_>,
        switches: Switches,
        mut see: impl FnMut(Part, Truth) -> bool,
    ) {
        if let Some(protocol) = self.protocol
            && !see(Part::Protocol, Truth::from(protocol == facts.protocol && facts.protocol.0 != 0))
        {
            return;
        }
        if let Some(protocol) = self.not_protocol {
            let is_named = !(switches.protocol_zero_never_matches && facts.protocol.0 == 0);
            if !see(Part::NotProtocol, Truth::from(protocol != facts.protocol && is_named)) {
                return;
            }
        }
        if let Some(version) = self.ip_version
            && !see(Part::IpVersion, version_matches(version, facts))
        {
            return;
        }
        if let Some(icmp) = self.icmp
            && !see(Part::Icmp, icmp_matches(icmp, facts))
        {
            return;
        }
        if let Some(icmp) = self.not_icmp
            && !see(Part::NotIcmp, !icmp_matches(icmp, facts))
        {
            return;
        }
        let near = self.source.each_part(Side::Source, facts, switches, &mut see);
        if near && self.dest.each_part(Side::Destination, facts, switches, &mut see) && self.has_http {
            see(Part::Http, Truth::Unknown(Missing::HTTP));
        }
    }

    /// Returns what the rule asks of an end.
    pub(super) const fn entity(&self, side: Side) -> &Entity {
        match side {
            Side::Source => &self.source,
            Side::Destination => &self.dest,
        }
    }

    /// Returns the protocol that the rule asks for.
    pub(super) const fn protocol(&self) -> Option<Protocol> {
        self.protocol
    }

    /// Tells whether the rule asks of the packet no more than its protocol.
    pub(super) const fn asks_protocol_alone(&self) -> bool {
        let Self { action: _, ip_version, protocol: _, not_protocol, icmp, not_icmp, has_http, .. } = self;
        ip_version.is_none() && not_protocol.is_none() && icmp.is_none() && not_icmp.is_none() && !*has_http
    }

    /// Returns the intervals of destination ports that the rule tells from others.
    pub(super) fn dest_ranges(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        let lists = [&self.dest.ports, &self.dest.not_ports].into_iter().flatten();
        lists.flat_map(|it| it.ranges().iter().copied())
    }

    /// Estimates the memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let lists = [&self.source.ports, &self.source.not_ports, &self.dest.ports, &self.dest.not_ports];
        size_of::<Self>() + lists.into_iter().flatten().map(|it| it.bytes()).sum::<usize>()
    }
}

fn version_matches(version: u8, facts: &Facts<'_>) -> Truth {
    match facts.family {
        Some(family) => Truth::from(family.number() == version),
        None => Truth::Unknown(Missing::SOURCE_ADDRESS.union(Missing::DEST_ADDRESS)),
    }
}

/// Tells whether an ICMP message is the one that a rule asks for. Traffic of another protocol is not.
fn icmp_matches(icmp: IcmpMatch, facts: &Facts<'_>) -> Truth {
    if facts.protocol != Protocol::ICMP && facts.protocol != Protocol::ICMPV6 {
        return Truth::False;
    }
    let Some(wanted) = icmp.icmp_type else { return Truth::True };
    match facts.icmp {
        None => Truth::Unknown(Missing::ICMP),
        Some(message) => {
            Truth::from(message.icmp_type == wanted && icmp.code.is_none_or(|code| code == message.code))
        }
    }
}

impl Entity {
    fn new(
        entity: &EntityRule,
        namespace: Option<&Name>,
        with_ports: bool,
        ask: &mut dyn FnMut(Question) -> QuestionId,
        switches: Switches,
    ) -> Self {
        let mut selectors = entity_selectors(namespace, entity);
        // One and the same object must be selected and not excluded: the data plane makes one set of addresses of the
        // two. An exclusion that stands alone is about the address: nothing there may be excluded.
        if let (Some(positive), Some(negative)) = (&selectors.positive, &selectors.negative) {
            let negated = Node::Not(Box::new(negative.clone()));
            selectors =
                EntitySelectors { positive: both_opt(Some(positive.clone()), Some(negated)), negative: None };
        }
        let scope = selectors.positive.clone().unwrap_or(Node::All);
        let mut ports = |list: &[PortMatch]| Ports::new(list, &scope, &mut *ask, switches);
        let compiled_ports = ports(&entity.ports);
        let not_ports = ports(&entity.not_ports);
        // A named port belongs to an endpoint that the selector must match, so the selector need not be asked again,
        // nor could it: the address may belong to a set besides. Numbers in the same list leave it to be asked.
        let is_folded = compiled_ports.as_ref().is_some_and(|it| it.ranges().is_empty());
        Self {
            positive: selectors.positive.filter(|_| !is_folded).map(|it| ask(Question::Member(it))),
            negative: selectors.negative.map(|it| ask(Question::Member(it))),
            within: merged(&entity.nets).map(|it| ask(Question::Within(it))),
            outside: merged(&entity.not_nets).map(|it| ask(Question::Outside(it))),
            service: entity.services.as_ref().map(|it| {
                let ServiceMatch { name, namespace } = it;
                // Without a namespace the data plane looks for a Service that cannot exist.
                let key = namespace.clone().map(|namespace| (namespace, name.clone()));
                if with_ports {
                    Service::Ports(ask(Question::ServicePorts(key)))
                } else {
                    Service::Addresses(ask(Question::OfService(key)))
                }
            }),
            ports: compiled_ports.map(Box::new),
            not_ports: not_ports.map(Box::new),
            domains: !entity.domains.is_empty(),
        }
    }

    /// Returns one question that the end must answer with yes.
    pub(super) fn necessary(&self) -> Option<QuestionId> {
        self.positive.or(self.within).or(self.outside)
    }

    /// Returns the ports that are listed.
    pub(super) fn ports(&self) -> Option<&Ports> {
        self.ports.as_deref()
    }

    /// Tells whether nothing is asked but [`Entity::necessary`] and [`Entity::ports`].
    pub(super) fn asks_no_more(&self) -> bool {
        let Self { positive, negative, within, outside, service, ports: _, not_ports, domains } = self;
        let questions = [positive, within, outside].into_iter().flatten().count();
        questions <= 1 && negative.is_none() && service.is_none() && not_ports.is_none() && !*domains
    }

    /// As [`CompiledRule::each_part`]; returns false when `see` did.
    #[inline]
    fn each_part(
        &self,
        side: Side,
        facts: &Facts<'_>,
        switches: Switches,
        see: &mut impl FnMut(Part, Truth) -> bool,
    ) -> bool {
        let (class, port) = match side {
            Side::Source => (facts.source, facts.source_port),
            Side::Destination => (facts.dest, facts.dest_port),
        };
        let at_side = |truth: Truth| match side {
            Side::Source => truth,
            Side::Destination => truth.seen_at_dest(),
        };
        let ask = |question: QuestionId| at_side(class.answer(question));
        // Names behind an address count where it is called, nowhere else.
        let ask_member = |question: QuestionId| match ask(question) {
            Truth::Unknown(Missing::DOMAINS) if side == Side::Source => Truth::False,
            Truth::Unknown(missing) if side == Side::Source => {
                Truth::Unknown(missing.without(Missing::DOMAINS))
            }
            truth => truth,
        };
        if let Some(question) = self.positive
            && !see(Part::Selector(side), ask_member(question))
        {
            return false;
        }
        if let Some(ports) = &self.ports
            && !see(Part::Ports(side), at_side(ports.hold(class, facts.protocol, port)))
        {
            return false;
        }
        if let Some(ports) = &self.not_ports {
            let held = if switches.named_not_ports_never_exclude {
                ports.hold_numbers(facts.protocol, port)
            } else {
                ports.hold(class, facts.protocol, port)
            };
            if !see(Part::NotPorts(side), !at_side(held)) {
                return false;
            }
        }
        if let Some(question) = self.within
            && !see(Part::Nets(side), ask(question))
        {
            return false;
        }
        if let Some(question) = self.outside
            && !see(Part::NotNets(side), ask(question))
        {
            return false;
        }
        if let Some(question) = self.negative
            && !see(Part::NotSelector(side), !ask_member(question))
        {
            return false;
        }
        if let Some(service) = self.service {
            let truth = match service {
                Service::Addresses(question) => ask(question),
                Service::Ports(question) => class
                    .ports(question)
                    .map_or(Truth::False, |it| at_side(it.holds(facts.protocol, port, Missing::SOURCE_PORT))),
            };
            if !see(Part::Services(side), truth) {
                return false;
            }
        }
        !self.domains || see(Part::Domains(side), Truth::Unknown(Missing::DOMAINS))
    }
}

/// Merges prefixes: neighbours that make up a whole become it. Nothing for an empty list, which asks nothing.
fn merged(nets: &[IpNet]) -> Option<Vec<IpNet>> {
    if nets.is_empty() {
        return None;
    }
    let nets: Vec<IpNet> = nets.iter().map(IpNet::trunc).collect();
    let mut merged = IpNet::aggregate(&nets);
    merged.sort_unstable();
    Some(merged)
}
