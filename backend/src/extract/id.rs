//! An id in a path. What is no id names nothing: 404, as for an id of somebody else.

use serde::{Deserialize, Deserializer};
use uuid::Uuid;

/// A UUID of a path; nonsense becomes the nil id, which nothing has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id(pub(crate) Uuid);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self(Uuid::try_parse(&text).unwrap_or(Uuid::nil())))
    }
}
