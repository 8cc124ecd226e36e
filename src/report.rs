//! What a run looks like from outside: one result, several forms. Reports return text; they print nothing.

pub mod archive;
pub mod assemble;
pub mod axis;
pub mod changes;
pub mod document;
pub mod folder;
pub mod grouped;
pub mod html;
pub mod json;
pub mod junit;
pub mod live;
pub mod markdown;
pub mod plan;
pub mod recall;
pub mod result;
pub mod summary;
pub mod table;
pub mod text;

#[cfg(test)]
mod tests;
