//! Judges single flows, in one of three ways, for subcommands that answer flow by flow.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::calico_version::VersionFlag;
use super::complaint::Complaint;
use super::globals::Globals;
use super::policies;
use super::records::tell;
use super::witness::Witness;
use crate::evaluate::{self, Answer, Connection, Judgement, Options, Programs, Supposed, Verdict};
use crate::model::{Direction, Endpoint, EndpointKind, Flow, PolicyId, Protocol};
use crate::policy::{Policy, StagedAction};

/// What help says of subcommands that judge.
pub(super) const SUPPOSED: &str = "A pod whose address no record tells is supposed to be in the networks of \
    `policies.pod_networks`; --config and --set can give others.";

/// Which policies, and whose rules. `M` are the modes that a subcommand can be asked in.
#[derive(Args, Debug)]
pub(super) struct Judging<M: Modes> {
    /// Folders or files of policies, as `kubectl get -o yaml` gives them
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    policies: Vec<PathBuf>,
    /// Folders or files of further objects: namespaces, service accounts, pods, sets, endpoint slices
    #[arg(long, value_name = "PATH", num_args = 1..)]
    cluster: Vec<PathBuf>,
    /// Whose rules are followed, and what is pending
    #[arg(long, value_enum, default_value_t = M::default())]
    mode: M,
    /// Short for `--mode conformance`
    #[arg(long, conflicts_with = "mode")]
    conformance: bool,
    #[command(flatten)]
    version: VersionFlag,
}

/// Whose rules are followed, and what is pending.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Mode {
    /// The data plane's rules; staged policies are evaluated beside the enforced ones
    #[default]
    Strict,
    /// The rules of the checker that computes Calico's own pending traces
    Conformance,
    /// The data plane's rules; staged policies replace or remove their enforced namesakes, and recorded traces settle
    /// what records leave open
    WhatIf,
}

/// The modes without [`Mode::WhatIf`], for what compares enforced policies with those that stand beside them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct SideBySide(Mode);

/// Offered and read as the modes are.
impl ValueEnum for SideBySide {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self(Mode::Strict), Self(Mode::Conformance)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        self.0.to_possible_value()
    }
}

impl From<SideBySide> for Mode {
    fn from(SideBySide(mode): SideBySide) -> Self {
        mode
    }
}

/// Modes that a subcommand can be asked in.
pub(super) trait Modes: ValueEnum + Into<Mode> + Copy + Default + Send + Sync + 'static {}

impl Modes for Mode {}
impl Modes for SideBySide {}

/// What is said of one end of a flow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Answered {
    pub(super) enforced: Verdict,
    pub(super) pending: Verdict,
    /// Who would deny it; empty where nobody would.
    pub(super) blame: Vec<PolicyId>,
}

impl Answered {
    /// Tells whether the flow is dropped today, and would pass.
    pub(super) fn would_allow(&self) -> bool {
        self.enforced.answer == Answer::Deny && self.pending.answer == Answer::Allow
    }
}

/// Compiled policies that flows are judged by.
#[derive(Debug)]
pub(super) struct Rehearsal {
    programs: Programs,
    candidates: Option<Candidates>,
}

impl<M: Modes> Judging<M> {
    /// Returns the mode.
    fn mode(&self) -> Mode {
        if self.conformance { Mode::Conformance } else { self.mode.into() }
    }

    /// Reads and compiles the policies, as it is configured. Says on standard error what is hardly meant in them.
    pub(super) fn load(&self, globals: &Globals) -> Result<Rehearsal, Complaint> {
        let config = globals.load_with(&[self.version.flag()])?.config;
        let paths: Vec<PathBuf> = self.policies.iter().chain(&self.cluster).cloned().collect();
        let assembled = policies::load_set(&paths, config.policies.calico_version)?;
        for warning in &assembled.warnings {
            tell(&format!("warning: {warning}"));
        }
        let mode = match self.mode() {
            Mode::Strict | Mode::WhatIf => evaluate::Mode::Strict,
            Mode::Conformance => evaluate::Mode::Conformance,
        };
        let options = Options { mode, ..config.evaluation() };
        let programs = Programs::compile_with(Arc::new(assembled.set), options);
        let candidates = (self.mode() == Mode::WhatIf).then(|| Candidates::of(&programs));
        Ok(Rehearsal { programs, candidates })
    }
}

impl Rehearsal {
    /// Returns the programs that are in force.
    pub(super) const fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Returns what the end that wrote a record saw, where that counts: in questions of what if.
    pub(super) fn witness(&self, flow: &Flow<'_>) -> Option<Witness> {
        self.candidates.as_ref().and_then(|_| Witness::of(flow, self.programs.set().version()))
    }

