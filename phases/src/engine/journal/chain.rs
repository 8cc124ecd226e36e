//! Records as lines of text: encoding, numbering, hashing, verifying. Every ledger uses these, none has its
//! own. Does not store anything.

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::engine::journal::{Draft, Record, SCHEMA};
use crate::engine::ledger::LedgerError;

/// `prev` of the first record.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Where the next record goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// Number of the last record; 0 before the first.
    pub seq: u64,
    /// Hash of its line; [`GENESIS`] before the first.
    pub hash: String,
}

impl Default for Tail {
    fn default() -> Self {
        Self { seq: 0, hash: GENESIS.to_owned() }
    }
}

/// A verified journal.
#[derive(Debug, Clone, Default)]
pub struct Chain {
    /// Its records in order.
    pub records: Vec<Record>,
    /// Where the next one goes on.
    pub tail: Tail,
    /// Bytes that belong to whole lines; what follows was torn off and never acknowledged.
    pub valid_bytes: usize,
}

/// Numbers and chains a draft. Returns the record, its line (with newline) and the new tail.
pub fn seal(draft: Draft, token: u64, tail: &Tail) -> (Record, String, Tail) {
    let Draft { run, step, attempt, kind, observed, desired, evidence, actor, at } = draft;
    let record = Record {
        schema: SCHEMA,
        seq: tail.seq + 1,
        run,
        token,
        step,
        attempt,
        kind,
        observed,
        desired,
        evidence,
        actor,
        at,
        prev: tail.hash.clone(),
    };
    let line = serde_json::to_string(&record).expect("plain data always has JSON");
    let tail = Tail { seq: record.seq, hash: hash(&line) };
    (record, line + "\n", tail)
}

/// SHA-256 of a line without its newline, hexadecimal.
pub fn hash(line: &str) -> String {
    hex::encode(Sha256::digest(line.as_bytes()))
}

/// Reads and verifies a whole journal. A last line without newline was never acknowledged and is left out.
///
/// # Errors
/// `Broken` when a line does not follow from the one before, `Newer` when a newer crmctl wrote it.
pub fn read(bytes: &[u8]) -> Result<Chain, LedgerError> {
    read_on(bytes, Tail::default())
}

/// Reads and verifies the lines that follow on a part that was verified before.
///
/// # Errors
/// As [`read`]; lines count from the first of these.
pub(crate) fn read_on(bytes: &[u8], tail: Tail) -> Result<Chain, LedgerError> {
    let valid_bytes = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let mut chain = Chain { valid_bytes, tail, ..Chain::default() };
    let lines = bytes[..valid_bytes].split_inclusive(|byte| *byte == b'\n');
    for (index, line) in lines.enumerate() {
        let number = index + 1;
        let broken = |reason: String| LedgerError::Broken { line: number, reason };
        let text = std::str::from_utf8(line).map_err(|error| broken(error.to_string()))?;
        let text = text.trim_end_matches('\n');
        let record = decode(text, number)?;
        follows(&record, &chain.tail).map_err(broken)?;
        chain.tail = Tail { seq: record.seq, hash: hash(text) };
        chain.records.push(record);
    }
    Ok(chain)
}

/// Only what every format has.
#[derive(Deserialize)]
struct Versioned {
    schema: u32,
}

fn decode(text: &str, line: usize) -> Result<Record, LedgerError> {
    let broken = |error: serde_json::Error| LedgerError::Broken { line, reason: error.to_string() };
    let Versioned { schema } = serde_json::from_str(text).map_err(broken)?;
    if schema > SCHEMA {
        return Err(LedgerError::Newer { line, schema, known: SCHEMA });
    }
    serde_json::from_str(text).map_err(broken)
}

fn follows(record: &Record, tail: &Tail) -> Result<(), String> {
    if record.seq != tail.seq + 1 {
        return Err(format!("number {} follows number {}", record.seq, tail.seq));
    }
    if record.prev != tail.hash {
        return Err("it does not carry the hash of the line before".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::engine::journal::{Actor, Kind};

    fn journal(length: usize) -> String {
        let mut tail = Tail::default();
        let mut text = String::new();
        for _ in 0..length {
            let (_, line, next) = seal(draft(), 7, &tail);
            text.push_str(&line);
            tail = next;
        }
        text
    }

    fn draft() -> Draft {
        Draft {
            run: "20261124T120301Z-7f3a".to_owned(),
            step: Some("deploy.shift".to_owned()),
            attempt: 1,
            kind: Kind::Intent,
            observed: Value::Null,
            desired: Value::Null,
            evidence: Value::Null,
            actor: Actor { user: "ana".to_owned(), host: "pc1".to_owned() },
            at: "2026-11-24T12:03:01Z".to_owned(),
        }
    }

    #[test]
    fn line_has_the_fields_of_the_contract_in_order() {
        let (_, line, _) = seal(draft(), 7, &Tail::default());
        assert_eq!(
            line,
            format!(
                r#"{{"schema":1,"seq":1,"run":"20261124T120301Z-7f3a","token":7,"step":"deploy.shift","attempt":1,"kind":"INTENT","observed":null,"desired":null,"evidence":null,"actor":{{"user":"ana","host":"pc1"}},"at":"2026-11-24T12:03:01Z","prev":"{GENESIS}"}}
"#
            )
        );
    }

    #[test]
    fn whole_journal_is_read_back() {
        let text = journal(3);
        let chain = read(text.as_bytes()).unwrap();
        assert_eq!((chain.records.len(), chain.tail.seq, chain.valid_bytes), (3, 3, text.len()));
    }

    #[test]
    fn torn_last_line_is_left_out_wherever_it_is_torn() {
        let text = journal(2);
        let whole = text.find('\n').unwrap() + 1;
        for cut in whole..text.len() {
            let chain = read(&text.as_bytes()[..cut]).unwrap();
            assert_eq!((chain.records.len(), chain.valid_bytes), (1, whole), "cut at {cut}");
        }
    }

    #[test]
    fn changed_line_breaks_the_chain_at_the_next() {
        let text = journal(3).replacen("\"token\":7", "\"token\":8", 1);
        assert!(matches!(read(text.as_bytes()), Err(LedgerError::Broken { line: 2, .. })));
    }

    #[test]
    fn swapped_and_missing_lines_are_found() {
        let text = journal(3);
        let lines: Vec<_> = text.split_inclusive('\n').collect();
        let swapped = [lines[0], lines[2], lines[1]].concat();
        let missing = [lines[0], lines[2]].concat();
        assert!(matches!(read(swapped.as_bytes()), Err(LedgerError::Broken { line: 2, .. })));
        assert!(matches!(read(missing.as_bytes()), Err(LedgerError::Broken { line: 2, .. })));
    }

    #[test]
    fn journal_of_a_newer_crmctl_is_named_as_such() {
        let text = journal(1).replacen("\"schema\":1", "\"schema\":2", 1);
        assert!(matches!(read(text.as_bytes()), Err(LedgerError::Newer { line: 1, schema: 2, known: 1 })));
    }
}
