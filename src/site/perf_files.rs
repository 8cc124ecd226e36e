//! What a load is made of and judged by, as one hash: a verdict holds only as long as it is the same.

use std::path::Path;

use phases::environment::PerfFacts;
use sha2::{Digest, Sha256};

use super::read_thresholds;

/// `sha256:…` over the suite file and the values of the required thresholds. A file that cannot be read has no
/// content here; who needs it says so.
pub(super) fn fingerprint(config: &Path, perf: &PerfFacts) -> String {
    let suite = std::fs::read(config.join("suites").join(format!("{}.toml", perf.suite))).unwrap_or_default();
    let mut hash = Sha256::new();
    hash.update(Sha256::digest(&suite));
    let thresholds = read_thresholds(config).ok();
    for name in &perf.require {
        let Some(threshold) = thresholds.as_ref().and_then(|all| all.get(name)) else { continue };
        let values = serde_json::json!([
            threshold.name,
            threshold.figure,
            threshold.statistic,
            threshold.below,
            threshold.min_samples,
        ]);
        hash.update(format!("{values}\n"));
    }
    format!("sha256:{}", hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_requests_count_and_thresholds_that_nobody_requires_do_not() {
        let config = tempfile::tempdir().unwrap();
        std::fs::create_dir(config.path().join("suites")).unwrap();
        let write = |file: &str, text: &str| std::fs::write(config.path().join(file), text).unwrap();
        let threshold = |name: &str, below: u32| {
            format!(
                "[threshold.{name}]\nfigure = \"api\"\nstatistic = \"p95\"\nbelow_ms = {below}\nsource = \"here\"\n"
            )
        };
        let perf = PerfFacts {
            suite: "smoke".to_owned(),
            rate: 100,
            duration_seconds: 5,
            require: vec!["fast".to_owned()],
            files: String::new(),
        };
        let with = |suite: &str, fast: u32, other: u32| {
            write("suites/smoke.toml", suite);
            write(
                "thresholds.toml",
                &format!("schema = 1\n{}{}", threshold("fast", fast), threshold("other", other)),
            );
            fingerprint(config.path(), &perf)
        };
        let first = with("a", 500, 1);
        assert_eq!(first, with("a", 500, 2));
        assert_ne!(first, with("a", 50, 1));
        assert_ne!(first, with("b", 500, 1));
    }
}
