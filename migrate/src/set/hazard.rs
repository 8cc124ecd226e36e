//! What in a file may break the release that still serves while it runs. It reads the parse tree, never the
//! text, and judges shapes alone: what a serving release really uses, nobody knows here.

use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode};

use crate::sql::{Script, Statement, line_at};

/// Drops and renames that take nothing away which a statement of an application could name or lean on. An index or
/// a constraint is none of them: `ON CONFLICT` leans on a unique one, and may name it.
const HARMLESS: [SyntaxKind; 4] = [
    SyntaxKind::DROP_NOT_NULL,
    SyntaxKind::DROP_STATISTICS,
    SyntaxKind::INDEX_RENAME_TO,
    SyntaxKind::STATISTICS_RENAME_TO,
];

/// One thing that may break it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hazard {
    /// Line in the file, from 1.
    pub(super) line: usize,
    /// What it is, as the subject of a sentence.
    pub(super) what: String,
}

/// Everything in `script` that may break a release which was built before it. A file that could not be parsed
/// and statements that run code of their own are hazards as a whole: they may hold anything.
pub(super) fn of(script: &Script) -> Vec<Hazard> {
    if let Some((line, reason)) = script.unparsed.first() {
        let what = format!("the file, which was not understood here ({reason}),");
        return vec![Hazard { line: *line, what }];
    }
    script.statements.iter().flat_map(in_statement).collect()
}

fn in_statement(statement: &Statement) -> Vec<Hazard> {
    let root = SourceFile::parse(&statement.sql).syntax_node();
    let hazards = root.descendants().filter_map(|node| {
        let what = hazard(&node)?;
        let offset = usize::from(node.text_range().start());
        Some(Hazard { line: statement.line + line_at(&statement.sql, offset) - 1, what })
    });
    hazards.collect()
}

fn hazard(node: &SyntaxNode) -> Option<String> {
    let kind = node.kind();
    let name = format!("{kind:?}");
    let taken = name.starts_with("DROP_") && !is_part_of_a_drop(node) || name.contains("RENAME_");
    match kind {
        _ if HARMLESS.contains(&kind) => None,
        SyntaxKind::DO | SyntaxKind::CALL | SyntaxKind::EXECUTE => {
            Some(format!("the code that `{name}` runs, which cannot be looked into,"))
        }
        SyntaxKind::SET_TYPE
        | SyntaxKind::SET_NOT_NULL
        | SyntaxKind::SET_SCHEMA
        | SyntaxKind::DETACH_PARTITION
        | SyntaxKind::TRUNCATE => Some(words(&name)),
        SyntaxKind::ADD_COLUMN if asks_for_a_value(node) => {
            Some("`add column … not null` without a default".to_owned())
        }
        _ if taken => Some(words(&name)),
        _ => None,
    }
}

/// Clauses inside a drop bear its name as well: the drop is told once.
fn is_part_of_a_drop(node: &SyntaxNode) -> bool {
    node.parent().is_some_and(|parent| format!("{:?}", parent.kind()).starts_with("DROP_"))
}

/// Every row written by a release that does not know the column would be refused.
fn asks_for_a_value(column: &SyntaxNode) -> bool {
    let has = |kinds: &[SyntaxKind]| column.children().any(|child| kinds.contains(&child.kind()));
    let required = has(&[SyntaxKind::NOT_NULL_CONSTRAINT, SyntaxKind::PRIMARY_KEY_CONSTRAINT]);
    let given = has(&[SyntaxKind::DEFAULT_CONSTRAINT, SyntaxKind::GENERATED_CONSTRAINT]);
    let serial = || {
        let kinds = ["serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"];
        let types = column.descendants().filter(|node| format!("{:?}", node.kind()).ends_with("_TYPE"));
        types
            .map(|node| node.text().to_string().trim().to_lowercase())
            .any(|name| kinds.contains(&name.as_str()))
    };
    required && !given && !serial()
}

/// `DROP_COLUMN` as SQL says it.
fn words(name: &str) -> String {
    format!("`{}`", name.to_lowercase().replace('_', " "))
}
