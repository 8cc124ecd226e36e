//! Apply, look, take back, look, apply again, look.

use migrate::{Event, Scope, State};
use sqlx::Connection;

use crate::harness::{Diary, World, accepting, apply_options};

fn states(status: &migrate::Status) -> Vec<(i64, State)> {
    status.migrations.iter().map(|m| (m.version, m.state)).collect()
}

#[tokio::test]
async fn status_of_an_untouched_database_creates_nothing() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    let before = world.fingerprint().await;
    let status = world.status().await;
    assert_eq!((status.latest, states(&status)), (None, vec![(1, State::Pending)]));
    assert!(status.drift.is_empty());
    let plan = migrate::plan(&world.database(), &world.set(), Scope::All).await.unwrap();
    assert_eq!(plan.migrations[0].statements.len(), 2);
    assert_eq!(plan.migrations[0].statements[1].line, 2);
    assert_eq!(world.fingerprint().await, before);
}

#[tokio::test]
async fn a_migration_goes_forth_and_back_and_forth_again() {
    let world = World::new().await;
    world.table("001_leads", "leads").table("016_notes", "notes").table("018_meta", "meta");
    let applied = world.apply().await.unwrap();
    assert_eq!(applied.migrations.iter().map(|m| m.version).collect::<Vec<_>>(), [1, 16, 18]);
    assert_eq!((applied.latest, applied.token), (Some(18), 1));

    let reverted = world.rollback(16, &accepting(3)).await.unwrap();
    assert_eq!((reverted.latest, reverted.lost[0].rows), (Some(18), 3));
    assert_eq!(world.value("SELECT to_regclass('notes')::text").await, None);
    let status = world.status().await;
    assert_eq!(states(&status), [(1, State::Applied), (16, State::Reverted), (18, State::Applied)]);
    assert!(
        status.drift.is_empty(),
        "a reverted migration may come back after newer ones: {:?}",
        status.drift
    );

    let applied = world.apply().await.unwrap();
    assert_eq!(applied.migrations.iter().map(|m| m.version).collect::<Vec<_>>(), [16]);
    let status = world.status().await;
    assert_eq!(status.latest, Some(18));
    assert!(states(&status).iter().all(|(_, state)| *state == State::Applied));
    assert!(world.apply().await.unwrap().migrations.is_empty());
    let kinds = world
        .value("SELECT string_agg(version || ' ' || kind, ', ' ORDER BY id) FROM crmctl.migration_event")
        .await;
    assert_eq!(kinds.as_deref(), Some("1 applied, 16 applied, 18 applied, 16 reverted, 16 applied"));
}

#[tokio::test]
async fn status_has_the_shape_of_the_contract() {
    let world = World::new().await;
    world.table("016_notifications", "notifications").table("018_meta", "meta");
    let mut options = apply_options();
    options.scope = Scope::UpTo(16);
    migrate::apply(&world.database(), &world.set(), &options, &migrate::Silent).await.unwrap();
    insta::assert_json_snapshot!(world.status().await, {
        ".migrations[0].applied_at" => insta::dynamic_redaction(|value, _| {
            let at = value.as_str().unwrap().to_owned();
            assert!(at.ends_with('Z') && at.contains('T'), "{at}");
            "[at]"
        }),
        ".migrations[].checksum" => insta::dynamic_redaction(|value, _| {
            assert_eq!(value.as_str().unwrap().len(), 96);
            "[sha384]"
        }),
    }, @r#"
    {
      "latest": 16,
      "migrations": [
        {
          "version": 16,
          "name": "notifications",
          "state": "applied",
          "applied_at": "[at]",
          "checksum": "[sha384]"
        },
        {
          "version": 18,
          "name": "meta",
          "state": "pending",
          "applied_at": null,
          "checksum": "[sha384]"
        }
      ],
      "drift": []
    }
    "#);
}

#[tokio::test]
async fn a_plan_pins_what_would_run() {
    let world = World::new().await;
    world.table("001_leads", "leads").table("002_notes", "notes");
    let plan = |scope| async move { migrate::plan(&world.database(), &world.set(), scope).await.unwrap() };
    let all = plan(Scope::All).await;
    assert_eq!(all.migrations.len(), 2);
    let world = World::new().await;
    world.table("001_leads", "leads").table("002_notes", "other");
    let other = migrate::plan(&world.database(), &world.set(), Scope::All).await.unwrap();
    assert_ne!(all.hash, other.hash);
    world.migration("003_drop", "-- crmctl:stage contract\nDROP TABLE leads;", "SELECT 1;", "SELECT true;");
    let before = migrate::plan(&world.database(), &world.set(), Scope::BeforeContract).await.unwrap();
    assert_eq!(before.migrations.len(), 2);
    let unknown = migrate::plan(&world.database(), &world.set(), Scope::UpTo(9)).await;
    assert!(matches!(unknown, Err(migrate::Error::UnknownVersion(9))));
}

#[tokio::test]
async fn every_column_of_the_history_is_explained_and_events_are_only_added() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    let silent = "SELECT count(*)::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                  WHERE c.relnamespace = 'crmctl'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
                    AND col_description(c.oid, a.attnum) IS NULL";
    assert_eq!(world.value(silent).await.as_deref(), Some("0"));
    let mut conn = world.session("hand").await;
    for sql in [
        "DELETE FROM crmctl.migration_event",
        "UPDATE crmctl.migration_event SET actor = 'x'",
        "TRUNCATE crmctl.migration_event",
    ] {
        let error = sqlx::raw_sql(sql).execute(&mut conn).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
}

#[tokio::test]
async fn the_history_names_who_and_keeps_the_way_back() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    world.apply().await.unwrap();
    let record = world.value("SELECT concat_ws('|', run, actor, host, down_sql, array_to_string(created, ',')) FROM crmctl.migration").await;
    assert_eq!(
        record.as_deref(),
        Some(
            "20261124T120000Z-test|ana|pc1|DROP TABLE leads;|column public.leads.id,column public.leads.note,\
             constraint leads_pkey on public.leads,index public.leads_pkey,table public.leads"
        )
    );
}

