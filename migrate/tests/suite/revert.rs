//! What a revert refuses and which consents it names.

use migrate::{Error, Kind, Reason, Refusal, RollbackOptions};

use crate::harness::{World, accepting, rollback_options};

/// Rolls back, expects a refusal and that nothing has changed.
pub(crate) async fn refusal(world: &World, version: i64, options: &RollbackOptions) -> Refusal {
    let before = world.fingerprint().await;
    let error = world.rollback(version, options).await.expect_err("it should have been refused");
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    assert_eq!(world.fingerprint().await, before);
    assert!(world.lock_is_free().await);
    let Error::Refused(refusal) = error else { panic!("{error}") };
    *refusal
}

/// A revert that everything consentable is consented to.
fn consenting() -> RollbackOptions {
    RollbackOptions { while_serving: true, serving_needs: vec!["abc".into()], ..accepting(1_000_000) }
}

pub(crate) async fn leads_and(stem: &str, up: &str, down: &str) -> World {
    let world = World::new().await;
    world.table("001_leads", "leads").migration(stem, up, down, "SELECT true;");
    world.apply().await.unwrap();
    world
}

#[tokio::test]
async fn both_consents_are_named_at_once_with_the_true_number() {
    let world = World::new().await;
    world.table("016_notifications", "notifications").table("018_meta", "meta");
    world.apply().await.unwrap();
    let options =
        RollbackOptions { serving_needs: vec!["4f5e6a7b8c9d.0123abcd".into()], ..rollback_options() };
    let refused = refusal(&world, 16, &options).await;
    insta::assert_snapshot!(format!("{refused}\nhint: {}", refused.hint().unwrap()), @r"
    migration `16` was not reverted, nothing was changed
    release `4f5e6a7b8c9d.0123abcd` needs it (consent: `--while-serving`)
    3 rows would be lost: 3 of table `public.notifications` (consent: `--accept-loss 3`)
    hint: consent with `--while-serving --accept-loss 3`
    ");
    // One consent is not enough, too small a number neither.
    let some = RollbackOptions { while_serving: true, ..options.clone() };
    assert_eq!(refusal(&world, 16, &some).await.reasons.len(), 1);
    let few = RollbackOptions { accept_loss: Some(2), ..some.clone() };
    assert!(matches!(
        refusal(&world, 16, &few).await.reasons[..],
        [Reason::Loss { rows: 3, accepted: Some(2), .. }]
    ));
    let all = RollbackOptions { accept_loss: Some(3), ..some };
    assert_eq!(world.rollback(16, &all).await.unwrap().lost[0].rows, 3);
    let detail = world
        .value("SELECT detail->>'accept_loss' FROM crmctl.migration_event WHERE kind = 'reverted'")
        .await;
    assert_eq!(detail.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_migration_that_is_not_applied_is_refused() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    assert_eq!(refusal(&world, 1, &consenting()).await.reasons, [Reason::NotApplied { reverted_at: None }]);
    world.apply().await.unwrap();
    world.rollback(1, &accepting(3)).await.unwrap();
    let again = refusal(&world, 1, &consenting()).await;
    assert!(matches!(again.reasons[..], [Reason::NotApplied { reverted_at: Some(_) }]));
    assert!(matches!(refusal(&world, 77, &consenting()).await.reasons[..], [Reason::NotApplied { .. }]));
}

/// A later migration stands on 1 in some way; no consent lifts the refusal, and its number is named.
async fn stands_on_leads(up: &str, down: &str) -> Vec<String> {
    let world = leads_and("002_later", up, down).await;
    let refused = refusal(&world, 1, &consenting()).await;
    let Reason::Dependents { later, .. } = &refused.reasons[0] else { panic!("{refused}") };
    assert_eq!(later.len(), 1, "{refused}");
    assert_eq!(later[0].0, 2);
    assert!(refused.hint().unwrap().contains("revert `2` first"), "{refused}");
    // Newest first is the way.
    world.rollback(2, &consenting()).await.unwrap();
    world.rollback(1, &consenting()).await.unwrap();
    later[0].1.clone()
}

#[tokio::test]
async fn a_foreign_key_of_a_later_migration_is_a_dependent() {
    let objects = stands_on_leads(
        "CREATE TABLE calls (lead int CONSTRAINT calls_lead REFERENCES leads);",
        "DROP TABLE calls;",
    )
    .await;
    assert_eq!(objects, ["constraint calls_lead on public.calls"]);
}

#[tokio::test]
async fn a_view_of_a_later_migration_is_a_dependent() {
    assert_eq!(
        stands_on_leads("CREATE VIEW open AS SELECT id FROM leads;", "DROP VIEW open;").await,
        ["view public.open"]
    );
}

#[tokio::test]
async fn a_column_and_an_index_of_a_later_migration_are_dependents_though_the_server_would_drop_them() {
    let objects = stands_on_leads(
        "ALTER TABLE leads ADD COLUMN rank int;\nCREATE INDEX leads_rank ON leads (rank);",
        "ALTER TABLE leads DROP COLUMN rank;",
    )
    .await;
    assert_eq!(objects, ["column public.leads.rank", "index public.leads_rank"]);
}

#[tokio::test]
async fn a_column_changed_by_a_later_migration_is_a_dependent() {
    // A row without a note is in the way of the constraint: it gets one first.
    let objects = stands_on_leads(
        "-- crmctl:stage contract\nUPDATE leads SET note = '' WHERE note IS NULL;\nALTER TABLE leads ALTER note SET NOT NULL;",
        "ALTER TABLE leads ALTER note DROP NOT NULL;",
    )
    .await;
    assert_eq!(objects, ["column public.leads.note"]);
    let objects = stands_on_leads(
        "-- crmctl:stage contract\nALTER TABLE leads ALTER note TYPE varchar(9);",
        "ALTER TABLE leads ALTER note TYPE text;",
    )
    .await;
    assert_eq!(objects, ["column public.leads.note"]);
}

#[tokio::test]
async fn cascade_in_the_way_back_does_not_hide_dependents() {
    let world = World::new().await;
    world.table("001_leads", "leads").file("001_leads.down.sql", "DROP TABLE leads CASCADE;");
    world.migration(
        "002_calls",
        "CREATE TABLE calls (lead int REFERENCES leads);",
        "DROP TABLE calls;",
        "SELECT true;",
    );
    world.apply().await.unwrap();
    let refused = refusal(&world, 1, &consenting()).await;
    assert!(
        matches!(&refused.reasons[..], [Reason::Dependents { later, .. }] if later[0].0 == 2),
        "{refused}"
    );
}

#[tokio::test]
async fn an_object_made_by_hand_is_a_dependent_too() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    world.sql("CREATE VIEW by_hand AS SELECT id FROM leads").await;
    let refused = refusal(&world, 1, &consenting()).await;
    let Reason::Dependents { later, server } = &refused.reasons[0] else { panic!("{refused}") };
    assert!(later.is_empty() && server.as_deref().unwrap().contains("view by_hand"), "{refused}");
}

#[tokio::test]
async fn a_down_file_that_changed_since_is_refused_and_the_stored_one_runs() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    world.file("001_leads.down.sql", "SELECT 'nothing';");
    let refused = refusal(&world, 1, &consenting()).await;
    assert!(matches!(refused.reasons[..], [Reason::DownDiffers { .. }]), "{refused}");
    // Without files at hand the stored one is enough.
    for file in ["001_leads.up.sql", "001_leads.down.sql", "verify/001_leads.sql"] {
        std::fs::remove_file(world.dir().join(file)).unwrap();
    }
    world.rollback(1, &accepting(3)).await.unwrap();
    assert_eq!(world.value("SELECT to_regclass('leads')::text").await, None);
}

