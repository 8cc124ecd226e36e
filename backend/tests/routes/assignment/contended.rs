//! Rules under fire: births, claims and sweeps beside each other give each thing to one person, within the limits.

use axum::http::{Method, StatusCode};
use futures_util::future::join_all;
use serde_json::json;

use super::automatic::{ALWAYS, sweep, with_rule};
use super::path;
use crate::harness::{Answer, Person, TestApp};

/// Each lead has one owner, its log says so once, and its conversation has the same.
async fn assert_whole(app: &TestApp) {
    let double =
        "SELECT count(*) FROM (SELECT lead_id FROM assignment_log GROUP BY 1 HAVING count(*) > 1) twice";
    assert_eq!(app.count(double).await, 0, "one thing was given twice");
    let unlike = "SELECT count(*) FROM leads l
        FULL JOIN (SELECT DISTINCT ON (lead_id) lead_id, to_seller_id FROM assignment_log ORDER BY lead_id, id DESC) a ON a.lead_id = l.id
        WHERE l.assigned_seller_id IS DISTINCT FROM a.to_seller_id";
    assert_eq!(app.count(unlike).await, 0, "the log and the lead disagree");
    let split = "SELECT count(*) FROM conversations c JOIN leads l ON l.id = c.lead_id
                 WHERE c.assigned_seller_id IS DISTINCT FROM l.assigned_seller_id";
    assert_eq!(app.count(split).await, 0, "one person has two owners");
}

#[tokio::test]
async fn twenty_who_write_at_once_are_shared_out_evenly() {
    let (app, _) = with_rule(json!({ "strategy": "round_robin" })).await;
    let writing = (0..20).map(|number| {
        let app = &app;
        async move { app.write_from(&format!("+54911555503{number:02}"), &format!("m{number}"), "Hola").await }
    });
    join_all(writing).await;
    assert_whole(&app).await;
    let shares =
        "SELECT count(*) FROM (SELECT count(*) AS n FROM leads GROUP BY assigned_seller_id) s WHERE n = 10";
    assert_eq!(app.count(shares).await, 2);
}

#[tokio::test]
async fn limits_hold_however_many_come_at_once() {
    for limit in ["max_open", "max_per_day"] {
        let (app, _) = with_rule(json!({ "strategy": "least_open", limit: 3 })).await;
        let writing =
            (0..16).map(|number| {
                let app = &app;
                async move {
                    app.write_from(&format!("+54911555503{number:02}"), &format!("m{number}"), "Hola").await
                }
            });
        join_all(writing).await;
        assert_whole(&app).await;
        assert_eq!(
            app.count("SELECT count(*) FROM leads WHERE assigned_seller_id IS NOT NULL").await,
            6,
            "{limit}"
        );
    }
}

