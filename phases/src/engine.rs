//! The one loop that runs any list of steps, and the doors through which it reaches the world.

pub mod cancel;
pub mod clock;
pub(crate) mod conclusion;
pub mod effects;
pub mod event;
pub mod failure;
pub mod fence;
pub mod history;
pub mod journal;
pub mod ledger;
pub mod platform;
pub mod report;
pub mod resume;
pub mod run;
pub mod step;
mod step_state;
