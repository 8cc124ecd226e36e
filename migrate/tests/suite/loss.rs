//! That the rows a revert says it would lose are those it loses.

use migrate::{Error, Kind, LossKind, Reason};

use crate::harness::{accepting, rollback_options};
use crate::revert::{leads_and, refusal};

/// The loss of reverting 2, whose way back is `down`, on top of `leads` with rows (1, a), (2, NULL), (3, c).
async fn loss_of(up: &str, down: &str) -> Vec<(LossKind, String, u64)> {
    let world = leads_and("002_more", up, down).await;
    let rows = match world.rollback(2, &rollback_options()).await {
        Ok(reverted) => {
            assert!(reverted.lost.is_empty());
            return Vec::new();
        }
        Err(Error::Refused(refused)) => match &refused.reasons[..] {
            [Reason::Loss { rows, .. }] => *rows,
            _ => panic!("{refused}"),
        },
        Err(error) => panic!("{error}"),
    };
    let short = world.rollback(2, &accepting(rows - 1)).await.unwrap_err();
    assert_eq!(short.kind(), Kind::Refused);
    let lost = world.rollback(2, &accepting(rows)).await.unwrap().lost;
    assert_eq!(lost.iter().map(|l| l.rows).sum::<u64>(), rows);
    lost.into_iter().map(|l| (l.kind, l.table, l.rows)).collect()
}

#[tokio::test]
async fn a_dropped_column_loses_the_rows_that_hold_a_value() {
    let up = "ALTER TABLE leads ADD COLUMN a int, ADD COLUMN b int;\nUPDATE leads SET a = 1 WHERE id = 1;\nUPDATE leads SET b = 2 WHERE id = 3;";
    let down = "ALTER TABLE leads DROP COLUMN a, DROP COLUMN b;";
    assert_eq!(loss_of(up, down).await, [(LossKind::Columns, "public.leads".into(), 2)]);
}

#[tokio::test]
async fn an_unused_column_and_an_empty_table_lose_nothing() {
    let up = "ALTER TABLE leads ADD COLUMN a int;\nCREATE TABLE more (x int);";
    assert!(loss_of(up, "DROP TABLE more;\nALTER TABLE leads DROP COLUMN a;").await.is_empty());
}

#[tokio::test]
async fn dynamic_sql_is_counted_by_what_it_does() {
    let up = "CREATE TABLE \"Mixed Case\" (x int);\nINSERT INTO \"Mixed Case\" VALUES (1), (2);";
    let down = "DO $$ BEGIN EXECUTE 'DROP TABLE ' || quote_ident('Mixed Case'); END $$;";
    assert_eq!(loss_of(up, down).await, [(LossKind::Table, "public.\"Mixed Case\"".into(), 2)]);
}

