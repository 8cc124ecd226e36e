//! Facts about suites and load, told against real servers in this process.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod assertions;
mod format;
mod house;
mod https;
mod load;
mod load_limits;
mod pace;
mod polling;
mod redaction;
mod running;
mod server;
mod thresholds;
