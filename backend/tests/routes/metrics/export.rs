//! `GET /admin/core/sellers/export.csv`

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::routes::{ok, refresh};
use crate::harness::{Person, TestApp};

/// A cell by the name of its column.
fn cell<'a>(lines: &[Vec<&'a str>], line: usize, column: &str) -> &'a str {
    let place =
        lines[0].iter().position(|name| *name == column).unwrap_or_else(|| panic!("no column `{column}`"));
    lines[line][place]
}

fn lines(text: &str) -> Vec<Vec<&str>> {
    text.trim_start_matches('\u{feff}').lines().map(|line| line.split(';').collect()).collect()
}

#[tokio::test]
async fn the_file_says_what_the_screen_says() {
    let app = TestApp::with_channel().await;
    let (ceo, setter) = (app.token(Person::Ceo).await, app.token(Person::Setter).await);
    refresh(&app, &ceo).await;
    app.sql("UPDATE users SET first_name = '=cmd' WHERE email = 'closer@example.com'").await;
    for (person, phone) in [(Person::Setter, "+5491155550101"), (Person::Closer, "+5491155550102")] {
        let receipt = app.write_from(phone, phone, "Hola").await;
        let path = format!("/crm/conversations/{}/messages", receipt["conversation_id"].as_str().unwrap());
        let reply = json!({ "body": "Buenas", "seen_up_to": receipt["message_id"] });
        let answer = app.json_as(&app.token(person).await, Method::POST, &path, &reply).await;
        assert_eq!(answer.status, StatusCode::CREATED);
    }
    let team = ok(&app, &ceo, "/admin/core/sellers/team/metrics?period_days=7").await;
    let file = app.get_as(&ceo, "/admin/core/sellers/export.csv?period_days=7").await;
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert!(file.header("content-disposition").starts_with("attachment; filename=\"vendedores-20"));
    let text = String::from_utf8(file.body.to_vec()).unwrap();
    assert!(text.starts_with('\u{feff}') && text.ends_with("\r\n"));
    let table = lines(&text);
    let sellers = team["sellers"].as_array().unwrap();
    assert_eq!(table.len(), sellers.len() + 2, "{text}");
    for (line, shown) in (1..).zip(sellers.iter().chain([&json!({ "metrics": team["team"] })])) {
        let of = |pointer: &str| shown["metrics"].pointer(pointer).unwrap().clone();
        for column in ["messages_sent", "assignments", "open_conversations", "unanswered", "active_days"] {
            assert_eq!(cell(&table, line, column), of(&format!("/{column}")).to_string(), "{line} {column}");
        }
        assert_eq!(cell(&table, line, "first_response_n"), of("/first_response/n").to_string());
        assert_eq!(cell(&table, line, "response_rate_24h_of"), of("/response_rate_24h/of").to_string());
        let rate = of("/response_rate_24h/rate").as_f64();
        assert_eq!(cell(&table, line, "response_rate_24h").parse::<f64>().ok(), rate);
    }
    assert!(text.contains("'=cmd Prueba"), "no spreadsheet runs a name: {text}");
    assert_eq!(cell(&table, table.len() - 1, "seller_name"), "TOTAL");

    let own = app.get_as(&setter, "/admin/core/sellers/export.csv").await;
    let own = String::from_utf8(own.body.to_vec()).unwrap();
    assert_eq!(lines(&own).len(), 3, "a vendedor's team is themselves: {own}");
    assert_eq!(cell(&lines(&own), 1, "seller_name"), "Setter Prueba");
    let secretary = app.token(Person::Secretary).await;
    let refused = app.get_as(&secretary, "/admin/core/sellers/export.csv").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    for wrong in ["period_days=0", "period_days=x", "from=2026-13-01", "other=1"] {
        let answer = app.get_as(&ceo, &format!("/admin/core/sellers/export.csv?{wrong}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let noted: Vec<Value> =
        sqlx::query_scalar("SELECT details FROM audit_log WHERE action = 'metrics.exported' ORDER BY id")
            .fetch_all(&app.database.migrator)
            .await
            .unwrap();
    assert_eq!(noted.iter().map(|details| &details["own"]).collect::<Vec<_>>(), [false, true]);
}
