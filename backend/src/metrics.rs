//! Figures of sellers. A fact (a response, a lead, an assignment …) is derived from leads, conversations and messages by
//! one SQL (`facts`), stored under its natural key in the transaction that changes them, and raised into rollups by day
//! (the tenant's zone), messages by hour (UTC) too. The same SQL makes everything anew, so what was kept can be checked against
//! what is true (`rebuild`). Knows no route.

mod cache;
mod cells;
mod facts;
mod figure;
mod period;
mod rebuild;
mod settle;
mod summary;
mod sums;
mod trend;

pub(crate) use cache::Cache;
pub(crate) use figure::{Figure, Figures, Metric};
pub(crate) use period::{Period, Wish};
pub(crate) use rebuild::{check, ensure, fill};
pub(crate) use settle::{Touched, settle};
pub(crate) use summary::{STANDING, few_figures, figures, refuse_unless_made};
pub(crate) use sums::BySeller;
pub(crate) use trend::{Day, trend};

/// The definition of the figures; raised when one changes, and everything is made anew then.
pub(crate) const VERSION: i32 = 2;