    /// Judges one end. The witness, if there is one, is of the same flow.
    pub(super) fn judge(
        &self,
        direction: Direction,
        connection: &Connection<'_>,
        witness: Option<&Witness>,
    ) -> Answered {
        let Some(candidates) = &self.candidates else {
            let Judgement { enforced, pending, blame, .. } = self.programs.judge(direction, connection);
            return Answered { enforced, pending, blame };
        };
        let witness = witness.filter(|it| it.direction == direction);
        let evidence = witness.and_then(|it| it.evidence(&self.programs, connection));
        let evidence = evidence.as_ref();
        let enforced = self.programs.enforced(direction, connection, evidence);
        let pending = candidates.all.enforced(direction, connection, evidence);
        let would_deny = enforced.answer == Answer::Allow && pending.answer == Answer::Deny;
        let blame = if would_deny {
            candidates.blame(&self.programs, |it| it.enforced(direction, connection, evidence))
        } else {
            Vec::new()
        };
        Answered { enforced, pending, blame }
    }
}

/// The staged policies of a set, each taken as a candidate to go into force.
#[derive(Debug)]
struct Candidates {
    policies: Vec<Policy>,
    /// All of them in force.
    all: Supposed,
    /// Each of them alone in force, compiled when it is asked for first.
    alone: Vec<OnceCell<Supposed>>,
}

impl Candidates {
    fn of(in_force: &Programs) -> Self {
        let policies: Vec<Policy> = in_force
            .set()
            .policies()
            .iter()
            .filter(|it| matches!(it.staged_action, Some(StagedAction::Set | StagedAction::Delete)))
            .map(|it| Policy::clone(it))
            .collect();
        let alone = policies.iter().map(|_| OnceCell::new()).collect();
        let all = Supposed::new(in_force, &policies, &[]);
        Self { policies, all, alone }
    }

    /// Returns the candidates that each alone would deny; where none does, some that would together, of which none can
    /// be left out.
    fn blame(&self, in_force: &Programs, verdict: impl Fn(&Supposed) -> Verdict) -> Vec<PolicyId> {
        let denies = |it: &Supposed| verdict(it).answer == Answer::Deny;
        let suppose = |some: &[Policy]| Supposed::new(in_force, some, &[]);
        let each = self.policies.iter().zip(&self.alone);
        let alone: Vec<PolicyId> = each
            .filter(|(policy, alone)| denies(alone.get_or_init(|| suppose(std::slice::from_ref(policy)))))
            .map(|(policy, _)| policy.id.clone())
            .collect();
        if !alone.is_empty() {
            return alone;
        }
        let mut together = self.policies.clone();
        for policy in &self.policies {
            let rest: Vec<Policy> = together.iter().filter(|it| it.id != policy.id).cloned().collect();
            if denies(&suppose(&rest)) {
                together = rest;
            }
        }
        together.into_iter().map(|it| it.id).collect()
    }
}

/// A flow as the evaluator is asked about it, whichever end reported it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Asked {
    pub(super) source: Endpoint,
    pub(super) dest: Endpoint,
    pub(super) protocol: Protocol,
    source_port: Option<u16>,
    dest_port: Option<u16>,
}

impl Asked {
    /// Takes everything that the record has.
    pub(super) fn of(flow: &Flow<'_>) -> Self {
        Self {
            source: flow.source.to_endpoint(),
            dest: flow.dest.to_endpoint(),
            protocol: flow.protocol,
            source_port: flow.source_port,
            dest_port: flow.dest_port,
        }
    }

    /// Returns the connection.
    pub(super) fn connection(&self) -> Connection<'_> {
        let (dest_port, icmp) = self.protocol.split_port(self.dest_port);
        Connection {
            source: &self.source,
            dest: &self.dest,
            protocol: self.protocol,
            source_port: self.source_port,
            dest_port,
            icmp,
        }
    }

    /// Returns the protocol and the port that is called: `tcp/5432`.
    pub(super) fn service(&self) -> String {
        self.protocol.with_port(self.dest_port)
    }

    /// Tells whether policy applies at the end that `direction` is judged at.
    pub(super) const fn has_end(&self, direction: Direction) -> bool {
        let end = match direction {
            Direction::Egress => &self.source,
            Direction::Ingress => &self.dest,
        };
        matches!(end.kind, EndpointKind::Workload | EndpointKind::Host)
    }
}
