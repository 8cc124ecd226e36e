//! crmctl as a library: everything but the ten lines of `main`.

pub mod ledger;
