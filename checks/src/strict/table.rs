//! One table being read: each key is asked for once, and what nobody asked for is a mistake.

use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Review, Text, suggestion};

/// A value that has not been read yet, and where it stands.
#[derive(Debug)]
pub(crate) struct Value<'s> {
    pub(crate) value: DeValue<'s>,
    pub(crate) span: Range<usize>,
}

impl<'s> From<Spanned<DeValue<'s>>> for Value<'s> {
    fn from(spanned: Spanned<DeValue<'s>>) -> Self {
        Self { span: spanned.span(), value: spanned.into_inner() }
    }
}

/// A table of the file.
#[derive(Debug)]
pub(crate) struct Table<'s> {
    /// As messages call it: `[http.login]`.
    place: String,
    span: Range<usize>,
    entries: Vec<(Text, Value<'s>)>,
    asked: Vec<&'static str>,
    review: &'s Review<'s>,
}

impl<'s> Table<'s> {
    pub(crate) fn root(root: Spanned<DeTable<'s>>, review: &'s Review<'s>) -> Self {
        Self::new(String::new(), 0..0, root.into_inner(), review)
    }

    fn new(place: String, span: Range<usize>, table: DeTable<'s>, review: &'s Review<'s>) -> Self {
        let mut entries: Vec<(Text, Value<'s>)> = table
            .into_iter()
            .map(|(key, value)| {
                let span = key.span();
                (Text::new(key.into_inner().into_owned(), span, review.source()), Value::from(value))
            })
            .collect();
        // The parser sorts by name; messages, plans and reports follow the file.
        entries.sort_by_key(|(key, _)| key.span.start);
        Self { place, span, entries, asked: Vec::new(), review }
    }

    pub(crate) fn review(&self) -> &'s Review<'s> {
        self.review
    }

    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The last word of the table's name: `login` of `[http.login]`.
    pub(crate) fn name(&self) -> &str {
        self.place.rsplit('.').next().unwrap_or_default()
    }

    /// Where the value of `key` stands, else the table itself.
    pub(crate) fn place_of(&self, key: &str) -> Range<usize> {
        let found = self.entries.iter().find(|(name, _)| name.as_str() == key);
        found.map_or(self.span(), |(_, value)| value.span.clone())
    }

    fn inside(&self) -> String {
        if self.place.is_empty() {
            "at the top of the file".to_owned()
        } else {
            format!("in `[{}]`", self.place)
        }
    }

    /// The value of `key`, unread.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<Value<'s>> {
        self.asked.push(key);
        let at = self.entries.iter().position(|(name, _)| name.as_str() == key)?;
        Some(self.entries.remove(at).1)
    }

    /// Notes that `key` should have been there.
    pub(crate) fn missing(&self, key: &str) {
        self.review.note(self.span(), format!("`{key}` is missing {}", self.inside()), None);
    }

    fn wrong(&self, key: &str, wanted: &str, got: &Value<'_>) {
        let message = format!("`{key}` must be {wanted}, not {}", article(got.value.type_str()));
        self.review.note(got.span.clone(), message, None);
    }

    /// A string.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<Text> {
        let found = self.value(key)?;
        self.as_text(key, "a string", found)
    }

    /// A string that has to be there.
    pub(crate) fn required_text(&mut self, key: &'static str) -> Option<Text> {
        if !self.has(key) {
            self.missing(key);
        }
        self.text(key)
    }

    fn as_text(&self, key: &str, wanted: &str, found: Value<'s>) -> Option<Text> {
        match found.value {
            DeValue::String(text) => Some(Text::new(text.into_owned(), found.span, self.review.source())),
            value => {
                self.wrong(key, wanted, &Value { value, span: found.span });
                None
            }
        }
    }

    /// A list of strings.
    pub(crate) fn texts(&mut self, key: &'static str) -> Option<Vec<Text>> {
        let found = self.value(key)?;
        match found.value {
            DeValue::Array(items) => {
                let items = items.into_iter().map(Value::from);
                Some(items.filter_map(|item| self.as_text(key, "a list of strings", item)).collect())
            }
            value => {
                self.wrong(key, "a list of strings", &Value { value, span: found.span });
                None
            }
        }
    }

    /// A whole number within `range`.
    pub(crate) fn whole(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let found = self.value(key)?;
        let DeValue::Integer(digits) = &found.value else {
            self.wrong(key, "a whole number", &found);
            return None;
        };
        let number = u64::from_str_radix(digits.as_str(), digits.radix()).ok();
        let within = number.filter(|number| range.contains(number));
        if within.is_none() {
            let message = format!("`{key}` must be from {} to {}, not {digits}", range.start(), range.end());
            self.review.note(found.span, message, None);
        }
        within
    }

    /// One word of a closed vocabulary.
    pub(crate) fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let typed = self.text(key)?;
        let meant = words.iter().find(|(word, _)| *word == typed.as_str()).map(|(_, meaning)| *meaning);
        if meant.is_none() {
            let known = words.iter().map(|(word, _)| *word);
            let message = format!("`{}` is no {key}", typed.as_str());
            self.review.note(typed.span.clone(), message, suggestion(typed.as_str(), known));
        }
        meant
    }

    /// A table within this one.
    pub(crate) fn table(&mut self, key: &'static str) -> Option<Table<'s>> {
        let found = self.value(key)?;
        self.as_table(key, found)
    }

    fn as_table(&self, key: &str, found: Value<'s>) -> Option<Table<'s>> {
        let place = if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) };
        match found.value {
            DeValue::Table(table) => Some(Table::new(place, found.span, table, self.review)),
            value => {
                self.wrong(key, "a table", &Value { value, span: found.span });
                None
            }
        }
    }

    /// Every entry left, each of which has to be a table: `[session.ceo]`, `[http.login]`.
    pub(crate) fn tables(mut self) -> Vec<(Text, Table<'s>)> {
        let entries = std::mem::take(&mut self.entries);
        let read = entries.into_iter().filter_map(|(key, value)| {
            let table = self.as_table(key.as_str(), value)?;
            Some((key, table))
        });
        read.collect()
    }

    /// Every entry left, each of which has to be a string: headers, captures.
    pub(crate) fn pairs(mut self) -> Vec<(Text, Text)> {
        let entries = std::mem::take(&mut self.entries);
        let read = entries.into_iter().filter_map(|(key, value)| {
            let text = self.as_text(key.as_str(), "a string", value)?;
            Some((key, text))
        });
        read.collect()
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, _)| name.as_str() == key)
    }

    /// Notes every key that nobody asked for.
    pub(crate) fn finish(self) {
        for (key, _) in &self.entries {
            let message = format!("unknown key `{}` {}", key.as_str(), self.inside());
            self.review.note(key.span.clone(), message, suggestion(key.as_str(), self.asked.iter().copied()));
        }
    }
}

fn article(kind: &str) -> String {
    if kind.starts_with(['a', 'i']) { format!("an {kind}") } else { format!("a {kind}") }
}
