//! Who gets a piece of work: the first rule that fits it and has somebody for it, in ascending priority. Pure: rules,
//! team and work in, a name with every candidate's reason out.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::candidate::Candidate;
use super::rule::Rule;
use super::strategy;
use super::work::Work;

/// One candidate and why they were chosen or passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Verdict {
    pub(crate) seller_id: Uuid,
    pub(crate) name: String,
    pub(crate) chosen: bool,
    /// `longest_without`, `fewest_open`, `knows_them`; passed over: `not_their_turn`, `more_open`, `known_by_other`,
    /// `other_role`, `off_shift`, `at_max_open`, `at_max_per_day`, `released`.
    pub(crate) reason: &'static str,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The rule and who it chose; none: it stays in the queue.
    pub(crate) chosen: Option<(Uuid, Uuid)>,
    /// Everybody under that rule; of work that stays, under the first rule that fits it.
    pub(crate) verdicts: Vec<Verdict>,
}

/// Decides.
pub(crate) fn decide(rules: &[Rule], team: &[Candidate], work: &Work) -> Decision {
    let mut first_refusal = None;
    let fitting = rules.iter().filter(|rule| rule.fits(work.lead_source.as_deref(), work.status.as_deref()));
    for rule in fitting {
        let Some(strategy) = strategy::named(&rule.strategy) else {
            tracing::warn!(rule = %rule.id, strategy = rule.strategy, "a rule names a strategy of another release");
            continue;
        };
        let eligible: Vec<&Candidate> =
            team.iter().filter(|candidate| rule.refuses_for(candidate, work).is_none()).collect();
        let pick = strategy.pick(&eligible, work);
        let verdicts = || team.iter().map(|candidate| verdict(rule, candidate, work, pick)).collect();
        if let Some(pick) = pick {
            return Decision { chosen: Some((rule.id, pick.chosen.seller_id)), verdicts: verdicts() };
        }
        first_refusal.get_or_insert_with(verdicts);
    }
    Decision { chosen: None, verdicts: first_refusal.unwrap_or_default() }
}

fn verdict(rule: &Rule, candidate: &Candidate, work: &Work, pick: Option<strategy::Pick<'_>>) -> Verdict {
    let chosen = pick.is_some_and(|pick| pick.chosen.seller_id == candidate.seller_id);
    let reason = rule
        .refuses_for(candidate, work)
        .or(pick.map(|pick| if chosen { pick.because } else { pick.others }));
    // Without a pick nobody was eligible, so everybody has a refusal.
    Verdict {
        seller_id: candidate.seller_id,
        name: candidate.name.clone(),
        chosen,
        reason: reason.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
