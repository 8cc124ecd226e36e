//! Figures of everybody, as they were at a moment, and the same as text.

use std::collections::HashMap;
use std::ops::Deref;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::figure::Figures;

/// Figures by vendedor; of `None`: what nobody owns or sent.
pub(crate) type BySeller = HashMap<Option<Uuid>, Figures>;

/// Figures as they were at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Text", into = "Text")]
pub(crate) struct Sums {
    by_seller: BySeller,
    /// When they were true.
    pub(crate) at: DateTime<Utc>,
}

impl Sums {
    pub(super) fn new(by_seller: BySeller, at: DateTime<Utc>) -> Self {
        Self { by_seller, at }
    }

    /// How many figures there are.
    pub(super) fn weight(&self) -> u32 {
        let figures = self.by_seller.values().map(|figures| figures.by_metric.len() + 1).sum::<usize>();
        u32::try_from(figures + 1).unwrap_or(u32::MAX)
    }
}

impl Deref for Sums {
    type Target = BySeller;

    fn deref(&self) -> &BySeller {
        &self.by_seller
    }
}

/// The same as text: JSON has no keys but names.
#[derive(Serialize, Deserialize)]
struct Text {
    by_seller: Vec<(Option<Uuid>, Figures)>,
    at: DateTime<Utc>,
}

impl From<Sums> for Text {
    fn from(Sums { by_seller, at }: Sums) -> Self {
        Self { by_seller: by_seller.into_iter().collect(), at }
    }
}

impl From<Text> for Sums {
    fn from(Text { by_seller, at }: Text) -> Self {
        Self { by_seller: by_seller.into_iter().collect(), at }
    }
}
