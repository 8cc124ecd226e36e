//! The platform `swarm` on a real engine: its promises, and what only it has.

mod contract;
mod deployed;
mod fencing;
mod images;
mod judged;
mod lost;
mod registry;
mod remote;
mod retiring;
mod reverted;
mod ssh;
mod stand;
