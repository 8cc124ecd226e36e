//! Equality, order and type of JSON values, as assertions mean them.

use std::cmp::Ordering;

use serde_json::Value as Json;

use super::{Operator, Type};

impl Operator {
    pub(super) fn holds(self, actual: &Json, expected: &Json) -> bool {
        match self {
            Self::Equal => equal(actual, expected),
            Self::Unequal => !equal(actual, expected),
            Self::Less => order(actual, expected) == Some(Ordering::Less),
            Self::Greater => order(actual, expected) == Some(Ordering::Greater),
            Self::LessOrEqual => matches!(order(actual, expected), Some(Ordering::Less | Ordering::Equal)),
            Self::GreaterOrEqual => {
                matches!(order(actual, expected), Some(Ordering::Greater | Ordering::Equal))
            }
        }
    }
}

impl Type {
    pub(super) fn matches(self, value: &Json) -> bool {
        match self {
            Self::Null => value.is_null(),
            Self::Boolean => value.is_boolean(),
            // JSON has one kind of number: 2.0 is whole.
            Self::Integer => {
                value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
            }
            Self::Number => value.is_number(),
            Self::String => value.is_string(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
        }
    }
}

pub(super) fn contains(actual: &Json, wanted: &Json) -> bool {
    match (actual, wanted) {
        (Json::String(text), Json::String(part)) => text.contains(part.as_str()),
        (Json::Array(items), wanted) => items.iter().any(|item| equal(item, wanted)),
        (Json::Object(entries), Json::String(key)) => entries.contains_key(key),
        _ => false,
    }
}

/// Numbers are equal when their values are: `2` and `2.0`.
pub(super) fn equal(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(_), Json::Number(_)) => order(a, b) == Some(Ordering::Equal),
        _ => a == b,
    }
}

/// Numbers by value, strings by code point (so ISO dates sort right); nothing else has an order.
fn order(a: &Json, b: &Json) -> Option<Ordering> {
    match (a, b) {
        (Json::String(a), Json::String(b)) => Some(a.cmp(b)),
        (Json::Number(_), Json::Number(_)) => match (whole(a), whole(b)) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        _ => None,
    }
}

fn whole(number: &Json) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}
