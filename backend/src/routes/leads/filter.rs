//! Which leads are asked for, in which order: the query of a request, checked as a whole, every mistake
//! named. Holds no SQL.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use uuid::Uuid;

use super::cursor::Cursor;
use crate::error::{ApiError, FieldError};

/// The statuses of a lead.
pub(crate) const STATUSES: [&str; 8] =
    ["new", "contacted", "qualified", "proposal_sent", "negotiation", "won", "lost", "archived"];
/// Rows of a page when none are asked for.
const DEFAULT_LIMIT: i64 = 50;
/// Most rows of a page.
const MOST: i64 = 200;
/// Longest text to look for, in characters.
const LONGEST_TEXT: usize = 200;

/// The parameters as they are typed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Parameters {
    /// `new`, `contacted`, `qualified`, `proposal_sent`, `negotiation`, `won`, `lost` or `archived`.
    status: Option<String>,
    /// Id or name of a campaign.
    campaign: Option<String>,
    /// Id or name of a form.
    form: Option<String>,
    /// Id of the owner, or `unassigned`.
    seller: Option<String>,
    /// `true`: only leads that nobody owns.
    unassigned: Option<String>,
    /// Created at or after this moment (RFC 3339) or this day of the tenant (`2026-11-24`).
    created_after: Option<String>,
    /// Created before this moment, or before this day began.
    created_before: Option<String>,
    /// Part of a name, mail address or phone number; case and accents do not matter.
    search: Option<String>,
    /// `-created_at` (the default), `created_at`, `-status_changed_at`, `status_changed_at`, `name`, `-name`.
    sort: Option<String>,
    /// Rows of a page, 1 to 200; 50 when absent.
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Order of the list; always ended by the id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sort {
    /// Newest first.
    #[default]
    #[serde(rename = "-created_at")]
    CreatedDesc,
    /// Oldest first.
    #[serde(rename = "created_at")]
    CreatedAsc,
    /// Last changed first.
    #[serde(rename = "-status_changed_at")]
    ChangedDesc,
    /// Longest unchanged first.
    #[serde(rename = "status_changed_at")]
    ChangedAsc,
    /// A to Z.
    #[serde(rename = "name")]
    NameAsc,
    /// Z to A.
    #[serde(rename = "-name")]
    NameDesc,
}

/// Whose leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Nobody's.
    Nobody,
    /// This person's.
    Seller(Uuid),
}

/// A moment, or the start of a day in the tenant's zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Exactly this.
    At(DateTime<Utc>),
    /// When this day begins.
    Day(NaiveDate),
}

/// What is asked for.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    /// One lead and no other; everything else is left aside.
    pub(crate) id: Option<Uuid>,
    pub(crate) status: Option<&'static str>,
    pub(crate) campaign: Option<String>,
    pub(crate) form: Option<String>,
    pub(crate) owner: Option<Owner>,
    pub(crate) created_after: Option<Moment>,
    pub(crate) created_before: Option<Moment>,
    pub(crate) search: Option<String>,
}

/// Which part of it.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) sort: Sort,
    pub(crate) limit: i64,
    pub(crate) after: Option<Cursor>,
}

impl Sort {
    pub(crate) fn by_name(self) -> bool {
        matches!(self, Self::NameAsc | Self::NameDesc)
    }

    pub(crate) fn descending(self) -> bool {
        matches!(self, Self::CreatedDesc | Self::ChangedDesc | Self::NameDesc)
    }
}

impl Filter {
    /// Names of what it asks for, for the audit log; never what is looked for.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let Self { id: _, status, campaign, form, owner, created_after, created_before, search } = self;
        [
            ("status", status.is_some()),
            ("campaign", campaign.is_some()),
            ("form", form.is_some()),
            ("seller", owner.is_some()),
            ("created_after", created_after.is_some()),
            ("created_before", created_before.is_some()),
            ("search", search.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, given)| given.then_some(name))
        .collect()
    }

    /// Whether every lead is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { id, status, campaign, form, owner, created_after, created_before, search } = self;
        let texts = [campaign, form, search].into_iter().all(Option::is_none);
        texts
            && id.is_none()
            && status.is_none()
            && owner.is_none()
            && created_after.is_none()
            && created_before.is_none()
    }
}

impl Parameters {
    /// The filter and the order of all that it lets through, for what knows no pages.
    ///
    /// # Errors
    /// 400 with each mistake.
    pub(crate) fn check_whole(self) -> Result<(Filter, Sort), ApiError> {
        let paging = [("limit", self.limit.is_some()), ("cursor", self.cursor.is_some())];
        if let Some((field, _)) = paging.into_iter().find(|(_, given)| *given) {
            return Err(ApiError::field(field, "is not known here: there are no pages"));
        }
        self.check().map(|(filter, page)| (filter, page.sort))
    }

