//! Traffic that goes through a host on its way to somebody else.

use super::connection::Connection;
use super::judging::{Case, Scratch};
use super::party::Owner;
use super::plan::Plan;
use super::programs::Programs;
use super::verdict::Judgement;
use crate::model::{Direction, Endpoint, EndpointKind, Name, NameScope};

impl Programs {
    /// Judges traffic that comes in (`Ingress`) or goes out (`Egress`) through the host endpoint of this name, and is
    /// for neither end of its host.
    ///
    /// Untracked policies come first, then those before translation, then those that apply on forward. Where none of
    /// the last governs the direction the traffic goes on, and so it does where all of them pass; neither leaves a
    /// hit. Failsafe ports are those of the host itself, so they stay out of it. What the ends' own policies say is
    /// another question: traffic that is denied here never reaches them.
    ///
    /// No flow record tells which hosts a packet went through, so nothing else asks this. An endpoint that the catalog
    /// does not have is undetermined.
    ///
    /// Source of the order: the host endpoint pages of Calico's documentation.
    #[must_use]
    pub fn judge_forwarded(
        &self,
        host: &Name,
        direction: Direction,
        connection: &Connection<'_>,
    ) -> Judgement {
        let endpoint = Endpoint {
            kind: EndpointKind::Host,
            namespace: None,
            name: host.clone(),
            name_scope: NameScope::Exact,
            address: None,
            labels: None,
        };
        self.with_case(direction, connection, |case| {
            let host = self.class(&self.party(&endpoint), case.family);
            let plan = Plan::forwarded(self, &host, direction);
            let mut subject = case.subject.clone();
            subject.owner = match host.owner {
                Owner::Host(_) => Owner::Forwarded,
                other @ (Owner::Pod(_) | Owner::UnknownHost | Owner::Forwarded | Owner::Nobody) => other,
            };
            let case = Case { plan: &plan, subject: &subject, ..*case };
            let mut scratch = Scratch::default();
            case.walk_both(&mut scratch);
            case.judgement(&scratch)
        })
    }
}
