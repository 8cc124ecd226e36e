//! Splits a file into statements and knows what a statement's tree says about how it may run.
//! It never judges a statement and never talks to a server.

use squawk_syntax::ast::{AstNode, Stmt};
use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode};

/// One file of SQL: its text with LF line ends and the statements in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// File name relative to the migration folder, as messages show it.
    pub file: String,
    /// The whole text, line ends normalised.
    pub text: String,
    /// The statements in order. One statement with the whole text when the parser did not understand the
    /// file: the server then has the last word on what is wrong with it.
    pub statements: Vec<Statement>,
    /// Lines of statements that start or end a transaction.
    pub(crate) controls: Vec<usize>,
    /// What the parser did not understand: line and reason. Empty for nearly every file.
    pub unparsed: Vec<(usize, String)>,
}

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The text, without the comments before it.
    pub sql: String,
    /// Line in the file on which it starts, from 1.
    pub line: usize,
    /// What it is, as the parser names it in lower case: `create_table`, `drop_index`, `unknown`.
    pub kind: String,
    /// It cannot run inside a transaction block, or may end one itself.
    pub standalone: bool,
    /// The index a `CREATE INDEX CONCURRENTLY` makes, as written.
    pub concurrent_index: Option<ConcurrentIndex>,
}

/// What a `CREATE INDEX CONCURRENTLY` statement says about its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcurrentIndex {
    /// The name as written in the statement, `None` when the server chooses one.
    pub name: Option<String>,
    /// The table as written, with its schema when given.
    pub table: String,
}

impl Script {
    /// Parses `text`, whose line ends are LF already.
    pub(crate) fn parse(file: impl Into<String>, text: impl Into<String>) -> Self {
        let (file, text) = (file.into(), text.into());
        let parse = SourceFile::parse(&text);
        let unparsed: Vec<_> = parse
            .errors()
            .iter()
            .map(|error| (line_at(&text, usize::from(error.range().start())), error.message().to_owned()))
            .collect();
        let controls = parse
            .tree()
            .stmts()
            .filter(controls_transaction)
            .map(|stmt| line_at(&text, stmt.syntax().text_range().start().into()))
            .collect();
        let mut statements: Vec<_> =
            parse.tree().stmts().filter_map(|stmt| statement(&text, &stmt)).collect();
        if !unparsed.is_empty() {
            statements = vec![Statement::opaque(&text)];
        }
        Self { file, text, statements, controls, unparsed }
    }

    /// The comment lines before the first statement, with their line numbers, without the dashes.
    pub(crate) fn header(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.statements.first().filter(|_| self.unparsed.is_empty()).map_or(usize::MAX, |s| s.line);
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line.trim()))
            .take_while(move |(number, line)| *number < end && (line.is_empty() || line.starts_with("--")))
            .filter(|(_, line)| !line.is_empty())
            .map(|(number, line)| (number, line.trim_start_matches('-')))
    }

    /// The file opts out of the transaction around it: sqlx's rule, the very first bytes of the file.
    #[must_use]
    pub fn no_transaction(&self) -> bool {
        self.text.starts_with("-- no-transaction")
    }

    /// The script as it can be tried inside a transaction: the statements without `CONCURRENTLY`, those that
    /// change no data and no object left out.
    pub(crate) fn rehearsal(&self, cascade: bool) -> Vec<Statement> {
        self.statements
            .iter()
            .filter(|s| {
                !matches!(s.kind.as_str(), "vacuum" | "reindex" | "cluster" | "checkpoint" | "analyze")
            })
            .map(|s| Statement { sql: s.rewritten(cascade), ..s.clone() })
            .collect()
    }
}

impl Statement {
    fn opaque(text: &str) -> Self {
        Self {
            sql: text.to_owned(),
            line: 1,
            kind: "unknown".to_owned(),
            standalone: false,
            concurrent_index: None,
        }
    }

    /// The statement without `CONCURRENTLY` where that is the only thing that keeps it out of a transaction,
    /// and with `CASCADE` behind each `DROP` when asked for.
    fn rewritten(&self, cascade: bool) -> String {
        let root = SourceFile::parse(&self.sql).syntax_node();
        let mut edits: Vec<(usize, usize, &str)> = Vec::new();
        for node in root.descendants() {
            if matches!(node.kind(), SyntaxKind::CREATE_INDEX | SyntaxKind::DROP_INDEX) {
                edits.extend(tokens(&node, SyntaxKind::CONCURRENTLY_KW).map(|(from, to)| (from, to, "")));
            }
            if cascade && drops(node.kind()) {
                edits.push(cascading(&node));
            }
        }
        edits.sort_unstable();
        edits.iter().rev().fold(self.sql.clone(), |mut sql, (from, to, with)| {
            sql.replace_range(*from..*to, with);
            sql
        })
    }
}

/// Where and how `node`, a drop of some kind, becomes a cascading one.
fn cascading(node: &SyntaxNode) -> (usize, usize, &'static str) {
    let behaviour = node.children().find(|c| matches!(c.kind(), SyntaxKind::CASCADE | SyntaxKind::RESTRICT));
    if let Some(behaviour) = behaviour {
        let range = behaviour.text_range();
        return (range.start().into(), range.end().into(), "CASCADE");
    }
    let end = tokens(node, SyntaxKind::SEMICOLON)
        .next()
        .map_or_else(|| usize::from(node.text_range().end()), |(from, _)| from);
    (end, end, " CASCADE")
}

