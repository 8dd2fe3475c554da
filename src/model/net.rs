//! Protocols, and the address types that the whole house uses.

use std::fmt;
pub use std::net::IpAddr;
use std::str::FromStr;

pub use ipnet::IpNet;

/// An IP protocol by its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// Internet Control Message Protocol.
    pub const ICMP: Self = Self(1);
    /// Transmission Control Protocol.
    pub const TCP: Self = Self(6);
    /// User Datagram Protocol.
    pub const UDP: Self = Self(17);
    /// ICMP for IPv6.
    pub const ICMPV6: Self = Self(58);
    /// Stream Control Transmission Protocol.
    pub const SCTP: Self = Self(132);
    /// UDP-Lite.
    pub const UDPLITE: Self = Self(136);

    /// Tells whether the protocol has ports.
    #[must_use]
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::TCP | Self::UDP | Self::SCTP | Self::UDPLITE)
    }

    /// Tells whether the protocol has messages with a type and a code.
    #[must_use]
    pub const fn is_icmp(self) -> bool {
        matches!(self, Self::ICMP | Self::ICMPV6)
    }

    /// Tells apart what stands in the place of a destination port: the port, or the message of ICMP (see
    /// [`IcmpMessage::from_port`]).
    #[must_use]
    pub fn split_port(self, port: Option<u16>) -> (Option<u16>, Option<IcmpMessage>) {
        if self.is_icmp() { (None, port.map(IcmpMessage::from_port)) } else { (port, None) }
    }

    /// Returns protocol and port as people write them, or the message where the port stands for one (see
    /// [`IcmpMessage::from_port`]): `tcp/5432`, `icmp type 8 code 0`, `sctp`.
    #[must_use]
    pub fn with_port(self, port: Option<u16>) -> String {
        match port {
            Some(message) if self.is_icmp() => format!("{self} {}", IcmpMessage::from_port(message)),
            Some(port) => format!("{self}/{port}"),
            None => self.to_string(),
        }
    }

    /// Returns the name as the Calico API prints it (`TCP`), or nothing for a protocol known by number only.
    #[must_use]
    pub const fn api_name(self) -> Option<&'static str> {
        Some(match self {
            Self::ICMP => "ICMP",
            Self::TCP => "TCP",
            Self::UDP => "UDP",
            Self::ICMPV6 => "ICMPv6",
            Self::SCTP => "SCTP",
            Self::UDPLITE => "UDPLite",
            _ => return None,
        })
    }
}

/// Prints the lower-case name (`tcp`), else the number.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ICMP => f.write_str("icmp"),
            Self::TCP => f.write_str("tcp"),
            Self::UDP => f.write_str("udp"),
            Self::ICMPV6 => f.write_str("icmpv6"),
            Self::SCTP => f.write_str("sctp"),
            Self::UDPLITE => f.write_str("udplite"),
            Self(number) => write!(f, "{number}"),
        }
    }
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Type and code of an ICMP message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IcmpMessage {
    /// The type.
    pub icmp_type: u8,
    /// The code.
    pub code: u8,
}

impl IcmpMessage {
    /// Reads what Felix writes in the place of a destination port: the type in the upper byte and the code in the lower
    /// one (seen in records of Calico 3.32, where each ping is 2048).
    #[must_use]
    pub const fn from_port(port: u16) -> Self {
        let [icmp_type, code] = port.to_be_bytes();
        Self { icmp_type, code }
    }
}

/// Prints `type 8 code 0`.
impl fmt::Display for IcmpMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "type {} code {}", self.icmp_type, self.code)
    }
}

/// The text names no protocol that is known here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown protocol")]
pub struct UnknownProtocol;

/// Reads a name in any case, or a number from 1 to 255.
///
/// Flow records write `icmp6`, the policy API `ICMPv6`; both are read. `ipip` and `esp` are names that Calico's
/// flow logs use.
impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(text: &str) -> Result<Self, UnknownProtocol> {
        const NAMES: [(&str, Protocol); 9] = [
            ("tcp", Protocol::TCP),
            ("udp", Protocol::UDP),
            ("icmp", Protocol::ICMP),
            ("icmpv6", Protocol::ICMPV6),
            ("icmp6", Protocol::ICMPV6),
            ("sctp", Protocol::SCTP),
            ("udplite", Protocol::UDPLITE),
            ("ipip", Protocol(4)),
            ("esp", Protocol(50)),
        ];
        if let Some((_, protocol)) = NAMES.iter().find(|(name, _)| text.eq_ignore_ascii_case(name)) {
            return Ok(*protocol);
        }
        match text.parse::<u8>() {
            Ok(number) if number > 0 => Ok(Self(number)),
            _ => Err(UnknownProtocol),
        }
    }
}
