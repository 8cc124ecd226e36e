//! The seven types, the summary after quiet hours, and the four priorities. A new type is a line here and a file beside.

use serde::Serialize;
use utoipa::ToSchema;

/// What a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Somebody waits for an answer.
    Unanswered,
    /// A young lead writes a lot.
    HotLead,
    /// Nobody wrote to a lead for days.
    Followup,
    /// Figures of a vendedor fell.
    PerformanceAlert,
    /// Somebody got a lead or a conversation.
    Assignment,
    /// The report of the day.
    MetricAlert,
    /// No leads come from Meta.
    MetaSilent,
    /// What came in quiet hours.
    QuietSummary,
}

impl Kind {
    /// Every type that can be asked for and muted, in the order of the settings page.
    pub(crate) const ALL: [Self; 7] = [
        Self::Unanswered,
        Self::HotLead,
        Self::Followup,
        Self::PerformanceAlert,
        Self::Assignment,
        Self::MetricAlert,
        Self::MetaSilent,
    ];

    /// The name in the database and in answers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unanswered => "unanswered",
            Self::HotLead => "hot_lead",
            Self::Followup => "followup",
            Self::PerformanceAlert => "performance_alert",
            Self::Assignment => "assignment",
            Self::MetricAlert => "metric_alert",
            Self::MetaSilent => "meta_silent",
            Self::QuietSummary => "quiet_summary",
        }
    }

    /// The type of a name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Priority {
    /// Now.
    Critical,
    /// Soon.
    High,
    /// Today.
    Medium,
    /// Some time.
    Low,
}

impl Priority {
    pub(crate) const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    /// The name in the database and in answers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }

    /// The priority of a name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|priority| priority.name() == name)
    }

    /// Days after which it goes stale by itself.
    pub(crate) const fn expires_after_days(self) -> Option<i32> {
        match self {
            Self::Critical | Self::High => None,
            Self::Medium | Self::Low => Some(7),
        }
    }
}
