//! Who a check speaks as. A session is logged in by a check of the suite, once per run.

use crate::strict::{Table, Text};
use crate::template::is_word;

/// `[session.ceo]`.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) name: Text,
    pub(crate) email: String,
    /// The key under which the run's secrets hold the password.
    pub(crate) password_key: String,
    /// The check that logs in and captures `token`.
    pub(crate) login: String,
    pub(crate) login_place: std::ops::Range<usize>,
}

/// The check that logs a session in, unless the session names another.
const LOGIN: &str = "login";

/// The capture of the login check that holds the bearer token.
pub(crate) const TOKEN: &str = "token";

/// What `{{ceo.…}}` may say.
pub(crate) const FIELDS: [&str; 2] = ["email", PASSWORD];

/// The field that is a secret.
pub(crate) const PASSWORD: &str = "password";

impl Session {
    pub(crate) fn read(name: Text, mut table: Table<'_>) -> Option<Self> {
        if !is_word(name.as_str()) {
            let hint = "letters, digits, `-` and `_`".to_owned();
            table.review().note(
                name.span.clone(),
                format!("`{}` is no name of a session", name.as_str()),
                hint,
            );
        }
        let email = table.required_text("email");
        let password_key = table.required_text("password_key");
        let login = table.text("login");
        let login_place = login.as_ref().map_or(name.span.clone(), |login| login.span.clone());
        table.finish();
        Some(Self {
            name,
            email: email?.value,
            password_key: password_key?.value,
            login: login.map_or_else(|| LOGIN.to_owned(), |login| login.value),
            login_place,
        })
    }
}
