//! The fence as it is raised before anybody looks: what it refuses from then on, and what it leaves alone.

use migrate::{ApplyOptions, Error, Event, Fenced, make_fence, raise_fence};

use crate::harness::{Diary, World, apply_options, run};

const TOKEN: &str = "SELECT token::text FROM crmctl.fence";

async fn apply(world: &World, token: i64) -> Result<usize, Error> {
    let options = ApplyOptions { token: Some(token), ..apply_options() };
    let applied = migrate::apply(&world.database(), &world.set(), &options, &migrate::Silent).await?;
    Ok(applied.migrations.len())
}

#[tokio::test]
async fn raised_fence_refuses_an_older_run_and_lets_the_newer_one_work() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    apply(&world, 3).await.unwrap();
    assert_eq!(raise_fence(&world.database(), 7).await.unwrap(), Fenced::Raised);
    assert_eq!(raise_fence(&world.database(), 7).await.unwrap(), Fenced::Raised, "the same one again");
    world.table("002_notes", "notes");
    let before = world.fingerprint().await;
    assert!(matches!(apply(&world, 6).await, Err(Error::FenceLost { token: 6, newest: 7 })));
    assert_eq!(world.fingerprint().await, before);
    assert_eq!(apply(&world, 7).await.unwrap(), 1);
}

#[tokio::test]
async fn fence_is_never_lowered() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    apply(&world, 9).await.unwrap();
    let lower = raise_fence(&world.database(), 8).await;
    assert!(matches!(lower, Err(Error::FenceLost { token: 8, newest: 9 })), "{lower:?}");
    assert_eq!(world.value(TOKEN).await.as_deref(), Some("9"));
}

#[tokio::test]
async fn database_that_was_never_migrated_is_left_alone_unless_a_fence_is_asked_for() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    let before = world.fingerprint().await;
    assert_eq!(raise_fence(&world.database(), 4).await.unwrap(), Fenced::NeverMigrated);
    assert_eq!(world.fingerprint().await, before);
    for _ in 0..2 {
        assert_eq!(make_fence(&world.database(), 4).await.unwrap(), Fenced::Raised);
    }
    assert!(world.lock_is_free().await, "the migration lock was kept");
    assert!(matches!(apply(&world, 3).await, Err(Error::FenceLost { token: 3, newest: 4 })));
    assert_eq!(apply(&world, 4).await.unwrap(), 1);
}

#[tokio::test]
async fn change_in_hand_is_told_with_its_session_and_fenced_once_it_is_over() {
    let world = World::new().await;
    world.table("001_gate", "gate");
    apply(&world, 1).await.unwrap();
    world.migration(
        "002_gated",
        "LOCK TABLE gate IN ACCESS EXCLUSIVE MODE;\nSELECT pg_sleep(600);",
        "SELECT 1;",
        "SELECT true;",
    );
    let (set, diary, database) = (world.set(), Diary::default(), world.database_of("first"));
    let options = ApplyOptions { token: Some(2), ..apply_options() };
    let first = migrate::apply(&database, &set, &options, &diary);
    let newer = async {
        diary.until("the first run works", |e| matches!(e, Event::Started { version: 2, .. })).await;
        let sleeps = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                      AND application_name = 'crmctl/first' AND wait_event = 'PgSleep')";
        world.until("its transaction is in hand", sleeps).await;
        let busy = raise_fence(&world.database_of("second"), 5).await.unwrap();
        let Fenced::Busy { holder: Some(holder) } = busy else { panic!("it should be busy: {busy:?}") };
        assert_eq!(holder.application, "crmctl/first");
        let mut hand = world.session("hand").await;
        run(&mut hand, &format!("SELECT pg_terminate_backend({})", holder.pid)).await;
    };
    let (first, ()) = tokio::join!(first, newer);
    first.unwrap_err();
    assert_eq!(raise_fence(&world.database(), 5).await.unwrap(), Fenced::Raised);
}