#[tokio::test]
async fn deleted_rows_are_counted_with_those_that_cascade() {
    let up = "CREATE TABLE calls (lead int REFERENCES leads ON DELETE CASCADE);\nINSERT INTO calls VALUES (1), (1), (3);";
    let world = leads_and("002_calls", up, "DROP TABLE calls;").await;
    world.migration("003_mark", "SELECT 1;", "DELETE FROM leads WHERE id = 1;", "SELECT true;");
    world.apply().await.unwrap();
    let refused = refusal(&world, 3, &rollback_options()).await;
    assert!(
        matches!(&refused.reasons[..], [Reason::Loss { rows: 3, losses, .. }] if losses.len() == 2),
        "{refused}"
    );
    world.rollback(3, &accepting(3)).await.unwrap();
    assert_eq!(world.value("SELECT count(*)::text FROM calls").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn truncated_rows_are_counted_and_rewritten_ones_are_not() {
    assert_eq!(
        loss_of("SELECT 1;", "TRUNCATE leads;").await,
        [(LossKind::Deleted, "public.leads".into(), 3)]
    );
    assert_eq!(
        loss_of("SELECT 1;", "TRUNCATE leads;\nINSERT INTO leads VALUES (8), (9), (10);").await,
        [(LossKind::Deleted, "public.leads".into(), 3)]
    );
    assert!(
        loss_of(
            "-- crmctl:stage contract\nALTER TABLE leads ALTER id TYPE bigint;",
            "ALTER TABLE leads ALTER id TYPE int;"
        )
        .await
        .is_empty()
    );
}

#[tokio::test]
async fn partitions_are_counted_once() {
    let up = "CREATE TABLE log (at int, x text) PARTITION BY RANGE (at);\n\
              CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (0) TO (10);\n\
              CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM (10) TO (20);\n\
              INSERT INTO log VALUES (1, 'a'), (11, 'b'), (12, 'c');";
    assert_eq!(loss_of(up, "DROP TABLE log;").await.iter().map(|l| l.2).sum::<u64>(), 3);
}

#[tokio::test]
async fn row_level_security_hides_no_row_from_the_count() {
    let up = "CREATE TABLE t (x int);\nINSERT INTO t VALUES (1), (2);\n\
              ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;\nCREATE POLICY none ON t USING (false);";
    assert_eq!(loss_of(up, "DROP TABLE t;").await, [(LossKind::Table, "public.t".into(), 2)]);
}

#[tokio::test]
async fn overwritten_values_are_counted_and_need_consent() {
    let changed = |rows| vec![(LossKind::Changed, "public.leads".to_owned(), rows)];
    assert_eq!(loss_of("SELECT 1;", "UPDATE leads SET note = left(note, 0);").await, changed(2));
    // A row that is written and looks as before has lost nothing.
    assert_eq!(loss_of("SELECT 1;", "UPDATE leads SET note = note;").await, []);
    let twice = "UPDATE leads SET note = 'x' WHERE id = 1;\nUPDATE leads SET note = 'y' WHERE id = 1;";
    assert_eq!(loss_of("SELECT 1;", twice).await, changed(1));
    let dynamic = "DO $$ BEGIN EXECUTE 'UPDATE leads SET note = NULL'; END $$;";
    assert_eq!(loss_of("SELECT 1;", dynamic).await, changed(2));
}

#[tokio::test]
async fn values_cut_by_a_narrower_type_are_counted() {
    let up = "INSERT INTO leads VALUES (4, 'a long note');";
    let narrow = "DELETE FROM leads WHERE id = 4 AND false;\nALTER TABLE leads ALTER note TYPE varchar(4) USING left(note, 4);";
    assert_eq!(loss_of(up, narrow).await, [(LossKind::Changed, "public.leads".into(), 1)]);
    // Same type, other values: nothing of the catalog changes.
    let same = "ALTER TABLE leads ALTER note TYPE text USING upper(note);";
    assert_eq!(loss_of("SELECT 1;", same).await, [(LossKind::Changed, "public.leads".into(), 2)]);
    assert_eq!(loss_of("SELECT 1;", "ALTER TABLE leads ALTER note TYPE varchar(4);").await, []);
}

#[tokio::test]
async fn a_value_set_in_a_column_that_goes_is_counted_once() {
    let up = "ALTER TABLE leads ADD COLUMN a int;\nUPDATE leads SET a = 1 WHERE id = 1;";
    let down = "UPDATE leads SET a = 2;\nALTER TABLE leads RENAME note TO text;\nALTER TABLE leads DROP a;";
    assert_eq!(loss_of(up, down).await, [(LossKind::Columns, "public.leads".into(), 1)]);
}

#[tokio::test]
async fn deleted_changed_and_orphaned_rows_are_told_apart() {
    let up = "CREATE TABLE calls (lead int REFERENCES leads ON DELETE SET NULL);\nINSERT INTO calls VALUES (1), (3);";
    let world = leads_and("002_calls", up, "DROP TABLE calls;").await;
    let down = "DELETE FROM leads WHERE id = 1;\nUPDATE leads SET note = 'z' WHERE id = 3;";
    world.migration("003_mark", "SELECT 1;", down, "SELECT true;");
    world.apply().await.unwrap();
    let refused = refusal(&world, 3, &rollback_options()).await;
    insta::assert_snapshot!(refused, @r"
    migration `3` was not reverted, nothing was changed
    3 rows would be lost: 1 of table `public.calls` whose values change, 1 deleted from table `public.leads`, 1 of table `public.leads` whose values change (consent: `--accept-loss 3`)
    ");
    world.rollback(3, &accepting(3)).await.unwrap();
}

#[tokio::test]
async fn a_truncation_hides_behind_no_later_delete() {
    let down = "TRUNCATE leads;\nINSERT INTO leads VALUES (8);\nDELETE FROM leads;";
    assert_eq!(loss_of("SELECT 1;", down).await, [(LossKind::Deleted, "public.leads".into(), 3)]);
}

#[tokio::test]
async fn a_stepwise_way_back_that_overwrites_is_refused_before_it_runs() {
    let down = "-- no-transaction\nUPDATE leads SET note = '';";
    let world = leads_and("002_more", "SELECT 1;", down).await;
    let refused = refusal(&world, 2, &rollback_options()).await;
    assert!(matches!(refused.reasons[..], [Reason::Loss { rows: 3, .. }]), "{refused}");
    world.rollback(2, &accepting(3)).await.unwrap();
}
