//! Facts about suites and load, told against real servers in this process.

mod assertions;
mod format;
mod polling;
mod redaction;
mod running;
mod server;
