//! `crmctl release block|unblock` and `crmctl resolve`: a person's word, written into the journal under the lease.

use phases::engine::history;
use phases::engine::history::decision::Verdict;
use phases::engine::ledger::{Lease, Ledger};
use phases::engine::run::Engine;
use phases::observed::Blockage;
use phases::plan::Target;
use phases::release::ReleaseId;

use super::Context;
use super::run::{Run, ledger_error};
use crate::cli::{ReleaseArgs, ReleaseVerb, ResolveArgs};
use crate::error::{Error, Exit};
use crate::site::{Needs, Site};

/// Rejects a release, or frees it again.
///
/// # Errors
/// The release is not known, or somebody holds the lease.
pub(super) async fn command(context: &Context, arguments: &ReleaseArgs) -> Result<Exit, Error> {
    let (environment, release, reason) = match &arguments.verb {
        ReleaseVerb::Block(block) => (&block.environment, &block.release, Some(block.reason.as_str())),
        ReleaseVerb::Unblock(unblock) => (&unblock.environment, &unblock.release, None),
    };
    let id: ReleaseId = release.parse().map_err(|error: phases::release::InvalidReleaseId| {
        Error::usage(error.to_string()).hint(format!("run `crmctl status {environment}` to see the releases"))
    })?;
    let verdict = reason.map_or(Verdict::Unblocked("freed by hand"), Verdict::Blocked);
    let run = Run::new(context, environment, "release");
    let outcome = async {
        let site = context.site(environment, Needs::WhatIsThere)?;
        let target = target(&site, &id).await?;
        let word = async |engine: Engine<'_>, lease: &Lease| {
            engine.decide(lease, environment, &target, verdict).await
        };
        let report = run.word(&site, word).await?;
        Ok((site, report))
    };
    run.told(outcome.await).await
}

/// A release that the journal or the state directory knows.
async fn target(site: &Site, id: &ReleaseId) -> Result<Target, Error> {
    let known = site.known_releases().await.map_err(|error| ledger_error(&error))?;
    if let Some(release) = known.into_iter().find(|release| release.id == *id) {
        return Ok(Target { id: release.id, commit: Some(release.commit), digest: Some(release.digest) });
    }
    let file = site.release_file(id).await?.ok_or_else(|| {
        let name = &site.environment.facts.name;
        Error::refused(format!("release `{id}` is not known in `{name}`"))
            .hint(format!("run `crmctl status {name}`"))
    })?;
    Ok(Target { id: id.clone(), commit: Some(file.commit), digest: Some(file.digest) })
}

/// Says that a person has looked at a stuck environment.
///
/// # Errors
/// It is not stuck, or somebody holds the lease.
pub(super) async fn resolve(context: &Context, arguments: &ResolveArgs) -> Result<Exit, Error> {
    let name = &arguments.on.environment;
    let run = Run::new(context, name, "resolve");
    let outcome = async {
        let site = context.site(name, Needs::WhatIsThere)?;
        let records = site.ledger.records().await.map_err(|error| ledger_error(&error))?;
        if !matches!(history::blockage(&records), Ok(Some(Blockage::Stuck { .. }))) {
            return Err(
                Error::refused(format!("`{name}` is not stuck")).hint(format!("run `crmctl status {name}`"))
            );
        }
        let word =
            async |engine: Engine<'_>, lease: &Lease| engine.resolve(lease, name, &arguments.reason).await;
        let report = run.word(&site, word).await?;
        Ok((site, report))
    };
    run.told(outcome.await).await
}
