//! How the subject split its time: the `Server-Timing` header. Source: W3C Server Timing, section 3.

use reqwest::header::HeaderMap;

/// Milliseconds that the subject says it spent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Spent {
    /// In the application (`app;dur=…`).
    pub(crate) app_ms: Option<f64>,
    /// In the database (`db;dur=…`); several entries are added.
    pub(crate) db_ms: Option<f64>,
}

impl Spent {
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let mut spent = Self::default();
        for value in headers.get_all("server-timing") {
            let text = String::from_utf8_lossy(value.as_bytes());
            for metric in outside_quotes(&text, ',') {
                spent.add(metric);
            }
        }
        spent
    }

    fn add(&mut self, metric: &str) {
        let mut parts = outside_quotes(metric, ';').map(str::trim);
        let sum = match parts.next() {
            Some("app") => &mut self.app_ms,
            Some("db") => &mut self.db_ms,
            _ => return,
        };
        let duration = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            let is_duration = name.trim().eq_ignore_ascii_case("dur");
            is_duration.then(|| value.trim().trim_matches('"').parse::<f64>().ok())?
        });
        if let Some(duration) = duration.filter(|ms| ms.is_finite() && *ms >= 0.0) {
            *sum = Some(sum.unwrap_or(0.0) + duration);
        }
    }
}

/// Splits at `separator` where it stands outside of quotes.
fn outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |c| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return c == separator && !quoted,
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(values: &[&str]) -> (Option<f64>, Option<f64>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("server-timing", value.parse().unwrap());
        }
        let spent = Spent::read(&headers);
        (spent.app_ms, spent.db_ms)
    }

    #[test]
    fn durations_are_read_and_added() {
        assert_eq!(read(&["app;dur=12.5, db;dur=4"]), (Some(12.5), Some(4.0)));
        assert_eq!(read(&["db;dur=1", "app;dur=3,db;dur=2.5"]), (Some(3.0), Some(3.5)));
        assert_eq!(read(&[r#"app;desc="a, b; dur=9";dur=1 , cache;dur=5"#]), (Some(1.0), None));
        assert_eq!(read(&[r#"db;DUR="0.25""#]), (None, Some(0.25)));
        assert_eq!(read(&[r#"db;desc="a\"b, app;dur=7";dur=2"#]), (None, Some(2.0)));
    }

    #[test]
    fn what_is_not_measured_is_not_zero() {
        assert_eq!(read(&[]), (None, None));
        assert_eq!(read(&["app, db;dur=, cache;dur=1"]), (None, None));
        assert_eq!(read(&["app;dur=-1, db;dur=nan"]), (None, None));
    }

    proptest! {
        #[test]
        fn any_header_is_survived(text in "[ -~]{0,80}") {
            read(&[&text]);
        }
    }
}
