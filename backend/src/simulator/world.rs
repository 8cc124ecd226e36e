//! The state of a simulation: forms that were sent, how the Graph API behaves, and the ledger. Does no IO.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

use super::Options;
use super::people::{Form, LedgerPerson, LedgerSubmission, People};
use crate::seed::Dice;

/// How the Graph API behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// As it should.
    #[default]
    Well,
    /// Every call is a 500.
    Away,
    /// Every call takes half a minute.
    Slow,
    /// Every answer is a page of HTML with status 200.
    Wrong,
    /// Every lead is another one than the one that was asked for.
    Mixed,
    /// Every call is one too many: 429, or error 4 with status 400.
    Busy,
    /// The token has ended: error 190.
    TokenExpired,
    /// Leads may not be read: error 200.
    AccessRevoked,
    /// Leads may not be read, and every list of them is empty.
    AccessHidden,
    /// The page tells nobody of its leads.
    Unsubscribed,
    /// The token ends in two days.
    ShortToken,
}

/// What was handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// Everybody who sent a form.
    pub people: Vec<LedgerPerson>,
    /// Every form.
    pub submissions: Vec<LedgerSubmission>,
}

/// One page and its forms.
#[derive(Debug)]
pub(super) struct World {
    options: Options,
    started: DateTime<Utc>,
    state: Mutex<State>,
}

struct State {
    /// For what people do.
    dice: Dice,
    /// For what fails, so that asking more often changes no person.
    faults: Dice,
    people: People,
    forms: Vec<Form>,
    by_id: HashMap<String, usize>,
    mode: Mode,
    calls: u64,
    grows: usize,
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "State({} forms, {:?})", self.forms.len(), self.mode)
    }
}

/// What becomes of a call that should be answered well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    ServerError,
    RateLimited,
}

impl World {
    pub(super) fn new(options: Options) -> Self {
        let state = State {
            dice: Dice::new(options.seed),
            faults: Dice::new(options.seed ^ 0x5eed),
            people: People::default(),
            forms: vec![],
            by_id: HashMap::new(),
            mode: Mode::Well,
            calls: 0,
            grows: 0,
        };
        Self { options, started: Utc::now(), state: Mutex::new(state) }
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    /// When it began.
    pub(super) fn started(&self) -> DateTime<Utc> {
        self.started
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn behave(&self, mode: Mode) {
        self.state().mode = mode;
    }

    pub(super) fn mode(&self) -> Mode {
        self.state().mode
    }

    pub(super) fn grow_while_read(&self, count: usize) {
        self.state().grows = count;
    }

    /// A page of a list was answered: the world goes on meanwhile.
    pub(super) fn has_been_read(&self) {
        let count = self.state().grows;
        self.send_forms(count);
    }

    /// Counts a call and decides its fate.
    pub(super) fn fate(&self) -> Fate {
        let mut state = self.state();
        state.calls += 1;
        if !state.faults.chance(self.options.failing_percent) {
            Fate::Answered
        } else if state.calls.is_multiple_of(2) {
            Fate::ServerError
        } else {
            Fate::RateLimited
        }
    }

    /// The number of a form, counted from 0.
    pub(super) fn form_id(&self, index: usize) -> String {
        format!("2{:0>13}{index}", self.options.seed % 1_000_000)
    }

    pub(super) fn is_form(&self, id: &str) -> bool {
        (0..self.options.forms).any(|index| self.form_id(index) == id)
    }

    pub(super) fn send_forms(&self, count: usize) -> Vec<String> {
        let at = Utc::now().trunc_subsecs(0);
        let mut guard = self.state();
        let state = &mut *guard;
        (0..count)
            .map(|_| {
                let id = format!("7{:0>6}{:0>9}", self.options.seed % 1_000_000, state.forms.len() + 1);
                let last = i64::try_from(self.options.forms).unwrap_or(1) - 1;
                let index = usize::try_from(state.dice.between(0, last)).unwrap_or(0);
                let form = state.people.send(&mut state.dice, id.clone(), self.form_id(index), at);
                state.by_id.insert(id.clone(), state.forms.len());
                state.forms.push(form);
                id
            })
            .collect()
    }

    /// A form that is given away.
    pub(super) fn fetched(&self, id: &str) -> Option<Form> {
        let mut state = self.state();
        let index = *state.by_id.get(id)?;
        state.forms[index].shown.fetched += 1;
        Some(state.forms[index].clone())
    }

    /// A form that is told of.
    pub(super) fn told(&self, id: &str) -> Option<LedgerSubmission> {
        let mut state = self.state();
        let index = *state.by_id.get(id)?;
        state.forms[index].shown.told += 1;
        Some(state.forms[index].shown.clone())
    }

    /// Forms sent after `since`, the newest first, behind the one named `after`.
    pub(super) fn list(
        &self,
        form_id: &str,
        since: DateTime<Utc>,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<LedgerSubmission>, bool) {
        let state = self.state();
        let start = after.and_then(|after| state.by_id.get(after).copied());
        let older = state
            .forms
            .iter()
            .enumerate()
            .rev()
            .filter(|(index, _)| start.is_none_or(|start| *index < start));
        let mut shown = older
            .map(|(_, form)| &form.shown)
            .filter(|shown| shown.form_id == form_id && shown.created_time > since);
        let page: Vec<LedgerSubmission> = shown.by_ref().take(limit).cloned().collect();
        (page, shown.next().is_some())
    }

    /// Chance for the order of webhooks, the same for the same seed and number of forms.
    pub(super) fn shuffle(&self) -> Dice {
        let sent = self.state().forms.len() as u64;
        Dice::new(self.options.seed.wrapping_mul(31).wrapping_add(sent))
    }

    pub(super) fn ledger(&self) -> Ledger {
        let state = self.state();
        let submissions = state.forms.iter().map(|form| form.shown.clone()).collect();
        Ledger { people: state.people.shown(), submissions }
    }
}
