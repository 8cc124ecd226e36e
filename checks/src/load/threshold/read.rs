//! The file of targets.

use super::{Figure, Statistic, Threshold, Thresholds};
use crate::outcome::{Owner, Severity};
use crate::strict::{FileError, Table, Text, read};
use crate::suite::read_schema;

const SCHEMA: u64 = 1;

const FIGURES: [(&str, Figure); 6] = [
    ("api", Figure::Api),
    ("database", Figure::Database),
    ("page_load", Figure::PageLoad),
    ("notification", Figure::Notification),
    ("metrics_full_tenant", Figure::MetricsFullTenant),
    ("memory_growth", Figure::MemoryGrowth),
];

impl Thresholds {
    /// Reads a file of targets.
    ///
    /// # Errors
    /// Every mistake of the file with its place, all together.
    pub fn parse(file: &str, text: &str) -> Result<Self, FileError> {
        read(file, text, |mut root, _| {
            read_schema(&mut root, SCHEMA, "thresholds");
            let tables = root.table("threshold").map_or_else(Vec::new, Table::tables);
            root.finish();
            Some(Self {
                targets: tables.into_iter().filter_map(|(name, table)| read_target(&name, table)).collect(),
            })
        })
    }
}

fn read_target(name: &Text, mut table: Table<'_>) -> Option<Threshold> {
    for key in ["figure", "statistic", "source"] {
        if !table.has(key) {
            table.missing(key);
        }
    }
    let figure = table.word("figure", &FIGURES);
    let statistic_place = table.place_of("statistic");
    let statistic = table.word("statistic", &Statistic::WORDS);
    let limit = figure.map_or("below_ms", |figure| figure.unit().1);
    if !table.has(limit) {
        table.missing(limit);
    }
    let below = table.whole(limit, 1..=86_400_000);
    if figure == Some(Figure::MemoryGrowth) && statistic.is_some_and(|word| word != Statistic::Max) {
        let message = "growth of memory has no percentiles, only a `max`";
        table.review().note(statistic_place, message, None);
    }
    let place = table.place_of("min_samples");
    let min_samples = table.whole("min_samples", 1..=1_000_000_000);
    let source = table.text("source");
    let owner = table.word("owner", &Owner::WORDS).unwrap_or(Owner::Dev);
    let severity = table.word("severity", &Severity::WORDS).unwrap_or(Severity::Major);
    let review = table.review();
    table.finish();
    let statistic = statistic?;
    let least = statistic.least_samples();
    let min_samples = min_samples.unwrap_or(least);
    if min_samples < least {
        let message = format!("{} says nothing with fewer than {least} samples", statistic.as_str());
        review.note(place, message, None);
    }
    Some(Threshold {
        name: name.value.clone(),
        figure: figure?,
        statistic,
        below: below?,
        min_samples,
        source: source?.value,
        owner,
        severity,
    })
}
