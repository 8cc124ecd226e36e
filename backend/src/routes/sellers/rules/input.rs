//! What is typed about a rule, checked field by field, and its way into the row.

use serde::{Deserialize, Deserializer};
use serde_json::json;
use sqlx::AssertSqlSafe;
use utoipa::ToSchema;
use uuid::Uuid;

use super::COLUMNS;
use crate::assignment::rule::Rule;
use crate::assignment::strategy;
use crate::error::{ApiError, FieldError};
use crate::routes::leads::filter::STATUSES;
use crate::tenant::Transaction;

/// Greatest priority and greatest limit.
const MOST: i32 = 10_000;
/// Longest name, in characters.
const LONGEST: usize = 100;
/// Most sources of one rule.
const MOST_SOURCES: usize = 50;
const ROLES: [&str; 2] = ["setter", "closer"];

/// A rule, or what to change in one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleInput {
    /// Unique in the tenant.
    name: Option<String>,
    /// 0 to 10,000; lower ones are tried first.
    priority: Option<i32>,
    /// `true` when absent.
    active: Option<bool>,
    /// `round_robin`, `least_open` or `sticky`.
    strategy: Option<String>,
    /// Only leads of these sources (`META_ADS`); empty: everybody.
    lead_sources: Option<Vec<String>>,
    /// Only leads in these statuses; empty: everybody.
    lead_statuses: Option<Vec<String>>,
    /// `setter`, `closer` or both, which is what counts when absent.
    seller_roles: Option<Vec<String>>,
    /// Most people in work of one vendedor, 1 to 10,000; null: no limit.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i32>)]
    max_open: Option<Option<i32>>,
    /// Most assignments of one vendedor in a day, 1 to 10,000; null: no limit.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i32>)]
    max_per_day: Option<Option<i32>>,
}

/// A field that may be absent (leave it), null (clear it) or given.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<i32>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// What absent fields mean.
pub(super) enum Given {
    /// As in a new rule.
    Anew,
    /// As in this one.
    Over(Rule),
}

/// A rule that can be written.
pub(super) struct Draft(Rule);

impl RuleInput {
    /// Names of what is given, for the audit log.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let Self { name, priority, active, strategy, lead_sources, lead_statuses, .. } = self;
        let Self { seller_roles, max_open, max_per_day, .. } = self;
        [
            ("name", name.is_some()),
            ("priority", priority.is_some()),
            ("active", active.is_some()),
            ("strategy", strategy.is_some()),
            ("lead_sources", lead_sources.is_some()),
            ("lead_statuses", lead_statuses.is_some()),
            ("seller_roles", seller_roles.is_some()),
            ("max_open", max_open.is_some()),
            ("max_per_day", max_per_day.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }

    /// The rule, or every field that cannot be used.
    pub(super) fn checked(self, given: Given) -> Result<Draft, ApiError> {
        let mut checker = Checker::default();
        let base = match given {
            Given::Over(rule) => rule,
            Given::Anew => {
                checker.present("name", self.name.is_some());
                checker.present("priority", self.priority.is_some());
                checker.present("strategy", self.strategy.is_some());
                blank()
            }
        };
        let rule = Rule {
            id: base.id,
            name: self.name.map_or(base.name, |name| checker.name(&name)),
            priority: self.priority.map_or(base.priority, |priority| checker.priority(priority)),
            active: self.active.unwrap_or(base.active),
            strategy: self.strategy.map_or(base.strategy, |name| checker.strategy(name)),
            lead_sources: self.lead_sources.map_or(base.lead_sources, |words| checker.sources(words)),
            lead_statuses: self
                .lead_statuses
                .map_or(base.lead_statuses, |words| checker.words("lead_statuses", words, &STATUSES)),
            seller_roles: self.seller_roles.map_or(base.seller_roles, |words| checker.roles(words)),
            max_open: self.max_open.map_or(base.max_open, |limit| checker.limit("max_open", limit)),
            max_per_day: self
                .max_per_day
                .map_or(base.max_per_day, |limit| checker.limit("max_per_day", limit)),
        };
        if checker.0.is_empty() { Ok(Draft(rule)) } else { Err(ApiError::fields(checker.0)) }
    }
}

/// What a new rule is before anything is said of it.
fn blank() -> Rule {
    Rule {
        id: Uuid::nil(),
        name: String::new(),
        priority: 0,
        active: true,
        strategy: String::new(),
        lead_sources: vec![],
        lead_statuses: vec![],
        seller_roles: ROLES.map(str::to_owned).to_vec(),
        max_open: None,
        max_per_day: None,
    }
}

/// Collects mistakes.
#[derive(Default)]
struct Checker(Vec<FieldError>);

impl Checker {
    fn refuse(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(FieldError { field: field.to_owned(), message: message.into() });
    }

