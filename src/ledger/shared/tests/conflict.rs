//! Memories that say different things are never mixed: the place is named, and nothing is changed.

use super::*;

/// Lets the server forget or change lines, as a restore from an old backup does.
async fn tamper(shared: &Shared, sql: &str) {
    let trigger = |word: &str| format!("ALTER TABLE ledger.record {word} TRIGGER append_only;");
    shared.run(&format!("{} {sql}; {}", trigger("DISABLE"), trigger("ENABLE"))).await;
}

async fn parts_at(ledger: &SharedLedger, place: usize, file: &str) {
    match ledger.acquire(&claim("deploy")).await {
        Err(error @ LedgerError::Parted { line, .. }) => {
            assert_eq!(line, place, "{error}");
            assert!(error.to_string().contains(file), "{error}");
            assert!(error.hint().unwrap().contains(file), "{error:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(ledger.holder().await.unwrap(), None, "a refused run kept the lease");
}

#[tokio::test]
async fn ledger_that_lost_what_it_acknowledged_is_refused_with_the_place() {
    let (shared, here) = (Shared::new(), Machine::new());
    let ledger = here.ledger(shared.dsn());
    for word in ["one", "two", "three"] {
        run(&ledger, word).await;
    }
    tamper(&shared, "DELETE FROM ledger.record WHERE seq = 3").await;
    parts_at(&ledger, 3, "copy.ndjson").await;
    spooled_run(&here.open(Err("away".to_owned())), "away").await;
    let spooled = std::fs::read(here.journal()).unwrap();
    parts_at(&here.ledger(shared.dsn()), 3, "copy.ndjson").await;
    assert_eq!(std::fs::read(here.journal()).unwrap(), spooled);
    assert_eq!(words(&shared.ledger()).await, ["one", "two"], "something was brought in");
}

#[tokio::test]
async fn ledger_that_went_on_from_an_old_backup_is_refused_with_the_place() {
    let (shared, here, elsewhere) = (Shared::new(), Machine::new(), Machine::new());
    let ledger = here.ledger(shared.dsn());
    run(&ledger, "one").await;
    run(&ledger, "two").await;
    tamper(&shared, "DELETE FROM ledger.record WHERE seq = 2").await;
    run(&elsewhere.ledger(shared.dsn()), "other").await;
    parts_at(&ledger, 2, "copy.ndjson").await;
    // The operator decides for the ledger there is.
    std::fs::rename(here.path().join("copy.ndjson"), here.path().join("old.ndjson")).unwrap();
    run(&ledger, "three").await;
    assert_eq!(words(&shared.ledger()).await, ["one", "other", "three"]);
}

#[tokio::test]
async fn two_histories_from_their_first_line_on_are_not_mixed() {
    let (shared, here) = (Shared::new(), Machine::new());
    run(&Machine::new().ledger(shared.dsn()), "there").await;
    spooled_run(&here.open(Err("away".to_owned())), "here").await;
    let ledger = here.ledger(shared.dsn());
    parts_at(&ledger, 1, "journal.ndjson").await;
    assert!(matches!(ledger.records().await, Err(LedgerError::Parted { line: 1, .. })));
    assert_eq!(words(&shared.ledger()).await, ["there"]);
}

#[tokio::test]
async fn broken_spool_is_refused_with_the_place() {
    let (shared, here) = (Shared::new(), Machine::new());
    run(&here.ledger(shared.dsn()), "one").await;
    let away = here.open(Err("away".to_owned()));
    spooled_run(&away, "away-1").await;
    spooled_run(&away, "away-2").await;
    let text = std::fs::read_to_string(here.journal()).unwrap().replace("away-1", "away-9");
    std::fs::write(here.journal(), text).unwrap();
    let refused = here.ledger(shared.dsn()).acquire(&claim("deploy")).await;
    assert!(matches!(refused, Err(LedgerError::Broken { line: 3, .. })), "{refused:?}");
    assert_eq!(words(&shared.ledger()).await, ["one"]);
}