#[tokio::test]
async fn sqlx_finds_nothing_to_do_after_us() {
    let world = World::new().await;
    world.table("001_leads", "leads").table("016_notes", "notes");
    world.apply().await.unwrap();
    let before = world.fingerprint().await;
    let mut conn = world.session("app").await;
    sqlx::migrate::Migrator::new(world.dir()).await.unwrap().run(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    assert_eq!(world.fingerprint().await, before);
    let shape = "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull, ', ' ORDER BY attnum)
                 FROM pg_attribute WHERE attrelid = '_sqlx_migrations'::regclass AND attnum > 0";
    let ours = world.value(shape).await;
    world.sql("ALTER TABLE _sqlx_migrations RENAME TO ours").await;
    let mut conn = world.session("app").await;
    // Its own table, made by its own code, has the same shape.
    sqlx::migrate::Migrate::ensure_migrations_table(&mut conn, "_sqlx_migrations").await.unwrap();
    assert_eq!(world.value(shape).await, ours);
}

#[tokio::test]
async fn what_sqlx_applied_is_adopted_and_gets_a_way_back() {
    let world = World::new().await;
    world.table("001_leads", "leads");
    let mut conn = world.session("app").await;
    sqlx::migrate::Migrator::new(world.dir()).await.unwrap().run(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    assert_eq!(states(&world.status().await), [(1, State::Applied)]);
    world.table("002_notes", "notes");
    let applied = world.apply().await.unwrap();
    assert_eq!(applied.migrations.len(), 1);
    world.rollback(1, &accepting(3)).await.unwrap();
    assert_eq!(world.value("SELECT to_regclass('leads')::text").await, None);
}

#[tokio::test]
async fn settings_of_one_file_do_not_reach_the_next() {
    let world = World::new().await;
    world
        .migration(
            "001_dump",
            "SELECT set_config('search_path', '', false);\nSET row_security = on;\nCREATE TABLE public.a (x int);",
            "DROP TABLE a;",
            "SELECT x FROM a;",
        )
        .table("002_leads", "leads");
    let diary = Diary::default();
    migrate::apply(&world.database(), &world.set(), &apply_options(), &diary).await.unwrap();
    assert_eq!(world.value("SELECT to_regclass('public.leads')::text").await.as_deref(), Some("leads"));
    assert!(diary.events().iter().any(|e| matches!(e, Event::Applied { version: 2, .. })));
}

#[tokio::test]
async fn the_last_word_of_a_verification_is_never_committed() {
    let world = World::new().await;
    world.migration(
        "001_leads",
        "CREATE TABLE leads (id int);",
        "DROP TABLE leads;",
        "INSERT INTO leads VALUES (7);\nSELECT count(*) = 1 FROM leads;",
    );
    world.apply().await.unwrap();
    assert_eq!(world.value("SELECT count(*)::text FROM leads").await.as_deref(), Some("0"));
}
