//! Fakes, contract suites and generic tests for plans. Behind feature `testing`, never part of a release.
