//! The one loop that runs any list of steps, and the doors through which it reaches the world.

pub mod clock;
pub mod effects;
pub mod event;
pub mod failure;
pub mod journal;
pub mod ledger;
pub mod platform;
pub mod step;
