//! Rows into a table with COPY, in its text format. Knows the format, not what the rows mean.

use std::fmt::Display;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// Rows of one table, as COPY reads them.
pub(crate) struct Rows {
    statement: String,
    text: String,
    count: usize,
}

/// One value of a row; `None` is SQL null.
pub(crate) struct Field(Option<String>);

impl Rows {
    /// Rows for these columns of `table`; both are names of this program, never input.
    pub(crate) fn into(table: &str, columns: &[&str]) -> Self {
        let statement = format!("COPY {table} ({}) FROM STDIN", columns.join(", "));
        Self { statement, text: String::new(), count: 0 }
    }

    /// Adds a row: one field per column.
    pub(crate) fn push<const N: usize>(&mut self, fields: [Field; N]) {
        for (position, field) in fields.iter().enumerate() {
            if position > 0 {
                self.text.push('\t');
            }
            match &field.0 {
                Some(value) => escape(value, &mut self.text),
                None => self.text.push_str("\\N"),
            }
        }
        self.text.push('\n');
        self.count += 1;
    }

    /// Sends them; gives how many there were.
    pub(crate) async fn send(self, connection: &mut PgConnection) -> Result<usize, sqlx::Error> {
        if self.count > 0 {
            let mut copy = connection.copy_in_raw(&self.statement).await?;
            copy.send(self.text.into_bytes()).await?;
            copy.finish().await?;
        }
        Ok(self.count)
    }
}

/// A value by its text form.
pub(crate) fn value(value: impl Display) -> Field {
    Field(Some(value.to_string()))
}

/// A moment.
pub(crate) fn time(at: DateTime<Utc>) -> Field {
    Field(Some(at.format("%Y-%m-%d %H:%M:%S%.6f+00").to_string()))
}

/// A moment, or null.
pub(crate) fn maybe_time(at: Option<DateTime<Utc>>) -> Field {
    at.map_or(Field(None), time)
}

/// A value, or null.
pub(crate) fn maybe(value: Option<impl Display>) -> Field {
    Field(value.map(|value| value.to_string()))
}

fn escape(value: &str, into: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => into.push_str("\\\\"),
            '\t' => into.push_str("\\t"),
            '\n' => into.push_str("\\n"),
            '\r' => into.push_str("\\r"),
            other => into.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_bytes_are_escaped_and_null_is_told_from_text() {
        let mut rows = Rows::into("t", &["a", "b", "c"]);
        rows.push([value("uno\tdos\\N\n"), maybe(None::<&str>), maybe(Some("\\N"))]);
        assert_eq!(rows.text, "uno\\tdos\\\\N\\n\t\\N\t\\\\N\n");
    }
}
