//! What a run looks like from outside: one result, several forms. Reports return text; they print nothing.

pub mod document;
pub mod json;
pub mod live;
pub mod plan;
pub mod summary;
pub mod table;
