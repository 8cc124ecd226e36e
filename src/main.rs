//! `crmctl`.

fn main() {}
