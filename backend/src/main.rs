//! `crm-server`.

fn main() {}
