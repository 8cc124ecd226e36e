//! The targets that figures have to meet, and the judgement: one line each, and none passes on too
//! little data.

mod evaluate;
mod read;

pub use evaluate::evaluate;

use crate::outcome::{Owner, Severity};

/// A measured quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Response time of the API, from the due time; a failed request counts as slower than any answer.
    Api,
    /// Time in the database per request, from `db` in `Server-Timing`.
    Database,
    /// Load time of a page in a browser.
    PageLoad,
    /// From an event to its notification in a browser.
    Notification,
    /// Computing the metrics of a whole tenant.
    MetricsFullTenant,
    /// Resident memory of the subject under load over what it held before.
    MemoryGrowth,
}

impl Figure {
    /// What the figure is measured in, and the end of its key in the file.
    pub(crate) fn unit(self) -> (&'static str, &'static str) {
        match self {
            Self::MemoryGrowth => ("MB", "below_mb"),
            _ => ("ms", "below_ms"),
        }
    }
}

/// What is taken of a figure's samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Statistic {
    P50,
    P95,
    P99,
    Max,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Threshold {
    /// `api_p95_ms`.
    pub name: String,
    /// What is measured.
    pub figure: Figure,
    /// What of it is judged.
    pub statistic: Statistic,
    /// The figure has to stay below this, in milliseconds; growth of memory in megabytes.
    pub below: u64,
    /// The least number of samples that say anything.
    pub min_samples: u64,
    /// Where the target comes from.
    pub source: String,
    /// Who looks after it.
    pub owner: Owner,
    /// How bad it is when it is missed.
    pub severity: Severity,
}

/// Every target of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thresholds {
    targets: Vec<Threshold>,
}

impl Thresholds {
    /// The targets, in the order of the file.
    #[must_use]
    pub fn targets(&self) -> &[Threshold] {
        &self.targets
    }

    /// The target of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Threshold> {
        self.targets.iter().find(|target| target.name == name)
    }

    /// A sentence for each of `names` that is no target, with what it may have meant; for whoever reads
    /// the list of required ones.
    #[must_use]
    pub fn unknown(&self, names: &[String]) -> Vec<String> {
        let unknown = names.iter().filter(|name| self.get(name).is_none());
        unknown.map(|name| self.unknown_sentence(name)).collect()
    }

    fn unknown_sentence(&self, name: &str) -> String {
        let known = self.targets.iter().map(|target| target.name.as_str());
        format!("`{name}` is no threshold, {}", crate::strict::suggestion(name, known))
    }
}

impl Statistic {
    const WORDS: [(&'static str, Self); 4] =
        [("p50", Self::P50), ("p95", Self::P95), ("p99", Self::P99), ("max", Self::Max)];

    /// The share of samples that lies below it.
    pub(crate) fn quantile(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P95 => 0.95,
            Self::P99 => 0.99,
            Self::Max => 1.0,
        }
    }

    /// With fewer samples it depends on a handful of them: ten have to lie above a percentile.
    pub(crate) fn least_samples(self) -> u64 {
        match self {
            Self::P50 => 20,
            Self::P95 => 200,
            Self::P99 => 1000,
            Self::Max => 1,
        }
    }

    fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, statistic)| *statistic == self).map_or("", |(word, _)| word)
    }
}