#[tokio::test]
async fn two_at_once_never_give_one_conversation_to_two() {
    let app = TestApp::with_crowd().await;
    app.sql(ALWAYS).await;
    let (ceo, setter, closer) =
        (app.token(Person::Ceo).await, app.token(Person::Setter).await, app.token(Person::Closer).await);
    for round in 0..8 {
        let receipt = app.write_from(&format!("+54911555504{round:02}"), &format!("m{round}"), "Hola").await;
        app.sql("INSERT INTO assignment_rules (tenant_id, name, priority, strategy) VALUES (1, 'Turnos', 1, 'round_robin')
                 ON CONFLICT (tenant_id, name) DO UPDATE SET active = true").await;
        let (assign, auto) = (path(&receipt, "assign"), path(&receipt, "auto-assign"));
        let nothing = json!({});
        let (a, b, c, d) = tokio::join!(
            app.json_as(&setter, Method::POST, &assign, &nothing),
            app.json_as(&closer, Method::POST, &assign, &nothing),
            app.post_as(&ceo, &auto),
            app.post_as(&ceo, &auto),
        );
        let statuses = [a.status, b.status, c.status, d.status];
        let owner: uuid::Uuid =
            sqlx::query_scalar("SELECT assigned_seller_id FROM leads WHERE id = $1::uuid")
                .bind(receipt["lead_id"].as_str().unwrap())
                .fetch_one(&app.database.migrator)
                .await
                .unwrap();
        // A vendedor who claims what a rule gave them in this moment has it; everybody else is told who was first.
        assert!(statuses.contains(&StatusCode::OK), "{statuses:?}");
        for answer in [&a, &b, &c, &d].into_iter().filter(|answer| answer.status != StatusCode::OK) {
            assert_eq!(answer.code(), "already_assigned", "{answer:?}");
            assert_eq!(answer.json()["error"]["details"]["assigned_seller_id"], owner.to_string());
        }
        app.sql("UPDATE assignment_rules SET active = false").await;
    }
    assert_whole(&app).await;
}

#[tokio::test]
async fn sweeps_beside_births_claims_and_endings_stand_in_nobodys_way() {
    let app = TestApp::with_crowd().await;
    app.sql(ALWAYS).await;
    app.sql(
        "INSERT INTO leads (tenant_id, first_name, lead_source) SELECT 1, 'Ana', 'META_ADS' FROM generate_series(1, 60);
         INSERT INTO assignment_rules (tenant_id, name, priority, strategy) VALUES (1, 'Turnos', 1, 'round_robin')",
    )
    .await;
    let (ceo, setter) = (app.token(Person::Ceo).await, app.token(Person::Setter).await);
    let ids: Vec<uuid::Uuid> = sqlx::query_scalar("SELECT id FROM leads ORDER BY random()")
        .fetch_all(&app.database.migrator)
        .await
        .unwrap();
    let births =
        join_all(
            (0..15).map(|number| {
                let app = &app;
                async move {
                    app.write_from(&format!("+54911555505{number:02}"), &format!("m{number}"), "Hola").await
                }
            }),
        );
    let endings = join_all(ids.iter().take(15).map(|id| {
        let lost = json!({ "status": "lost", "reason": "No contesta" });
        let (app, ceo) = (&app, &ceo);
        async move { app.json_as(ceo, Method::PATCH, &format!("/crm/leads/{id}/status"), &lost).await }
    }));
    let claims = join_all(ids.chunks(10).map(|ids| {
        let (app, setter) = (&app, &setter);
        let these = json!({ "lead_ids": ids });
        async move { app.json_as(setter, Method::POST, "/crm/meta/leads/assign", &these).await }
    }));
    let (_, endings, claims, ()) = tokio::join!(births, endings, claims, sweep(&app));
    let bad: Vec<&Answer> =
        endings.iter().chain(&claims).filter(|answer| answer.status != StatusCode::OK).collect();
    assert!(bad.is_empty(), "{bad:?}");
    // What was held by somebody while the sweep passed is found by the next one.
    sweep(&app).await;
    assert_whole(&app).await;
    assert_eq!(
        app.count("SELECT count(*) FROM leads WHERE assigned_seller_id IS NULL AND status = 'new'").await,
        0
    );
}

/// Who comes second finds nobody any more whom the filter means.
#[tokio::test]
async fn leads_of_a_filter_are_given_once_however_many_give_them() {
    let app = TestApp::with_channel().await;
    let ceo = app.token(Person::Ceo).await;
    for _ in 0..3 {
        app.sql("INSERT INTO leads (tenant_id, first_name, lead_source) SELECT 1, 'Ana', 'META_ADS' FROM generate_series(1, 40)")
            .await;
        let giving = [Person::Setter, Person::Closer].map(|seller| {
            let body =
                json!({ "filter": { "unassigned": "true" }, "seller_id": seller.id(), "reassign": true });
            let (app, ceo) = (&app, &ceo);
            async move { app.json_as(ceo, Method::POST, "/crm/meta/leads/assign", &body).await }
        });
        let given: u64 =
            join_all(giving).await.iter().map(|answer| answer.json()["assigned"].as_u64().unwrap()).sum();
        assert_eq!(given, 40);
        assert_whole(&app).await;
    }
}