    fn present(&mut self, field: &str, is_there: bool) {
        if !is_there {
            self.refuse(field, "is missing");
        }
    }

    fn name(&mut self, given: &str) -> String {
        let given = given.trim();
        if given.is_empty() {
            self.refuse("name", "is empty");
        } else if given.chars().count() > LONGEST {
            self.refuse("name", format!("is longer than {LONGEST} characters"));
        } else if given.chars().any(char::is_control) {
            self.refuse("name", "has control characters");
        }
        given.to_owned()
    }

    fn priority(&mut self, given: i32) -> i32 {
        if !(0..=MOST).contains(&given) {
            self.refuse("priority", format!("must be a whole number from 0 to {MOST}"));
        }
        given
    }

    fn strategy(&mut self, given: String) -> String {
        if strategy::named(&given).is_none() {
            self.refuse("strategy", format!("must be one of {}", strategy::names().join(", ")));
        }
        given
    }

    fn limit(&mut self, field: &str, given: Option<i32>) -> Option<i32> {
        if given.is_some_and(|limit| !(1..=MOST).contains(&limit)) {
            self.refuse(field, format!("must be a whole number from 1 to {MOST}, or null"));
        }
        given
    }

    fn sources(&mut self, given: Vec<String>) -> Vec<String> {
        let shaped = |word: &String| {
            (2..=40).contains(&word.len())
                && word.starts_with(|first: char| first.is_ascii_uppercase())
                && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        };
        if given.len() > MOST_SOURCES {
            self.refuse("lead_sources", format!("are more than {MOST_SOURCES}"));
        } else if !given.iter().all(shaped) {
            self.refuse("lead_sources", "must be words such as `META_ADS`");
        }
        once(given)
    }

    fn roles(&mut self, given: Vec<String>) -> Vec<String> {
        if given.is_empty() {
            self.refuse("seller_roles", "is empty: nobody would get anything");
        }
        self.words("seller_roles", given, &ROLES)
    }

    fn words(&mut self, field: &str, given: Vec<String>, known: &[&str]) -> Vec<String> {
        if given.iter().any(|word| !known.contains(&word.as_str())) {
            self.refuse(field, format!("must be of {}", known.join(", ")));
        }
        once(given)
    }
}

fn once(mut words: Vec<String>) -> Vec<String> {
    words.sort();
    words.dedup();
    words
}

impl Draft {
    /// Writes it as a new row, or over row `id`; none when there is no such row.
    ///
    /// # Errors
    /// 409 `name_taken`.
    pub(super) async fn write(
        &self,
        transaction: &mut Transaction,
        id: Option<Uuid>,
    ) -> Result<Option<Rule>, ApiError> {
        let Self(rule) = self;
        let (tenant_id, actor) = (transaction.tenant_id(), transaction.actor());
        let sql = match id {
            None => format!(
                "INSERT INTO assignment_rules (tenant_id, name, priority, active, strategy, lead_sources,
                   lead_statuses, seller_roles, max_open, max_per_day, created_by)
                 SELECT $1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 WHERE $2::uuid IS NULL RETURNING {COLUMNS}"
            ),
            Some(_) => format!(
                "UPDATE assignment_rules SET name = $3, priority = $4, active = $5, strategy = $6, lead_sources = $7,
                   lead_statuses = $8, seller_roles = $9, max_open = $10, max_per_day = $11, updated_at = now()
                 WHERE tenant_id = $1 AND id = $2 AND ($12::uuid IS NULL OR true) RETURNING {COLUMNS}"
            ),
        };
        let written = sqlx::query_as(AssertSqlSafe(sql))
            .bind(tenant_id)
            .bind(id)
            .bind(&rule.name)
            .bind(rule.priority)
            .bind(rule.active)
            .bind(&rule.strategy)
            .bind(&rule.lead_sources)
            .bind(&rule.lead_statuses)
            .bind(&rule.seller_roles)
            .bind(rule.max_open)
            .bind(rule.max_per_day)
            .bind(actor)
            .fetch_optional(transaction.db())
            .await;
        written.map_err(|error| refused(error, &rule.name))
    }
}

/// What the constraints of the table say, in the words of the request.
fn refused(error: sqlx::Error, name: &str) -> ApiError {
    let constraint = error.as_database_error().and_then(|cause| cause.constraint()).unwrap_or_default();
    if constraint == "assignment_rules_name_key" {
        return ApiError::conflict("name_taken", "another rule has this name", json!({ "name": name }));
    }
    error.into()
}
