//! The journal as its server keeps it: the same chain as every ledger, with two bugs that can be planted.

use std::sync::Arc;

use crate::engine::journal::chain::{self, Tail};
use crate::engine::journal::{Draft, Record};
use crate::engine::ledger::LedgerError;
use crate::testing::simulation::timeline::Pid;

/// Lines, and what they say.
#[derive(Debug)]
pub(crate) struct Journal {
    bytes: Vec<u8>,
    pub records: Arc<Vec<Record>>,
    tail: Tail,
    /// Bytes and records that were there before the simulation.
    before: (usize, usize),
    /// The last record is not durable yet (planted): who wrote it, and what was there before.
    unsafe_tail: Option<(Pid, usize, Tail)>,
    /// An INTENT acknowledged and not yet written (planted).
    held_back: Option<(Pid, Draft, u64)>,
    /// Somebody has put bytes there that are no journal.
    broken: Option<LedgerError>,
}

impl Journal {
    /// Goes on with what is there.
    pub(crate) fn of(bytes: &[u8], records: &Arc<Vec<Record>>) -> Self {
        let last = |line: &[u8]| chain::hash(std::str::from_utf8(line).expect("a journal is text"));
        let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes).rsplit(|byte| *byte == b'\n');
        let tail = match records.last() {
            Some(record) => Tail { seq: record.seq, hash: lines.map(last).next().expect("it has a line") },
            None => Tail::default(),
        };
        let before = (bytes.len(), records.len());
        let records = Arc::clone(records);
        Self {
            bytes: bytes.to_vec(),
            records,
            tail,
            before,
            unsafe_tail: None,
            held_back: None,
            broken: None,
        }
    }

    /// Reads whatever is there.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        match chain::read(bytes) {
            Ok(chain) => Self::of(&bytes[..chain.valid_bytes], &Arc::new(chain.records)),
            Err(error) => Self { broken: Some(error), ..Self::of(&[], &Arc::default()) },
        }
    }

    pub(crate) fn usable(&self) -> Result<(), LedgerError> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn highest_token(&self) -> u64 {
        self.records.iter().map(|record| record.token).max().unwrap_or(0)
    }

    /// Writes a record; with the hash of its line.
    pub(crate) fn append(&mut self, draft: Draft, token: u64) -> (Record, String) {
        if let Some((_, draft, token)) = self.held_back.take() {
            self.write(draft, token);
        }
        self.unsafe_tail = None;
        self.write(draft, token)
    }

    fn write(&mut self, draft: Draft, token: u64) -> (Record, String) {
        let (record, line, tail) = chain::seal(draft, token, &self.tail);
        self.bytes.extend_from_slice(line.as_bytes());
        Arc::make_mut(&mut self.records).push(record.clone());
        self.tail = tail;
        (record, self.tail.hash.clone())
    }

    /// Planted: acknowledges a record and writes it with the next one.
    pub(crate) fn hold_back(&mut self, pid: Pid, draft: Draft, token: u64) -> (Record, String) {
        let (record, _, tail) = chain::seal(draft.clone(), token, &self.tail);
        self.held_back = Some((pid, draft, token));
        (record, tail.hash)
    }

    /// Planted: the record just written is not on the disk yet.
    pub(crate) fn write_carelessly(&mut self, pid: Pid, draft: Draft, token: u64) -> (Record, String) {
        let before = (self.bytes.len(), self.tail.clone());
        let written = self.append(draft, token);
        self.unsafe_tail = Some((pid, before.0, before.1));
        written
    }

    /// A process is dead; what it had not written is gone.
    pub(crate) fn writer_died(&mut self, pid: Pid) {
        self.held_back = self.held_back.take().filter(|(writer, _, _)| *writer != pid);
        if let Some((_, length, tail)) = self.unsafe_tail.take_if(|(writer, _, _)| *writer == pid) {
            self.bytes.truncate(length);
            self.tail = tail;
            Arc::make_mut(&mut self.records).pop();
        }
    }

    /// Verifies every line that was written, as bytes.
    pub(crate) fn verify(&self) -> Result<(), LedgerError> {
        let (bytes, records) = self.before;
        let written = chain::read_on(&self.bytes[bytes..], self.tail_before())?;
        let same = written.records.as_slice() == &self.records[records..];
        let broken = || LedgerError::Broken { line: records, reason: "it says something else".to_owned() };
        if same { Ok(()) } else { Err(broken()) }
    }

    fn tail_before(&self) -> Tail {
        let (_, records) = self.before;
        match records {
            0 => Tail::default(),
            _ => Tail { seq: self.records[records - 1].seq, hash: self.hash_of(records - 1) },
        }
    }

    /// The hash of a record's line, as the next line or the tail has it.
    fn hash_of(&self, index: usize) -> String {
        self.records.get(index + 1).map_or_else(|| self.tail.hash.clone(), |next| next.prev.clone())
    }

    /// The hash of the line that has this number, if it is there.
    pub(crate) fn line(&self, seq: u64) -> Option<String> {
        let index = self.records.iter().rposition(|record| record.seq == seq)?;
        Some(self.hash_of(index))
    }
}
