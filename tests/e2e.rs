//! End to end.

mod process;
