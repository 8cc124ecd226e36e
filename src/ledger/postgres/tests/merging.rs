//! Records that were kept elsewhere come in all or none, each once, whatever is killed on the way.

use super::proxy::Proxy;
use super::*;

/// What another place kept, under tokens of its own.
fn spooled(words: &[&str]) -> Vec<Spooled> {
    let mut tail = Tail::default();
    let seal = |word: &&str| {
        let (record, line, next) = chain::seal(draft(word), 1007, &tail);
        tail = next;
        Spooled { hash: chain::hash(line.trim_end_matches('\n')), record }
    };
    words.iter().map(seal).collect()
}

#[tokio::test]
async fn spooled_records_follow_what_is_there_and_come_in_once() {
    let shared = Shared::new();
    let ledger = shared.ledger();
    let lease = ledger.acquire(&claim("run-1")).await.unwrap();
    ledger.append(&lease, draft("here")).await.unwrap();
    let away = spooled(&["away-1", "away-2", "away-3"]);
    assert_eq!(ledger.take_in(&lease, &away[..2]).await.unwrap(), 2);
    assert_eq!(ledger.take_in(&lease, &away).await.unwrap(), 1);
    assert_eq!(ledger.take_in(&lease, &away).await.unwrap(), 0);
    ledger.append(&lease, draft("later")).await.unwrap();
    assert_eq!(words(&ledger).await, ["here", "away-1", "away-2", "away-3", "later"]);
    let tokens: Vec<u64> = ledger.records().await.unwrap().iter().map(|record| record.token).collect();
    assert_eq!(tokens, [lease.token, 1007, 1007, 1007, lease.token]);
    ledger.release(&lease).await.unwrap();
    assert!(ledger.acquire(&claim("run-2")).await.unwrap().token > 1007);
}

#[tokio::test]
async fn nothing_is_taken_in_on_a_lease_that_has_run_out() {
    let shared = Shared::new();
    let ledger = shared.ledger();
    let lease = ledger.acquire(&claim("run-1")).await.unwrap();
    shared.run_out().await;
    let refused = ledger.take_in(&lease, &spooled(&["away"])).await;
    assert!(matches!(refused, Err(LedgerError::Lost { .. })), "{refused:?}");
    assert_eq!(words(&ledger).await, Vec::<String>::new());
}

#[tokio::test]
async fn killed_at_any_packet_all_or_none_came_in_and_the_next_goes_on() {
    let away = spooled(&["away-1", "away-2"]);
    let database = Shared::new();
    let proxy = Proxy::before(&database).await;
    for reaches in [false, true] {
        for nth in 1.. {
            let shared = database.environment(format!("packet-{nth}-{reaches}"));
            let ledger = PgLedger::new(&shared.dsn_through(proxy.port), shared.name()).unwrap();
            let lease = ledger.acquire(&claim("run-1")).await.unwrap();
            ledger.append(&lease, draft("here")).await.unwrap();
            let through = proxy.kill_at(nth, reaches, ledger.take_in(&lease, &away)).await;
            drop(ledger);
            // The killed one's session may still be at work on what it was sent.
            let next = shared.ledger();
            shared.run_out().await;
            let lease = next.acquire(&claim("run-2")).await.unwrap();
            let left = words(&next).await;
            assert!(matches!(left.len(), 1 | 3), "killed at packet {nth}: {left:?}");
            next.take_in(&lease, &away).await.unwrap();
            assert_eq!(words(&next).await, ["here", "away-1", "away-2"], "killed at packet {nth}");
            if through.is_some() {
                assert!(nth > 5, "only {nth} packets were sent");
                break;
            }
        }
    }
}
