//! Load with honest numbers: an open model (requests leave at due times, whatever the subject does),
//! latency counted from the due time, and a run that says when it was the generator that was slow.
//!
//! The requests are those of a suite's HTTP checks; only statuses are judged.

mod connection;
mod dispatch;
mod failure;
mod histogram;
mod mix;
mod plan;
mod report;
mod run;
mod schedule;
mod series;
mod server_timing;
mod statistics;
mod target;
mod text;
mod threshold;
mod validity;
mod verdict;
mod worker;

pub use failure::LoadError;
pub use plan::LoadPlan;
pub use report::{LoadReport, MemoryUse, RouteReport, ServerTiming};
pub use run::{LoadProgress, ProgressObserver, run_load};
pub use series::SeriesPoint;
pub use statistics::Distribution;
pub use threshold::{Figure, Statistic, Threshold, Thresholds, evaluate};
