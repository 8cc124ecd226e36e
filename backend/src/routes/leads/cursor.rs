//! Where a page of leads ended: the sort, its value in the last row, and the id of that row. Opaque to
//! clients; carries no filter and no right.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::filter::{Page, Sort};
use super::queries::LeadRow;

/// Longest cursor that is looked at; names are shorter.
const LONGEST: usize = 2_000;

/// A place between two rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor {
    /// Order of the list it belongs to.
    pub(crate) sort: Sort,
    /// Value of the sorted column: microseconds since 1970, or a name.
    pub(crate) key: Key,
    /// The last row.
    pub(crate) id: Uuid,
}

/// Value of a sorted column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Key {
    /// Microseconds since 1970, as exact as the database keeps them.
    #[serde(rename = "t")]
    Time(i64),
    /// A folded name.
    #[serde(rename = "n")]
    Name(String),
}

impl Cursor {
    /// The text a client gives back.
    pub(crate) fn encode(&self) -> String {
        let json = serde_json::to_vec(self).expect("a cursor is plain values");
        URL_SAFE_NO_PAD.encode(json)
    }

    /// The place of a text, when it is one of this `sort`.
    pub(crate) fn decode(text: &str, sort: Sort) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let cursor: Self = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let fits = match &cursor.key {
            Key::Time(micros) => {
                !sort.by_name() && chrono::DateTime::from_timestamp_micros(*micros).is_some()
            }
            Key::Name(name) => sort.by_name() && !name.contains('\0'),
        };
        (fits && cursor.sort == sort).then_some(cursor)
    }
}

impl Page {
    /// Takes off the row that only says that there are more; gives the cursor that goes on from the last one left.
    pub(crate) fn cut(&self, leads: &mut Vec<LeadRow>) -> Option<String> {
        let last = crate::keyset::cut(leads, self.limit)?;
        let key = match self.sort {
            Sort::CreatedAsc | Sort::CreatedDesc => Key::Time(last.created_at.timestamp_micros()),
            Sort::ChangedAsc | Sort::ChangedDesc => Key::Time(last.status_changed_at.timestamp_micros()),
            Sort::NameAsc | Sort::NameDesc => Key::Name(last.name_key.clone()),
        };
        Some(Cursor { sort: self.sort, key, id: last.id }.encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_comes_back_and_fits_its_sort_only() {
        let cursor =
            Cursor { sort: Sort::CreatedDesc, key: Key::Time(1_790_000_000_123_456), id: Uuid::nil() };
        let text = cursor.encode();
        assert_eq!(Cursor::decode(&text, Sort::CreatedDesc), Some(cursor));
        assert_eq!(Cursor::decode(&text, Sort::CreatedAsc), None);
        for bad in ["", "x", "e30", "bnVsbA", &"A".repeat(LONGEST + 1), &format!("{text}A")] {
            assert_eq!(Cursor::decode(bad, Sort::CreatedDesc), None, "{bad}");
        }
        let name = Cursor { sort: Sort::CreatedDesc, key: Key::Name("a".to_owned()), id: Uuid::nil() };
        assert_eq!(Cursor::decode(&name.encode(), Sort::CreatedDesc), None);
    }
}
