//! People who may buy: how a lead is born, how its status moves, and how two become one. Whoever changes one holds its row. Knows no HTTP
//! and no list.

mod birth;
mod hold;
mod lead_status;
mod merge;

pub(crate) use birth::{NewLead, create};
pub(crate) use hold::hold;
pub(crate) use lead_status::{move_one, move_to};
pub(crate) use merge::merge;
