//! Leads from Meta's lead forms. The webhook stores ids (`notice`, `inbox`) and answers; a worker asks the Graph API for
//! each and makes it a person (`intake`, `mapping`, `person`); reconciliation asks each form for what nobody told
//! (`reconciliation`). A lead that was told is never lost: it waits in the inbox until it is stored or somebody looks.
//!
//! Invariant: a token leaves this module only towards the Graph API, and rests sealed.

mod checkup;
mod graph;
mod inbox;
mod intake;
mod mapping;
mod notice;
mod pages;
mod person;
mod reconciliation;
mod seal;
mod signature;

use std::sync::Arc;

use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use crate::settings::MetaSettings;

pub(crate) use graph::{Graph, GraphError};
pub(crate) use inbox::{INTAKE_JOB, Retried, retry, store};
pub(crate) use intake::work;
pub(crate) use notice::read as read_notices;
pub(crate) use pages::{connect, remove};
pub(crate) use reconciliation::{JOB as RECONCILIATION_JOB, reconcile};
pub(crate) use signature::{proof, sign};

/// What everything here needs. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Meta(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: MetaSettings,
    graph: Graph,
    seal: seal::Seal,
}

impl Meta {
    /// Connects to nothing.
    pub(crate) fn new(settings: &MetaSettings) -> Self {
        let graph = Graph::new(settings);
        let seal = seal::Seal::of(&settings.app_secret);
        Self(Arc::new(Inner { settings: settings.clone(), graph, seal }))
    }

    /// Whether `header` (`X-Hub-Signature-256`) is Meta's signature of `body`.
    pub(crate) fn signed(&self, header: &str, body: &[u8]) -> bool {
        signature::is_good(&self.0.settings.app_secret, header, body)
    }

    /// Whether `token` is the one Meta greets with; none when nobody may greet.
    pub(crate) fn greeted(&self, token: &str) -> Option<bool> {
        let known = self.0.settings.verify_token.as_ref()?;
        Some(known.expose_secret().as_bytes().ct_eq(token.as_bytes()).into())
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.0.graph
    }

    fn seal(&self) -> &seal::Seal {
        &self.0.seal
    }
}
