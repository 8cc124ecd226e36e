//! What every ledger promises of its lease.

use futures_util::future::join_all;

use super::{Stand, claim, draft, take, write};
use crate::engine::ledger::{Claim, Lease, LedgerError};

/// While one holds the lease another is refused and told who has it.
pub async fn two_claims_exclude_each_other(stand: &dyn Stand) {
    let (one, two) = (stand.open().await, stand.open().await);
    let lease = take(&*one, "run-1").await;
    match two.acquire(&claim("run-2")).await {
        Err(LedgerError::Held(holder)) => {
            assert_eq!((holder.run.as_str(), holder.token), ("run-1", lease.token));
            assert_eq!(holder.holder, "ana@pc1");
        }
        other => panic!("the second claim got {other:?}"),
    }
    assert!(
        matches!(one.acquire(&claim("run-3")).await, Err(LedgerError::Held(_))),
        "a holder took it twice"
    );
}

/// A lease that was given back is free, and giving back what is lost is no error.
pub async fn lease_given_back_can_be_taken(stand: &dyn Stand) {
    let (one, two) = (stand.open().await, stand.open().await);
    let lease = take(&*one, "run-1").await;
    one.release(&lease).await.unwrap();
    assert_eq!(two.holder().await.unwrap(), None);
    let second = take(&*two, "run-2").await;
    one.release(&lease).await.unwrap();
    two.renew(&second).await.unwrap();
}

/// The lease of a dead process is seen as expired and can be taken.
pub async fn dead_holder_is_replaced(stand: &dyn Stand) {
    let (one, two) = (stand.open().await, stand.open().await);
    take(&*one, "run-1").await;
    stand.kill(one).await;
    let left = two.holder().await.unwrap().expect("the dead one is still named");
    assert!(left.expired, "{left:?}");
    assert_eq!(left.run, "run-1");
    take(&*two, "run-2").await;
}

/// Every lease has a higher token than any before, be they given back, lost or only known to the journal.
pub async fn tokens_only_rise(stand: &dyn Stand) {
    let mut last = 0;
    for round in 0..4 {
        let ledger = stand.open().await;
        let lease = take(&*ledger, "run").await;
        assert!(lease.token > last, "{} after {last}", lease.token);
        last = lease.token;
        if round % 2 == 0 {
            ledger.release(&lease).await.unwrap();
        } else {
            write(&*ledger, &lease, 1).await;
            stand.kill(ledger).await;
        }
    }
}

/// A lease that is not the current one neither writes nor is renewed.
pub async fn stale_lease_cannot_write(stand: &dyn Stand) {
    let (one, two) = (stand.open().await, stand.open().await);
    let stale = take(&*one, "run-1").await;
    one.release(&stale).await.unwrap();
    take(&*two, "run-2").await;
    for ledger in [&one, &two] {
        assert!(matches!(ledger.append(&stale, draft(1)).await, Err(LedgerError::Lost { .. })));
        assert!(matches!(ledger.renew(&stale).await, Err(LedgerError::Lost { .. })));
    }
    assert_eq!(two.records().await.unwrap(), Vec::new());
}

/// A token that a target has seen is never given out again, even by a ledger that knows nothing of it.
pub async fn tokens_go_on_from_what_targets_know(stand: &dyn Stand) {
    let one = stand.open().await;
    let lease = one.acquire(&Claim { above: 41, ..claim("run-1") }).await.unwrap();
    assert!(lease.token > 41, "{}", lease.token);
    one.release(&lease).await.unwrap();
    let next = one.acquire(&Claim { above: 7, ..claim("run-2") }).await.unwrap();
    assert!(next.token > lease.token, "{} after {}", next.token, lease.token);
}

/// A lease can be taken away by who names its run and token; its holder writes nothing more.
pub async fn revoked_lease_is_lost_to_its_holder(stand: &dyn Stand) {
    let (one, two) = (stand.open().await, stand.open().await);
    let lease = take(&*one, "run-1").await;
    let other_run = Lease { run: "run-2".to_owned(), ..lease.clone() };
    let other_token = Lease { token: lease.token + 1, ..lease.clone() };
    for wrong in [other_run, other_token] {
        assert!(matches!(two.revoke(&wrong).await, Err(LedgerError::Lost { .. })), "{wrong:?}");
    }
    one.renew(&lease).await.unwrap();
    two.revoke(&lease).await.unwrap();
    assert_eq!(two.holder().await.unwrap(), None);
    assert!(matches!(two.revoke(&lease).await, Err(LedgerError::Lost { .. })), "revoked twice");
    let next = take(&*two, "run-2").await;
    assert!(next.token > lease.token);
    assert!(matches!(one.append(&lease, draft(1)).await, Err(LedgerError::Lost { .. })));
    assert!(matches!(one.renew(&lease).await, Err(LedgerError::Lost { .. })));
    one.release(&lease).await.unwrap();
    two.append(&next, draft(1)).await.unwrap();
}

/// A lease that has run out is lost for good, although nobody else has taken it.
pub async fn lease_that_ran_out_is_never_revived(stand: &dyn Stand) {
    let (one, two) = (stand.open().await, stand.open().await);
    let lease = take(&*one, "run-1").await;
    one.renew(&lease).await.unwrap();
    if !stand.run_out().await {
        return;
    }
    assert!(matches!(one.renew(&lease).await, Err(LedgerError::Lost { .. })));
    assert!(matches!(one.append(&lease, draft(1)).await, Err(LedgerError::Lost { .. })));
    assert!(two.holder().await.unwrap().is_none_or(|left| left.expired));
    let next = take(&*two, "run-2").await;
    assert!(next.token > lease.token);
    assert!(matches!(one.renew(&lease).await, Err(LedgerError::Lost { .. })));
    assert_eq!(two.records().await.unwrap(), Vec::new());
}

/// Of many who ask at the same moment one gets the lease, and all others are told who.
pub async fn one_of_many_contenders_gets_the_lease(stand: &dyn Stand) {
    let mut contenders = Vec::new();
    for _ in 0..8 {
        contenders.push(stand.open().await);
    }
    let runs: Vec<String> = (0..contenders.len()).map(|n| format!("run-{n}")).collect();
    let asked =
        contenders.iter().zip(&runs).map(|(ledger, run)| async move { ledger.acquire(&claim(run)).await });
    let answers = join_all(asked).await;
    let taken: Vec<&Lease> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    assert_eq!(taken.len(), 1, "{answers:?}");
    for answer in &answers {
        let told = matches!(answer, Err(LedgerError::Held(holder)) if holder.token == taken[0].token);
        assert!(answer.is_ok() || told, "{answer:?}");
    }
}

/// Anybody can ask who holds the lease, and asking neither takes nor frees it.
pub async fn holder_is_seen_by_others(stand: &dyn Stand) {
    let (one, two) = (stand.open().await, stand.open().await);
    let lease = take(&*one, "run-1").await;
    for _ in 0..3 {
        for ledger in [&one, &two] {
            assert_eq!(ledger.holder().await.unwrap(), Some(lease.clone()));
        }
    }
    one.renew(&lease).await.unwrap();
}
