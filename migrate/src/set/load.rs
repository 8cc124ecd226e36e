//! Reads a folder into migrations and collects everything that is wrong with it.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::Digest as _;

use super::{Digest, Issue, LoadError, Migration, Stage, hazard, header};
use crate::sql::Script;

const NAMING: &str = "name files `NNN_name.up.sql`, `NNN_name.down.sql` and `verify/NNN_name.sql`, \
                      with a name of a-z, 0-9 and `_`";

/// The files of one migration, as far as they were found.
#[derive(Default)]
struct Parts {
    up: Option<Script>,
    down: Option<Script>,
    verify: Option<Script>,
}

/// Reads and validates `dir`.
pub(super) fn folder(dir: &Path) -> Result<Vec<Migration>, LoadError> {
    let mut issues = Vec::new();
    let mut found: BTreeMap<(i64, String), Parts> = BTreeMap::new();
    for file in sql_files(dir)? {
        collect(&mut found, &file, read(dir, &file, &mut issues)?, &mut issues);
    }
    if dir.join("verify").is_dir() {
        for file in sql_files(&dir.join("verify"))? {
            let file = format!("verify/{file}");
            collect(&mut found, &file, read(dir, &file, &mut issues)?, &mut issues);
        }
    }
    duplicates(&found, &mut issues);
    let migrations =
        found.into_iter().filter_map(|(key, parts)| migration(key, parts, &mut issues)).collect();
    if issues.is_empty() {
        return Ok(migrations);
    }
    issues.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    Err(LoadError::Refused { issues })
}

/// The checksum sqlx computes of an up file. Source: `sqlx_core::migrate::migration::checksum`.
pub(super) fn sqlx_checksum(text: &str) -> Vec<u8> {
    sha2::Sha384::digest(text.as_bytes()).to_vec()
}

