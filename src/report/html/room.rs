//! How much of the page a part may fill. What does not fit is counted, not drawn.

use maud::{Markup, PreEscaped};

/// Bytes that are left for a part of the page.
pub(super) struct Room(usize);

impl Room {
    /// So many bytes.
    pub(super) const fn of(bytes: usize) -> Self {
        Self(bytes)
    }

    /// As many rows as fit, and how many were left out.
    pub(super) fn fill(&mut self, rows: impl IntoIterator<Item = Markup>) -> (Markup, usize) {
        let (mut text, mut left_out) = (String::new(), 0);
        for row in rows {
            self.0 = self.0.saturating_sub(row.0.len());
            if self.0 == 0 {
                left_out += 1;
            } else {
                text.push_str(&row.0);
            }
        }
        (PreEscaped(text), left_out)
    }
}
