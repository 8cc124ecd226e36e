//! One line that an answer has to satisfy: `$.leads count >= 1`.
//!
//! Owns what an assertion is; `parse` owns the grammar, `evaluate` the truth. Kinds of checks hand
//! in an answer and must not look inside.

mod answer;
mod compare;
mod evaluate;
mod lexer;
mod parse;

use serde_json::Value as Json;
use serde_json_path::JsonPath;

pub(crate) use answer::{Answer, Body};
pub(crate) use evaluate::{Lookup, Verdict};

use crate::template::{Reference, Template};

/// A parsed assertion.
#[derive(Debug, Clone)]
pub(crate) struct Assertion {
    /// As written, for `expected`.
    source: Template,
    target: Target,
    predicate: Predicate,
    /// `… if release`: asked only when the run knows that variable.
    condition: Option<Reference>,
}

/// What of the answer is looked at.
#[derive(Debug, Clone)]
enum Target {
    Status,
    DurationMs,
    Body,
    Header(String),
    Json(Query),
    Count(Query),
}

/// A JSONPath (RFC 9535) and how it was written.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) path: JsonPath,
    pub(crate) text: String,
    /// It can select one value at most.
    pub(crate) singular: bool,
}

#[derive(Debug, Clone)]
enum Predicate {
    Exists,
    Absent,
    Compare(Operator, Operand),
    In(Vec<Operand>),
    NotIn(Vec<Operand>),
    Contains(Operand),
    ContainsNot(Operand),
    StartsWith(Operand),
    Is(Type),
    IsNot(Type),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A value of the assertion: JSON, strings with references.
#[derive(Debug, Clone)]
enum Operand {
    Json(Json),
    Text(Template),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

const TYPES: [(&str, Type); 7] = [
    ("null", Type::Null),
    ("boolean", Type::Boolean),
    ("integer", Type::Integer),
    ("number", Type::Number),
    ("string", Type::String),
    ("array", Type::Array),
    ("object", Type::Object),
];

impl Assertion {
    /// It says which status an answer must have.
    pub(crate) fn is_about_status(&self) -> bool {
        matches!(self.target, Target::Status)
    }

    /// It is asked in some runs only.
    pub(crate) fn is_conditional(&self) -> bool {
        self.condition.is_some()
    }

    pub(crate) fn references(&self) -> Vec<&Reference> {
        self.operands()
            .filter_map(|operand| match operand {
                Operand::Text(template) => Some(template.references()),
                Operand::Json(_) => None,
            })
            .flatten()
            .chain(&self.condition)
            .collect()
    }

    fn operands(&self) -> impl Iterator<Item = &Operand> {
        let (one, many): (Option<&Operand>, &[Operand]) = match &self.predicate {
            Predicate::Compare(_, operand)
            | Predicate::Contains(operand)
            | Predicate::ContainsNot(operand)
            | Predicate::StartsWith(operand) => (Some(operand), &[]),
            Predicate::In(operands) | Predicate::NotIn(operands) => (None, operands),
            Predicate::Exists | Predicate::Absent | Predicate::Is(_) | Predicate::IsNot(_) => (None, &[]),
        };
        one.into_iter().chain(many)
    }
}
