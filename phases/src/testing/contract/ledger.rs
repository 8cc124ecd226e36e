//! What every ledger promises. Use: `phases::ledger_contract!(Stand::new())` in a test module, with the
//! expression giving a fresh [`Stand`] each time.

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::engine::journal::{Actor, Draft, Kind};
use crate::engine::ledger::{Claim, Lease, Ledger};

mod journal;
mod lease;

pub use journal::*;
pub use lease::*;

/// A storage to be tried, with what a test must be able to do to it.
#[async_trait]
pub trait Stand: Send + Sync {
    /// Another operator's handle on the same storage.
    async fn open(&self) -> Box<dyn Ledger>;

    /// The operator's process dies: nothing is given back.
    async fn kill(&self, ledger: Box<dyn Ledger>);

    /// Time passes until the current lease has run out, where time ends leases; `false` where only their holder's end
    /// does.
    async fn run_out(&self) -> bool;

    /// The journal's bytes.
    async fn journal(&self) -> Vec<u8>;

    /// Replaces the journal's bytes, as a crash or a bad disk would.
    async fn set_journal(&self, bytes: &[u8]);
}

/// Makes a test of every promise. Needs tokio in the calling crate.
#[macro_export]
macro_rules! ledger_contract {
    ($stand:expr) => {
        $crate::ledger_contract! { $stand;
            two_claims_exclude_each_other
            lease_given_back_can_be_taken
            dead_holder_is_replaced
            tokens_only_rise
            tokens_go_on_from_what_targets_know
            stale_lease_cannot_write
            revoked_lease_is_lost_to_its_holder
            lease_that_ran_out_is_never_revived
            one_of_many_contenders_gets_the_lease
            records_written_at_once_make_one_chain
            holder_is_seen_by_others
            reading_makes_nothing
            record_is_there_for_others_at_once
            records_survive_their_writer
            torn_last_line_is_dropped_and_overwritten
            flipped_byte_is_found
            swapped_lines_are_found
            missing_line_is_found
        }
    };
    ($stand:expr; $($promise:ident)*) => {
        $(#[tokio::test]
        async fn $promise() {
            $crate::testing::contract::ledger::$promise(&$stand).await;
        })*
    };
}

async fn take(ledger: &dyn Ledger, run: &str) -> Lease {
    ledger.acquire(&claim(run)).await.unwrap()
}

async fn write(ledger: &dyn Ledger, lease: &Lease, n: u32) {
    ledger.append(lease, draft(n)).await.unwrap();
}

fn claim(run: &str) -> Claim {
    Claim { holder: "ana@pc1".to_owned(), run: run.to_owned(), verb: "deploy".to_owned(), above: 0 }
}

fn draft(n: u32) -> Draft {
    Draft {
        run: "run-1".to_owned(),
        step: Some("deploy.shift".to_owned()),
        attempt: 1,
        kind: Kind::Intent,
        observed: Value::Null,
        desired: json!({"n": n, "text": "línea\n"}),
        evidence: Value::Null,
        actor: Actor { user: "ana".to_owned(), host: "pc1".to_owned() },
        at: "2026-11-24T12:03:01Z".to_owned(),
    }
}
