//! The kinds of checks and what one has to offer.
//!
//! A new kind is one file in `kind/` with a `read` function, and its name in the list below: the name
//! is the word of its tables (`[http.login]`). `docs/suites.md` shows a whole one.

use std::fmt;

use async_trait::async_trait;

use crate::scene::Scene;
use crate::strict::{Table, Text};
use crate::template::Reference;

macro_rules! kinds {
    ($($name:ident,)*) => {
        $(pub(crate) mod $name;)*

        /// Every kind, in the order of the list.
        pub(crate) const KINDS: &[Kind] = &[$(Kind { name: stringify!($name), read: $name::read },)*];
    };
}

kinds! {
    http,
}

/// A kind of check: how its table is read. Keys common to all kinds have been taken out before.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) read: fn(&mut Table<'_>) -> Option<Box<dyn Probe>>,
}

/// A check of some kind, ready to run.
#[async_trait]
pub(crate) trait Probe: fmt::Debug + Send + Sync {
    /// Tries once.
    async fn attempt(&self, scene: &Scene<'_>) -> Attempt;

    /// What it refers to: variables, sessions' fields, captures of other checks.
    fn references(&self) -> Vec<&Reference> {
        Vec::new()
    }

    /// The session it speaks as.
    fn session(&self) -> Option<&Text> {
        None
    }

    /// The names of what it captures.
    fn captures(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The request it makes, for kinds that load can repeat.
    fn request(&self) -> Option<&http::Http> {
        None
    }
}

/// What one attempt saw.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// Everything held; sentences about what was not asked.
    Passed { notes: Vec<String> },
    /// What did not hold, the first first. Never empty.
    Failed(Vec<Mismatch>),
    /// The probe could not run.
    Errored(String),
}

/// Something that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) expected: String,
    pub(crate) actual: String,
    /// More about it: the body of an error.
    pub(crate) note: Option<String>,
}
