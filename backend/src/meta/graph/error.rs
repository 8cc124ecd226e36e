//! What an answer of the Graph API that is no answer means for us: wait, mend the page, or give the lead up. Its own
//! words are not kept: they can hold a token.
//! Source: Meta, Graph API, "Handling Errors"; Marketing API, "Rate Limiting".

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GraphError {
    /// Meta, or the way to it, does not work.
    #[error("Meta does not answer: {0}")]
    Away(String),
    /// We ask too often.
    #[error("Meta asks to slow down")]
    Busy {
        /// How long to wait, when it says so.
        wait: Option<Duration>,
    },
    /// The token has ended or was taken back.
    #[error("the page's token is not valid any more (error {0})")]
    Token(String),
    /// The token may not read this.
    #[error("the page's token gives no access ({0})")]
    Access(String),
    /// There is no such thing, or it is not shown to us.
    #[error("Meta knows no such thing, or does not show it (error {0})")]
    Missing(String),
    /// The question is refused.
    #[error("Meta refuses the question (error {0})")]
    Refused(String),
    /// An answer of another shape.
    #[error("Meta's answer cannot be used: {0}")]
    Unreadable(String),
}

impl GraphError {
    /// The error that `status` and `body` stand for; none: it is an answer.
    pub(super) fn of(status: StatusCode, body: Option<&Value>, wait: Option<Duration>) -> Option<Self> {
        let error = body.and_then(|body| body.get("error")).filter(|error| error.is_object());
        let number = |name: &str| error.and_then(|error| error.get(name)?.as_i64());
        let is_transient = error.is_some_and(|error| error.get("is_transient") == Some(&Value::Bool(true)));
        let Some(code) = number("code") else { return Self::of_status(status, wait) };
        let name = match number("error_subcode") {
            Some(subcode) => format!("{code}/{subcode}"),
            None => code.to_string(),
        };
        Some(match (code, number("error_subcode")) {
            (102 | 190, _) => Self::Token(name),
            (4 | 17 | 32 | 613 | 80_000..=80_014, _) => Self::Busy { wait },
            _ if status == StatusCode::TOO_MANY_REQUESTS => Self::Busy { wait },
            (3 | 10 | 200..=299, _) => Self::Access(format!("error {name}")),
            (100, Some(33)) => Self::Missing(name),
            (1 | 2, _) => Self::Away(format!("error {name}")),
            _ if is_transient || status.is_server_error() => Self::Away(format!("error {name}")),
            _ => Self::Refused(name),
        })
    }

    fn of_status(status: StatusCode, wait: Option<Duration>) -> Option<Self> {
        match status {
            StatusCode::TOO_MANY_REQUESTS => Some(Self::Busy { wait }),
            StatusCode::UNAUTHORIZED => Some(Self::Token("401".to_owned())),
            StatusCode::FORBIDDEN => Some(Self::Access("status 403".to_owned())),
            StatusCode::NOT_FOUND => Some(Self::Missing("404".to_owned())),
            status if status.is_success() => None,
            status if status.is_client_error() => Some(Self::Refused(status.as_u16().to_string())),
            status => Some(Self::Away(format!("status {}", status.as_u16()))),
        }
    }

    /// A word for it, stable, for the inbox and the page.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Away(_) => "graph_away",
            Self::Busy { .. } => "graph_busy",
            Self::Token(_) => "token_expired",
            Self::Access(_) => "access_revoked",
            Self::Missing(_) => "lead_missing",
            Self::Refused(_) => "graph_refused",
            Self::Unreadable(_) => "answer_unreadable",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn word(status: u16, body: &Value) -> Option<&'static str> {
        GraphError::of(StatusCode::from_u16(status).unwrap(), Some(body), None).map(|error| error.word())
    }

    #[test]
    fn each_code_means_what_meta_says() {
        for (code, subcode, meaning) in [
            (190, Some(463), "token_expired"),
            (102, None, "token_expired"),
            (4, None, "graph_busy"),
            (613, None, "graph_busy"),
            (80_004, None, "graph_busy"),
            (10, None, "access_revoked"),
            (200, None, "access_revoked"),
            (100, Some(33), "lead_missing"),
            (100, None, "graph_refused"),
            (2, None, "graph_away"),
        ] {
            let body =
                json!({"error": {"code": code, "error_subcode": subcode, "message": "Malformed token EAAB"}});
            assert_eq!(word(400, &body), Some(meaning), "{code}");
        }
        let transient = json!({"error": {"code": 5_000, "is_transient": true}});
        assert_eq!(word(400, &transient), Some("graph_away"));
    }

    #[test]
    fn without_a_code_the_status_tells() {
        let empty = json!({});
        for (status, meaning) in [
            (200, None),
            (302, Some("graph_away")),
            (400, Some("graph_refused")),
            (404, Some("lead_missing")),
            (429, Some("graph_busy")),
            (500, Some("graph_away")),
            (503, Some("graph_away")),
        ] {
            assert_eq!(word(status, &empty), meaning, "{status}");
        }
    }

    #[test]
    fn its_words_are_not_repeated() {
        let body = json!({"error": {"code": 190, "message": "Malformed access token EAABsecret"}});
        let error = GraphError::of(StatusCode::BAD_REQUEST, Some(&body), None).unwrap();
        assert!(!error.to_string().contains("EAAB") && !format!("{error:?}").contains("EAAB"));
    }
}