#[tokio::test]
async fn a_stored_way_back_that_was_tampered_with_is_refused() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    world.sql("UPDATE crmctl.migration SET down_sql = 'DROP SCHEMA public CASCADE'").await;
    assert!(matches!(refusal(&world, 1, &rollback_options()).await.reasons[0], Reason::DownDiffers { .. }));
}

#[tokio::test]
async fn an_irreversible_migration_is_refused_with_its_reason() {
    let world = leads_and(
        "002_merge",
        "-- crmctl:irreversible because the old notes are gone\nUPDATE leads SET note = 'x';",
        "SELECT true;",
    )
    .await;
    let refused = refusal(&world, 2, &consenting()).await;
    assert_eq!(refused.reasons, [Reason::Irreversible { because: "the old notes are gone".into() }]);
}

#[tokio::test]
async fn a_way_back_that_leaves_the_table_is_refused() {
    let world = leads_and("002_notes", "CREATE TABLE notes (x int);", "SELECT 'oops';").await;
    let refused = refusal(&world, 2, &consenting()).await;
    assert_eq!(
        refused.reasons,
        [Reason::DownLeaves { objects: vec!["column public.notes.x".into(), "table public.notes".into()] }]
    );
}

#[tokio::test]
async fn a_way_back_that_does_not_run_is_refused_with_its_line() {
    let world = leads_and("002_notes", "CREATE TABLE notes (x int);", "SELECT 1;\nDROP TABLE nots;").await;
    let refused = refusal(&world, 2, &consenting()).await;
    assert!(
        matches!(&refused.reasons[..], [Reason::DownFails(f)] if f.line == 2 && f.sqlstate.as_deref() == Some("42P01")),
        "{refused}"
    );
}

#[tokio::test]
async fn a_long_trial_is_cut_short_when_the_revert_is_refused_anyway() {
    let down = "DO $$ BEGIN PERFORM pg_sleep(20); END $$;\nDROP TABLE notes;";
    let world = leads_and("002_notes", "CREATE TABLE notes (x int);", down).await;
    let serving = RollbackOptions { serving_needs: vec!["abc".into()], ..rollback_options() };
    let refused = refusal(&world, 2, &serving).await;
    assert!(matches!(refused.reasons[..], [Reason::Serving { .. }, Reason::NotMeasured]), "{refused}");
}

#[tokio::test]
async fn a_migration_in_an_older_place_may_be_reverted_when_nothing_stands_on_it() {
    let world = World::new().await;
    world.table("016_notes", "notes").table("017_calls", "calls").table("018_meta", "meta");
    world.apply().await.unwrap();
    world.rollback(16, &accepting(3)).await.unwrap();
    assert_eq!(
        world
            .value("SELECT string_agg(version::text, ',' ORDER BY version) FROM _sqlx_migrations")
            .await
            .as_deref(),
        Some("17,18")
    );
}