/// Names of the SQL files directly in `dir`, sorted.
fn sql_files(dir: &Path) -> Result<Vec<String>, LoadError> {
    let failed = |source| LoadError::Read { path: dir.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let sql = Path::new(&name).extension().is_some_and(|e| e.eq_ignore_ascii_case("sql"));
        if sql && !name.starts_with('.') && entry.path().is_file() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The script in a file, or nothing and an issue when it is not text.
fn read(dir: &Path, file: &str, issues: &mut Vec<Issue>) -> Result<Option<Script>, LoadError> {
    let path = dir.join(file);
    let bytes = std::fs::read(&path).map_err(|source| LoadError::Read { path, source })?;
    match String::from_utf8(bytes) {
        Ok(text) => {
            let script = Script::parse(file, normalised(&text));
            if script.statements.is_empty() && file.starts_with("verify/") {
                issues.push(
                    Issue::new(file, "the file has no statement, so it proves nothing")
                        .hint("raise an error when the migration did not do what it promises"),
                );
            }
            Ok(Some(script))
        }
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
            issues.push(Issue::new(file, "the file is not UTF-8").at(line).hint("save it as UTF-8"));
            Ok(None)
        }
    }
}

fn normalised(text: &str) -> String {
    text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n")
}

enum Role {
    Up,
    Down,
    Verify,
}

/// Number, name and role that a file name states.
fn parse_name(file: &str) -> Option<(i64, &str, Role)> {
    let (stem, role) = if let Some(name) = file.strip_prefix("verify/") {
        (name.strip_suffix(".sql")?, Role::Verify)
    } else if let Some(stem) = file.strip_suffix(".up.sql") {
        (stem, Role::Up)
    } else {
        (file.strip_suffix(".down.sql")?, Role::Down)
    };
    let (number, name) = stem.split_once('_')?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let digits = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    let version = digits.then(|| number.parse().ok()).flatten().filter(|version| *version > 0)?;
    (!name.is_empty() && name.chars().all(plain)).then_some((version, name, role))
}

fn collect(
    found: &mut BTreeMap<(i64, String), Parts>,
    file: &str,
    script: Option<Script>,
    issues: &mut Vec<Issue>,
) {
    let Some((version, name, role)) = parse_name(file) else {
        issues.push(Issue::new(file, "the file name is not that of a migration").hint(NAMING));
        return;
    };
    let parts = found.entry((version, name.to_owned())).or_default();
    let slot = match role {
        Role::Up => &mut parts.up,
        Role::Down => &mut parts.down,
        Role::Verify => &mut parts.verify,
    };
    // A file that is no text still counts as present: its own issue is enough.
    let script = script.unwrap_or_else(|| Script::parse(file, ""));
    if let Some(other) = slot.replace(script) {
        issues.push(Issue::new(file, format!("number {version} is taken by `{}` already", other.file)));
    }
}

/// Two names under one number.
fn duplicates(found: &BTreeMap<(i64, String), Parts>, issues: &mut Vec<Issue>) {
    let keys: Vec<_> = found.iter().collect();
    for pair in keys.windows(2) {
        let [((version, _), first), ((next, _), second)] = pair else { continue };
        if version == next {
            let files = |p: &Parts| {
                [&p.up, &p.down, &p.verify]
                    .into_iter()
                    .flatten()
                    .map(|s| s.file.clone())
                    .next()
                    .unwrap_or_default()
            };
            issues.push(
                Issue::new(
                    &files(second),
                    format!("number {version} is taken by `{}` already", files(first)),
                )
                .hint("give one of them the next free number; both files of a pair bear the same name"),
            );
        }
    }
}

fn migration(key: (i64, String), parts: Parts, issues: &mut Vec<Issue>) -> Option<Migration> {
    let (version, name) = key;
    let mut absent = |present: &Option<Script>, file: String, why: &str| {
        if present.is_none() {
            issues.push(Issue::new(&file, format!("the file is missing: {why}")));
        }
    };
    let stem = [&parts.up, &parts.down, &parts.verify]
        .into_iter()
        .flatten()
        .map(|script| stem(&script.file).to_owned())
        .next()
        .expect("an entry exists because a file of it was found");
    absent(&parts.up, format!("{stem}.up.sql"), "a down or verify file stands alone");
    absent(&parts.down, format!("{stem}.down.sql"), "nothing is applied without its way back");
    absent(&parts.verify, format!("verify/{stem}.sql"), "nothing is applied without proof that it works");
    let (up, down, verify) = (parts.up?, parts.down?, parts.verify?);
    Some(validated(version, name, up, down, verify, issues))
}

fn stem(file: &str) -> &str {
    let name = file.strip_prefix("verify/").unwrap_or(file);
    [".up.sql", ".down.sql", ".sql"].into_iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

fn validated(
    version: i64,
    name: String,
    up: Script,
    down: Script,
    verify: Script,
    issues: &mut Vec<Issue>,
) -> Migration {
    let header = header::declared(&up, issues);
    header::none(&down, issues);
    header::none(&verify, issues);
    for script in [&up, &down, &verify] {
        header::misplaced(script, issues);
        unsupported(script, issues);
    }
    if header.stage.is_none() {
        undeclared(&up, issues);
    }
    Migration {
        version,
        name,
        checksum: sqlx_checksum(&up.text),
        down_digest: Digest::of(&down.text),
        verify_digest: Digest::of(&verify.text),
        stage: header.stage.unwrap_or(Stage::Expand),
        irreversible: header.irreversible,
        breaks_below: header.breaks_below,
        statement_timeout: header.statement_timeout,
        expects: header.expects,
        no_transaction: up.no_transaction(),
        up,
        down,
        verify,
    }
}

/// Statements the runner cannot honour.
fn unsupported(script: &Script, issues: &mut Vec<Issue>) {
    if let Some((line, reason)) = script.unparsed.first().filter(|_| script.no_transaction()) {
        issues.push(
            Issue::new(&script.file, format!("cannot be split into statements: {reason}"))
                .at(*line)
                .hint("a file without a transaction runs statement by statement"),
        );
    }
    for line in &script.controls {
        issues.push(
            Issue::new(&script.file, "the file starts or ends a transaction, which is the runner's to do")
                .at(*line)
                .hint(
                    "remove the statement; begin the file with `-- no-transaction` if it cannot run in one",
                ),
        );
    }
    for statement in &script.statements {
        let issue = |message: &str| Issue::new(&script.file, message).at(statement.line);
        match statement.kind.as_str() {
            "discard" | "deallocate" => issues.push(
                issue("the file discards what the runner keeps in its session").hint("remove the statement"),
            ),
            "copy" if statement.sql.to_uppercase().contains("STDIN") => {
                issues.push(issue("`COPY … FROM STDIN` has no input here").hint("use `INSERT`"));
            }
            _ => {}
        }
        if statement.concurrent_index.as_ref().is_some_and(|index| index.name.is_none()) {
            issues.push(
                issue("an index made concurrently has no name, so a half-made one could not be found again")
                    .hint("write `CREATE INDEX CONCURRENTLY name ON …`"),
            );
        }
    }
}

/// What breaks the release that still serves must say when it may run.
fn undeclared(script: &Script, issues: &mut Vec<Issue>) {
    for hazard in hazard::of(script) {
        let message =
            format!("{} may break a release that still serves, and the file declares no stage", hazard.what);
        issues.push(
            Issue::new(&script.file, message)
                .at(hazard.line)
                .hint("add `-- crmctl:stage contract` at the top, or `expand` if no serving release minds"),
        );
    }
}
