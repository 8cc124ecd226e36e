//! The table of figures: what was struck where, how often, with which result, and how long going on took.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::case::{Case, Journey, Outcome, Way, When};
use super::strike::Kind;

/// A row of the table.
type Row = (Journey, usize, String, Kind, Way);

#[derive(Debug, Default)]
struct Cell {
    cases: usize,
    struck: usize,
    breaches: usize,
    recoveries: Vec<Duration>,
}

impl Cell {
    fn take(&mut self, outcome: &Outcome) {
        self.cases += 1;
        self.struck += usize::from(outcome.struck);
        self.breaches += usize::from(!outcome.breaches.is_empty());
        self.recoveries.push(outcome.recovery);
    }

    fn add(&mut self, other: &Self) {
        self.cases += other.cases;
        self.struck += other.struck;
        self.breaches += other.breaches;
        self.recoveries.extend(&other.recoveries);
    }

    fn line(&mut self) -> String {
        self.recoveries.sort();
        let at = |index: usize| self.recoveries.get(index).copied().unwrap_or_default().as_secs_f64();
        let (middle, last) = (self.recoveries.len() / 2, self.recoveries.len().saturating_sub(1));
        let Self { cases, struck, breaches, .. } = self;
        format!("{cases} | {struck} | {breaches} | {:.1} s | {:.1} s", at(middle), at(last))
    }
}

/// Everything that was played.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    cells: BTreeMap<Row, Cell>,
    pub(crate) breaches: Vec<String>,
}

impl Figures {
    /// `place` orders the rows as the journal is ordered.
    pub(crate) fn take(&mut self, place: usize, case: &Case, outcome: &Outcome) {
        let point = match &case.when {
            When::After(point, Duration::ZERO) => point.to_string(),
            When::After(point, _) => format!("{point} and a while"),
            When::Moment(_) => "any moment".to_owned(),
        };
        let row = (case.journey, place, point, case.kind, case.way);
        self.cells.entry(row).or_default().take(outcome);
        self.breaches.extend(outcome.breaches.iter().map(|what| format!("{case}: {what}")));
    }

    /// Both together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        for (row, cell) in other.cells {
            self.cells.entry(row).or_default().add(&cell);
        }
        self.breaches.extend(other.breaches);
        self
    }

    #[track_caller]
    pub(crate) fn show_no_breach(&self) {
        let breaches = &self.breaches;
        assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), breaches.join("\n"));
    }

    pub(crate) fn cases(&self) -> usize {
        self.cells.values().map(|cell| cell.cases).sum()
    }

    /// All rows summed up by what they have in common.
    fn summed<K: Ord>(&self, key: impl Fn(&Row) -> K) -> BTreeMap<K, Cell> {
        let mut sums: BTreeMap<K, Cell> = BTreeMap::new();
        for (row, cell) in &self.cells {
            sums.entry(key(row)).or_default().add(cell);
        }
        sums
    }

    /// Kind × way.
    pub(crate) fn summary(&self) -> String {
        let mut text = head(&["journey", "what is done to it", "then"]);
        for ((journey, kind, way), mut cell) in
            self.summed(|(journey, _, _, kind, way)| (*journey, *kind, *way))
        {
            let _ =
                writeln!(text, "| {} | {} | {} | {} |", journey.name(), kind.name(), way.name(), cell.line());
        }
        text
    }

    /// Kill point × kind × way.
    pub(crate) fn table(&self) -> String {
        let mut text = head(&["journey", "kill point", "what is done to it", "then"]);
        for ((journey, _, point, kind, way), mut cell) in self.summed(Clone::clone) {
            let (journey, kind, way) = (journey.name(), kind.name(), way.name());
            let _ = writeln!(text, "| {journey} | {point} | {kind} | {way} | {} |", cell.line());
        }
        text
    }
}

fn head(columns: &[&str]) -> String {
    let figures = ["cases", "struck", "breaches", "p50 to recover", "max"];
    let all: Vec<&str> = columns.iter().chain(&figures).copied().collect();
    format!("| {} |\n|{}\n", all.join(" | "), "---|".repeat(all.len()))
}
