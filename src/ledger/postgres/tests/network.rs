//! What a network loses: packets, answers, the whole server. What was acknowledged is there, once, in one chain.

use std::os::unix::fs::PermissionsExt;

use tokio::time::sleep;

use super::proxy::{Loss, Proxy};
use super::*;
use crate::ledger::postgres::append::PAUSE;
use crate::platform::process::postgres::PrivatePostgres;
use crate::state_directory::StateDirectory;

/// A holder behind a proxy, with one record written.
async fn holder(shared: &Shared, proxy: &Proxy) -> (PgLedger, Lease) {
    let ledger = PgLedger::new(&shared.dsn_through(proxy.port), "staging").unwrap();
    let lease = ledger.acquire(&claim("run-1")).await.unwrap();
    ledger.append(&lease, draft("first")).await.unwrap();
    (ledger, lease)
}

async fn record_comes_in_once_after(loss: Loss) {
    let shared = Shared::new();
    let proxy = Proxy::before(&shared).await;
    let (ledger, lease) = holder(&shared, &proxy).await;
    proxy.lose(b"doubtful", loss);
    let record = ledger.append(&lease, draft("doubtful")).await.unwrap();
    assert!(proxy.has_lost(), "{loss:?} never happened");
    assert_eq!(record.seq, 2, "{loss:?}");
    ledger.append(&lease, draft("last")).await.unwrap();
    assert_eq!(words(&shared.ledger()).await, ["first", "doubtful", "last"], "{loss:?}");
}

#[tokio::test]
async fn record_whose_answer_was_lost_is_there_once() {
    record_comes_in_once_after(Loss::Answer).await;
}

#[tokio::test]
async fn record_that_was_lost_on_its_way_is_there_once() {
    record_comes_in_once_after(Loss::Packet).await;
}

#[tokio::test]
async fn record_of_a_session_that_fell_silent_is_there_once() {
    record_comes_in_once_after(Loss::Silence).await;
}

#[tokio::test]
async fn lease_whose_answer_was_lost_is_known_as_ones_own() {
    let shared = Shared::new();
    let proxy = Proxy::before(&shared).await;
    let ledger = PgLedger::new(&shared.dsn_through(proxy.port), "staging").unwrap();
    proxy.lose(b"run-unheard", Loss::Answer);
    let lease = ledger.acquire(&claim("run-unheard")).await.unwrap();
    assert!(proxy.has_lost());
    assert_eq!(lease.token, 1, "it was taken twice");
    ledger.renew(&lease).await.unwrap();
    ledger.append(&lease, draft("one")).await.unwrap();
}

#[tokio::test]
async fn lease_that_was_revoked_unheard_is_revoked() {
    let shared = Shared::new();
    let proxy = Proxy::before(&shared).await;
    let (one, lease) = holder(&shared, &proxy).await;
    let two = PgLedger::new(&shared.dsn_through(proxy.port), "staging").unwrap();
    two.holder().await.unwrap();
    proxy.lose(b"run-1", Loss::Answer);
    two.revoke(&lease).await.unwrap();
    assert!(proxy.has_lost());
    assert_eq!(two.holder().await.unwrap(), None);
    assert!(matches!(one.renew(&lease).await, Err(LedgerError::Lost { .. })));
}

#[tokio::test]
async fn record_waits_for_a_server_that_comes_back() {
    let shared = Shared::new();
    let proxy = Proxy::before(&shared).await;
    let (ledger, lease) = holder(&shared, &proxy).await;
    proxy.close();
    let away = ledger.renew(&lease).await.unwrap_err();
    assert!(matches!(away, LedgerError::Away(_)), "{away:?}");
    let (written, ()) = tokio::join!(ledger.append(&lease, draft("second")), async {
        sleep(PAUSE * 5).await;
        proxy.open();
    });
    assert_eq!(written.unwrap().seq, 2);
    ledger.renew(&lease).await.unwrap();
}

#[tokio::test]
async fn record_for_which_no_server_comes_back_is_refused_and_breaks_nothing() {
    let shared = Shared::new();
    let proxy = Proxy::before(&shared).await;
    let (ledger, lease) = holder(&shared, &proxy).await;
    proxy.close();
    let refused = ledger.append(&lease, draft("never")).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Away(_)), "{refused:?}");
    proxy.open();
    ledger.append(&lease, draft("second")).await.unwrap();
    assert_eq!(words(&ledger).await, ["first", "second"]);
}

#[tokio::test]
async fn answer_that_nobody_waited_for_is_taken_for_no_other() {
    let shared = Shared::new();
    let ledger = shared.ledger();
    let lease = ledger.acquire(&claim("run-1")).await.unwrap();
    for n in 0..20_u32 {
        let append = ledger.append(&lease, draft("dropped"));
        let impatient = tokio::time::timeout(Duration::from_micros(u64::from(n) * 100), append).await;
        drop(impatient);
        ledger.renew(&lease).await.unwrap();
        let record = ledger.append(&lease, draft("kept")).await.unwrap();
        let stands = ledger.records().await.unwrap();
        assert_eq!(stands.last(), Some(&record));
    }
    assert_eq!(words(&ledger).await.iter().filter(|word| *word == "kept").count(), 20);
}

#[tokio::test]
async fn lease_outlives_a_restart_of_its_server() {
    let root = tempfile::tempdir().unwrap();
    std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let postgres = PrivatePostgres::new(StateDirectory::new(root.path(), "ledger").unwrap());
    let password = SecretString::from("restart");
    postgres.ensure_running(&password).await.unwrap();
    let dsn = postgres.dsn("postgres", &password, "crmctl_state").unwrap();
    let ledger = PgLedger::new(&dsn, "staging").unwrap();
    let lease = ledger.acquire(&claim("run-1")).await.unwrap();
    ledger.append(&lease, draft("before")).await.unwrap();

    postgres.stop().await.unwrap();
    assert!(matches!(ledger.renew(&lease).await, Err(LedgerError::Away(_) | LedgerError::Storage(_))));
    postgres.ensure_running(&password).await.unwrap();
    ledger.append(&lease, draft("after")).await.unwrap();
    ledger.renew(&lease).await.unwrap();
    let other = PgLedger::new(&dsn, "staging").unwrap();
    assert!(matches!(other.acquire(&claim("run-2")).await, Err(LedgerError::Held(_))));
    assert_eq!(words(&other).await, ["before", "after"]);
    postgres.remove().await.unwrap();
}
