//! A machine that runs releases in memory: the rules of a platform as plain functions on plain data.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::platform::{Instance, PlatformState, Role};
use crate::release::ReleaseId;

/// What a release does when it is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// Gets ready.
    #[default]
    Well,
    /// Exits at once.
    Exits,
    /// Runs and is never ready.
    NeverReady,
}

/// Releases on a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// What runs.
    pub instances: Vec<(ReleaseId, Role)>,
    /// What is meant to serve.
    pub serving: Option<ReleaseId>,
    /// What served before it.
    pub previous: Option<ReleaseId>,
    /// Content that could be started.
    pub present: BTreeSet<ReleaseId>,
    /// Highest token accepted.
    pub token: u64,
    /// What somebody else has changed.
    pub foreign: Vec<String>,
    /// Releases that do not get ready.
    pub behaviour: BTreeMap<ReleaseId, Behaviour>,
}

impl Machine {
    /// What a look gives.
    pub fn state(&self) -> PlatformState {
        let instance = |(release, role): &(ReleaseId, Role)| Instance {
            release: release.clone(),
            role: *role,
            since: "2026-11-24T12:00:00Z".to_owned(),
        };
        PlatformState {
            instances: self.instances.iter().map(instance).collect(),
            serving: self.serving.clone(),
            previous: self.previous.clone(),
            present: self.present.iter().cloned().collect(),
            token: self.token,
            foreign: self.foreign.clone(),
        }
    }

    /// Who answers at the public address.
    pub fn answers(&self) -> Option<&ReleaseId> {
        self.instances.iter().find(|(_, role)| *role == Role::Serving).map(|(id, _)| id)
    }

    /// It runs, as candidate or serving.
    pub fn runs(&self, id: &ReleaseId) -> bool {
        self.instances.iter().any(|(running, role)| running == id && *role != Role::Draining)
    }

    /// Starts without traffic. False when there is nothing to start.
    pub fn start(&mut self, id: &ReleaseId) -> bool {
        if self.runs(id) {
            return true;
        }
        let can = self.present.contains(id);
        if can {
            self.instances.push((id.clone(), Role::Candidate));
        }
        can
    }

    /// Gives the address. False when the release does not run.
    pub fn shift(&mut self, to: &ReleaseId) -> bool {
        if !self.runs(to) {
            return false;
        }
        if self.answers() == Some(to) {
            return true;
        }
        for (id, role) in &mut self.instances {
            match role {
                Role::Candidate if id == to => *role = Role::Serving,
                Role::Serving => *role = Role::Draining,
                _ => {}
            }
        }
        self.previous = self.serving.replace(to.clone()).filter(|before| before != to);
        true
    }

    /// Undo of a shift. False when `to` is gone.
    pub fn restore(&mut self, to: Option<&ReleaseId>, from: &ReleaseId) -> bool {
        if let Some(to) = to {
            if !self.present.contains(to) && !self.instances.iter().any(|(id, _)| id == to) {
                return false;
            }
            self.instances.retain(|(id, _)| id != to && id != from);
            self.instances.push((to.clone(), Role::Serving));
        } else {
            self.instances.retain(|(id, _)| id != from);
        }
        if self.serving.as_ref() != to {
            self.previous = None;
        }
        self.serving = to.cloned();
        true
    }

    /// Stops a candidate.
    pub fn stop(&mut self, id: &ReleaseId) {
        self.instances.retain(|(running, role)| running != id || *role == Role::Serving);
    }

    /// Removes content that is not kept, does not serve and does not run.
    pub fn retire(&mut self, keep: &[ReleaseId]) {
        let busy: BTreeSet<_> =
            self.instances.iter().map(|(id, _)| id).chain(&self.serving).cloned().collect();
        self.present.retain(|id| keep.contains(id) || busy.contains(id));
    }

    /// Lets draining come to its end.
    pub fn settle(&mut self) {
        self.instances.retain(|(_, role)| *role != Role::Draining);
    }
}
