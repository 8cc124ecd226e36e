//! A run that is killed while it brings spooled records to the server loses none and doubles none.

use super::*;

#[tokio::test]
async fn killed_at_any_packet_the_next_run_brings_each_record_once() {
    let database = Shared::new();
    let proxy = Proxy::before(&database).await;
    for reaches in [false, true] {
        for nth in 1.. {
            let shared = database.environment(format!("packet-{nth}-{reaches}"));
            let here = Machine::of(shared.name());
            run(&here.ledger(shared.dsn()), "one").await;
            let away = here.open(Err("away".to_owned()));
            spooled_run(&away, "away-1").await;
            spooled_run(&away, "away-2").await;
            run(&Machine::of(shared.name()).ledger(shared.dsn()), "other").await;

            let killed = here.ledger(shared.dsn_through(proxy.port));
            let through = proxy.kill_at(nth, reaches, killed.acquire(&claim("killed"))).await;
            drop(killed);
            shared.run_out().await;
            let next = here.ledger(shared.dsn());
            let all = ["one", "other", "away-1", "away-2"];
            assert_eq!(words(&next).await, all, "killed at packet {nth} ({reaches})");
            run(&next, "next").await;
            assert_eq!(words(&shared.ledger()).await[..4], all, "killed at packet {nth} ({reaches})");
            assert!(!here.journal().exists());
            assert_eq!(here.copy(), shared.journal().await);
            if through.is_some() {
                assert!(nth > 10, "only {nth} packets were sent");
                break;
            }
        }
    }
}

#[tokio::test]
async fn killed_before_its_copy_is_made_it_goes_on() {
    let (shared, here) = (Shared::new(), Machine::new());
    run(&here.ledger(shared.dsn()), "one").await;
    let before = here.copy();
    spooled_run(&here.open(Err("away".to_owned())), "away").await;
    run(&here.ledger(shared.dsn()), "two").await;
    // All but the last write has happened.
    std::fs::write(here.path().join("copy.ndjson"), before).unwrap();
    run(&here.ledger(shared.dsn()), "three").await;
    assert_eq!(words(&shared.ledger()).await, ["one", "away", "two", "three"]);
    assert_eq!(here.copy(), shared.journal().await);
}

#[tokio::test]
async fn torn_line_of_a_killed_spooled_run_is_left_out() {
    let (shared, here) = (Shared::new(), Machine::new());
    run(&here.ledger(shared.dsn()), "one").await;
    spooled_run(&here.open(Err("away".to_owned())), "away").await;
    let mut bytes = std::fs::read(here.journal()).unwrap();
    bytes.extend_from_slice(b"{\"schema\":1,\"seq\":3,");
    std::fs::write(here.journal(), bytes).unwrap();
    let mut copy = here.copy();
    copy.extend_from_slice(b"{\"sche");
    std::fs::write(here.path().join("copy.ndjson"), copy).unwrap();
    run(&here.ledger(shared.dsn()), "next").await;
    assert_eq!(words(&shared.ledger()).await, ["one", "away", "next"]);
}