    /// The filter and the page, or every field that cannot be used.
    ///
    /// # Errors
    /// 400 with each mistake.
    pub(crate) fn check(self) -> Result<(Filter, Page), ApiError> {
        let mut checker = Checker::default();
        let filter = Filter {
            id: None,
            status: checker.field("status", self.status, status),
            campaign: checker.field("campaign", self.campaign, text),
            form: checker.field("form", self.form, text),
            owner: checker.owner(self.seller, self.unassigned),
            created_after: checker.field("created_after", self.created_after, moment),
            created_before: checker.field("created_before", self.created_before, moment),
            // An emptied search box asks for nothing.
            search: checker.field("search", self.search.filter(|search| !search.trim().is_empty()), text),
        };
        let sort = checker.field("sort", self.sort, sort).unwrap_or_default();
        let limit = checker.field("limit", self.limit, limit).unwrap_or(DEFAULT_LIMIT);
        let after = checker.field("cursor", self.cursor, |given| {
            Cursor::decode(given, sort).ok_or("is not a cursor of this list in this order")
        });
        checker.finish((filter, Page { sort, limit, after }))
    }
}

/// Collects mistakes.
#[derive(Default)]
struct Checker(Vec<FieldError>);

impl Checker {
    fn field<T>(
        &mut self,
        field: &str,
        given: Option<String>,
        read: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        match read(given?.as_str()) {
            Ok(value) => Some(value),
            Err(message) => {
                self.0.push(FieldError { field: field.to_owned(), message: message.to_owned() });
                None
            }
        }
    }

    fn owner(&mut self, seller: Option<String>, unassigned: Option<String>) -> Option<Owner> {
        let given = self.field("seller", seller, owner);
        let nobody = self.field("unassigned", unassigned, yes_or_no).unwrap_or(false);
        if nobody && matches!(given, Some(Owner::Seller(_))) {
            let message = "contradicts `seller`".to_owned();
            self.0.push(FieldError { field: "unassigned".to_owned(), message });
        }
        if nobody { Some(Owner::Nobody) } else { given }
    }

    fn finish<T>(self, value: T) -> Result<T, ApiError> {
        if self.0.is_empty() { Ok(value) } else { Err(ApiError::fields(self.0)) }
    }
}

fn status(given: &str) -> Result<&'static str, &'static str> {
    STATUSES.into_iter().find(|status| *status == given).ok_or("is not a status")
}

fn text(given: &str) -> Result<String, &'static str> {
    let given = given.trim();
    if given.is_empty() {
        Err("is empty")
    } else if given.chars().count() > LONGEST_TEXT {
        Err("is longer than 200 characters")
    } else if given.chars().any(char::is_control) {
        Err("has control characters")
    } else {
        Ok(given.to_owned())
    }
}

fn owner(given: &str) -> Result<Owner, &'static str> {
    if given == "unassigned" {
        return Ok(Owner::Nobody);
    }
    Uuid::try_parse(given).map(Owner::Seller).map_err(|_| "must be an id or `unassigned`")
}

fn yes_or_no(given: &str) -> Result<bool, &'static str> {
    given.parse().map_err(|_| "must be `true` or `false`")
}

fn moment(given: &str) -> Result<Moment, &'static str> {
    let moment = match NaiveDate::parse_from_str(given, "%Y-%m-%d") {
        Ok(day) => Moment::Day(day),
        Err(_) => {
            Moment::At(DateTime::parse_from_rfc3339(given).map_err(|_| WRONG_MOMENT)?.with_timezone(&Utc))
        }
    };
    let year = match moment {
        Moment::At(at) => chrono::Datelike::year(&at),
        Moment::Day(day) => chrono::Datelike::year(&day),
    };
    if (1..=9_999).contains(&year) { Ok(moment) } else { Err(WRONG_MOMENT) }
}

const WRONG_MOMENT: &str = "must be a moment (RFC 3339) or a day (`2026-11-24`)";

fn sort(given: &str) -> Result<Sort, &'static str> {
    let known = serde_json::from_value(serde_json::Value::from(given));
    known.map_err(|_| "must be one of created_at, status_changed_at, name, each with or without `-`")
}

fn limit(given: &str) -> Result<i64, &'static str> {
    let number = given.parse::<i64>().ok().filter(|number| (1..=MOST).contains(number));
    number.ok_or("must be a whole number from 1 to 200")
}