fn tokens(node: &SyntaxNode, kind: SyntaxKind) -> impl Iterator<Item = (usize, usize)> {
    node.children_with_tokens()
        .filter(move |element| element.kind() == kind)
        .map(|element| (element.text_range().start().into(), element.text_range().end().into()))
}

fn drops(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        SyntaxKind::DROP_TABLE
            | SyntaxKind::DROP_COLUMN
            | SyntaxKind::DROP_CONSTRAINT
            | SyntaxKind::DROP_VIEW
            | SyntaxKind::DROP_MATERIALIZED_VIEW
            | SyntaxKind::DROP_INDEX
            | SyntaxKind::DROP_SEQUENCE
            | SyntaxKind::DROP_TYPE
            | SyntaxKind::DROP_DOMAIN
            | SyntaxKind::DROP_FUNCTION
            | SyntaxKind::DROP_SCHEMA
            | SyntaxKind::DROP_EXTENSION
    )
}

fn statement(text: &str, stmt: &Stmt) -> Option<Statement> {
    let node = stmt.syntax();
    if matches!(stmt, Stmt::EmptyStmt(_)) {
        return None;
    }
    Some(Statement {
        sql: node.text().to_string(),
        line: line_at(text, node.text_range().start().into()),
        kind: format!("{:?}", node.kind()).to_lowercase(),
        standalone: standalone(stmt),
        concurrent_index: concurrent_index(stmt),
    })
}

fn controls_transaction(stmt: &Stmt) -> bool {
    matches!(
        stmt.syntax().kind(),
        SyntaxKind::BEGIN
            | SyntaxKind::COMMIT_TRANSACTION
            | SyntaxKind::ROLLBACK_TRANSACTION
            | SyntaxKind::PREPARE_TRANSACTION
            | SyntaxKind::COMMIT_PREPARED
            | SyntaxKind::ROLLBACK_PREPARED
    )
}

/// Source: the "cannot be executed inside a transaction block" notes of PostgreSQL's reference pages.
/// `DO` and `CALL` count, since a file that opts out of the transaction may want to commit in them.
fn standalone(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Vacuum(_)
        | Stmt::Reindex(_)
        | Stmt::Cluster(_)
        | Stmt::AlterSystem(_)
        | Stmt::CreateDatabase(_)
        | Stmt::DropDatabase(_)
        | Stmt::CreateTablespace(_)
        | Stmt::DropTablespace(_)
        | Stmt::CreateSubscription(_)
        | Stmt::AlterSubscription(_)
        | Stmt::DropSubscription(_)
        | Stmt::Do(_)
        | Stmt::Call(_) => true,
        Stmt::CreateIndex(index) => index.concurrently_token().is_some(),
        Stmt::DropIndex(index) => index.concurrently_token().is_some(),
        Stmt::AlterTable(table) => table
            .syntax()
            .descendants_with_tokens()
            .any(|element| element.kind() == SyntaxKind::CONCURRENTLY_KW),
        _ => false,
    }
}

fn concurrent_index(stmt: &Stmt) -> Option<ConcurrentIndex> {
    let Stmt::CreateIndex(index) = stmt else { return None };
    index.concurrently_token()?;
    let name = index.index().map(|name| name.syntax().text().to_string());
    let table = index.table_relation_name()?;
    let table = table.syntax().children().find(|node| node.kind() == SyntaxKind::TABLE_NAME_REF)?;
    let table = table.text().to_string();
    Some(ConcurrentIndex { name, table })
}

/// Line, from 1, of byte `offset` of `text`.
pub(crate) fn line_at(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Script {
        Script::parse("001_a.up.sql", text)
    }

    #[test]
    fn statements_carry_their_own_line_and_no_comment() {
        let script = parse("-- a\n\ncreate table a(x int); -- tail\n\n-- b\nselect 1;\n;");
        let seen: Vec<_> =
            script.statements.iter().map(|s| (s.line, s.kind.as_str(), s.sql.as_str())).collect();
        assert_eq!(seen, [(3, "create_table", "create table a(x int);"), (6, "select", "select 1;")]);
    }

    #[test]
    fn semicolons_inside_bodies_do_not_split() {
        let script = parse(
            "create function f() returns int language sql begin atomic select 1; select 2; end;\n\
             do $$ begin perform 1; end $$;\n\
             create rule r as on insert to a do instead (insert into a values(1); delete from a);",
        );
        assert_eq!(script.statements.len(), 3);
    }

    #[test]
    fn unknown_syntax_is_left_whole_for_the_server() {
        let script = parse("create table a(x int) frobnicate;\nselect 1;");
        assert_eq!(script.statements.len(), 1);
        assert_eq!(script.unparsed[0].0, 1);
    }

    #[test]
    fn rehearsal_drops_concurrently_and_adds_cascade_where_a_drop_is() {
        let script = parse(
            "drop index concurrently i;\nalter table t drop column c restrict, drop constraint k;\n\
             drop table a, b;\nvacuum t;",
        );
        let plain: Vec<_> = script.rehearsal(false).into_iter().map(|s| s.sql).collect();
        assert_eq!(plain[0], "drop index  i;");
        let cascading: Vec<_> = script.rehearsal(true).into_iter().map(|s| s.sql).collect();
        assert_eq!(
            cascading,
            [
                "drop index  i CASCADE;",
                "alter table t drop column c CASCADE, drop constraint k CASCADE;",
                "drop table a, b CASCADE;"
            ]
        );
    }
}
