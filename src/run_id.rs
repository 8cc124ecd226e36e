//! Names of runs: `20261124T120301Z-7f3a`, sortable by time.

use rand::Rng;

/// A new one.
pub fn fresh() -> String {
    let time = chrono::Utc::now().format("%Y%m%dT%H%M%SZ");
    format!("{time}-{:04x}", rand::rng().random::<u16>())
}
