//! The real `crm-server`: its sockets, its control socket, its drain, its other verbs.

mod client;
mod command_line;
mod control;
mod drain;
mod faults;
mod figures;
mod incidents;
pub(crate) mod process;
mod sockets;
mod switch;
