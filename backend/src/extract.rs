//! What handlers ask of a request, each refused in the one error shape. Reads, never decides.

mod body;
mod client;
mod id;
mod query;

pub(crate) use body::Body;
pub(crate) use client::{ClientAddress, PeerAddress};
pub(crate) use id::Id;
pub(crate) use query::Query;

use crate::error::FieldError;

/// The field a serde message is about: the first word in backticks, when it names one.
fn field_error(message: &str) -> FieldError {
    let named = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split_once('`'));
    let (field, message) = match named {
        Some((field, _)) if message.starts_with("missing") => (field, "is missing"),
        Some((field, _)) if message.starts_with("unknown") => (field, "is not known here"),
        Some((field, _)) => (field, "is given twice"),
        None => ("", message),
    };
    FieldError { field: field.to_owned(), message: message.to_owned() }
}
