//! What a namespace was seen to need, on the wire.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::edge::DirectionRecord;
use super::endpoint::ServiceRecord;
use super::error::RecordError;
use super::text::Text;
use crate::model::{EventTime, Name, Protocol, ServiceRef};
use crate::recommend::{Need, NeedKey, Peer, Seen};

/// What kind of peer is needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PeerKindRecord {
    /// Workloads of `namespace`.
    Namespace,
    /// The network set `name`, of `namespace` or global.
    NetworkSet,
    /// A host, with `address` where it is known.
    Host,
    /// The `address`, which belongs to nothing that is known.
    Address,
    /// Some private address.
    Private,
    /// Some address that is not private.
    Public,
}

/// Whom a namespace talks to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PeerRecord {
    /// What it is; says which of the other fields are there.
    pub kind: PeerKindRecord,
    /// The namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub namespace: Option<Text>,
    /// The name of a network set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub name: Option<Text>,
    /// The address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub address: Option<IpAddr>,
}

/// One need, and when it was seen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct NeedRecord {
    /// The subject's direction.
    pub direction: DirectionRecord,
    /// The other end.
    pub peer: PeerRecord,
    /// The Service by which the peer was reached; `null` when none is known.
    pub service: Option<ServiceRecord>,
    /// The protocol's name in lower case, else its number.
    pub protocol: String,
    /// The protocol's number.
    pub protocol_number: u8,
    /// The destination's port after translation; `null` for protocols without ports, or when it is not known.
    pub port: Option<u16>,
    /// The earliest event time, in milliseconds since the Unix epoch.
    pub first_seen_ms: i64,
    /// The latest event time, in milliseconds since the Unix epoch.
    pub last_seen_ms: i64,
}

impl From<&Peer> for PeerRecord {
    fn from(peer: &Peer) -> Self {
        let bare = |kind| Self { kind, namespace: None, name: None, address: None };
        match peer {
            Peer::Namespace(name) => Self { namespace: Some(name.into()), ..bare(PeerKindRecord::Namespace) },
            Peer::NetworkSet { namespace, name } => Self {
                namespace: namespace.as_ref().map(Text::from),
                name: Some(name.into()),
                ..bare(PeerKindRecord::NetworkSet)
            },
            Peer::Host(address) => Self { address: *address, ..bare(PeerKindRecord::Host) },
            Peer::Address(address) => Self { address: Some(*address), ..bare(PeerKindRecord::Address) },
            Peer::Private => bare(PeerKindRecord::Private),
            Peer::Public => bare(PeerKindRecord::Public),
        }
    }
}

impl TryFrom<&PeerRecord> for Peer {
    type Error = RecordError;

    fn try_from(record: &PeerRecord) -> Result<Self, RecordError> {
        let PeerRecord { kind, namespace, name, address } = record;
        let owned = |text: &Option<Text>| text.clone().map(Name::from);
        match kind {
            PeerKindRecord::Namespace => owned(namespace).map(Self::Namespace).ok_or(RecordError::Peer),
            PeerKindRecord::NetworkSet => {
                let name = owned(name).ok_or(RecordError::Peer)?;
                Ok(Self::NetworkSet { namespace: owned(namespace), name })
            }
            PeerKindRecord::Host => Ok(Self::Host(*address)),
            PeerKindRecord::Address => address.map(Self::Address).ok_or(RecordError::Peer),
            PeerKindRecord::Private => Ok(Self::Private),
            PeerKindRecord::Public => Ok(Self::Public),
        }
    }
}

impl From<&Need> for NeedRecord {
    fn from(need: &Need) -> Self {
        let Need { key, seen } = need;
        let NeedKey { direction, peer, service, protocol, port } = key;
        let Seen { first, last } = *seen;
        Self {
            direction: (*direction).into(),
            peer: peer.into(),
            service: service.as_ref().map(ServiceRecord::from),
            protocol: protocol.to_string(),
            protocol_number: protocol.0,
            port: *port,
            first_seen_ms: first.as_millis(),
            last_seen_ms: last.as_millis(),
        }
    }
}

impl TryFrom<&NeedRecord> for Need {
    type Error = RecordError;

    fn try_from(record: &NeedRecord) -> Result<Self, RecordError> {
        let NeedRecord {
            direction,
            peer,
            service,
            protocol: _,
            protocol_number,
            port,
            first_seen_ms,
            last_seen_ms,
        } = record;
        Ok(Self {
            key: NeedKey {
                direction: (*direction).into(),
                peer: Peer::try_from(peer)?,
                service: service.clone().map(ServiceRef::from),
                protocol: Protocol(*protocol_number),
                port: *port,
            },
            seen: Seen {
                first: EventTime::from_millis(*first_seen_ms),
                last: EventTime::from_millis(*last_seen_ms),
            },
        })
    }
}
