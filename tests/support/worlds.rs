//! Small random worlds that hold every feature of the policy language, and questions about them of which many lack
//! something.
//!
//! ```text
//!   seed -> World (tiers, policies, cluster) -> Question (who talks to whom, as a record might put it)
//!   a Case (world and question) that fails -> shrink -> the smallest that still fails, as text
//! ```

mod cluster;
mod policies;
mod questions;
mod shrink;
mod vocabulary;
mod yaml;

use flowstage::evaluate::Connection;
use flowstage::model::{Direction, Edge, Endpoint, IcmpMessage, Protocol};
use flowstage::policy::{Cluster, Policy, PolicySet, Revision, Tier};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

pub use shrink::shrink;
pub use vocabulary::address;

/// What a policy set is made of.
#[derive(Clone, PartialEq, Debug)]
pub struct World {
    pub tiers: Vec<Tier>,
    pub policies: Vec<Policy>,
    pub cluster: Cluster,
}

impl World {
    /// The world of a seed; the same on every machine.
    pub fn of(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let cluster = cluster::draw(&mut rng);
        let (tiers, policies) = policies::draw(&mut rng, &cluster);
        Self { tiers, policies, cluster }
    }

    pub fn set(&self) -> PolicySet {
        PolicySet::new(self.tiers.clone(), self.policies.clone(), self.cluster.clone(), Revision(0))
    }

    /// Questions about the world; the same for the same seed.
    pub fn questions(&self, seed: u64, count: usize) -> Vec<Question> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
        (0..count).map(|_| questions::draw(&mut rng, &self.cluster)).collect()
    }
}

/// One connection as a record puts it, judged at one end.
#[derive(Clone, PartialEq, Debug)]
pub struct Question {
    pub direction: Direction,
    pub source: Endpoint,
    pub dest: Endpoint,
    pub protocol: Protocol,
    pub source_port: Option<u16>,
    pub dest_port: Option<u16>,
    pub icmp: Option<IcmpMessage>,
}

impl Question {
    pub fn connection(&self) -> Connection<'_> {
        Connection {
            source: &self.source,
            dest: &self.dest,
            protocol: self.protocol,
            source_port: self.source_port,
            dest_port: self.dest_port,
            icmp: self.icmp,
        }
    }

    /// The end that is judged.
    pub fn subject(&self) -> &Endpoint {
        match self.direction {
            Direction::Egress => &self.source,
            Direction::Ingress => &self.dest,
        }
    }

    /// The edge that the question is counted under. It has neither source port nor ICMP message.
    pub fn edge(&self) -> Edge {
        let (subject, peer) = match self.direction {
            Direction::Egress => (&self.source, &self.dest),
            Direction::Ingress => (&self.dest, &self.source),
        };
        Edge {
            direction: self.direction,
            subject: subject.clone(),
            peer: peer.clone(),
            protocol: self.protocol,
            port: self.dest_port,
            service: None,
        }
    }
}

/// A question about a world.
#[derive(Clone, PartialEq, Debug)]
pub struct Case {
    pub world: World,
    pub question: Question,
}
