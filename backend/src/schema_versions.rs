//! The versions of the schema that this release was built with, listed by the build script.

/// In ascending order.
pub(crate) const KNOWN: &[i64] = include!(concat!(env!("OUT_DIR"), "/schema_versions.rs"));

#[cfg(test)]
mod tests {
    use super::KNOWN;

    #[test]
    fn known_versions_ascend_and_hold_the_base() {
        assert_eq!(KNOWN.first(), Some(&1));
        assert!(KNOWN.is_sorted_by(|a, b| a < b));
    }
}
