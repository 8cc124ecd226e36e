//! Where a run's memory lives. Every ledger here passes the contract suite of `phases::testing::contract`.

pub mod file;
