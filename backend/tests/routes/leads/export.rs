//! `GET /crm/leads/export.csv` and `GET /crm/meta/leads/export.csv`

use axum::http::StatusCode;
use serde_json::Value;

use crate::harness::{Person, TestApp};

/// The cells of a file, checked for its form; a reader of its own, written apart from the code under test.
fn cells(body: &[u8]) -> Vec<Vec<String>> {
    let text = std::str::from_utf8(body).unwrap().strip_prefix('\u{feff}').expect("a byte order mark");
    let (mut rows, mut row, mut cell, mut quoted) = (vec![], vec![], String::new(), false);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => cell.push(rest.next().unwrap()),
            '"' => quoted = !quoted,
            ';' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {
                assert_eq!(rest.next(), Some('\n'));
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    assert!(!quoted && row.is_empty() && cell.is_empty(), "the file ends in the middle of a line");
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "lines differ in length");
    rows
}

async fn exported(app: &TestApp, token: &str, path: &str) -> Vec<String> {
    let answer = app.get_as(token, path).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert!(answer.header("content-type").starts_with("text/csv; charset=utf-8"));
    assert!(answer.header("content-disposition").starts_with("attachment; filename=\"leads-"));
    let rows = cells(&answer.body);
    assert_eq!(rows[0][0], "id");
    rows.into_iter().skip(1).map(|row| row[0].clone()).collect()
}

/// Every page of a list.
async fn listed(app: &TestApp, token: &str, list: &str, query: &str) -> Vec<String> {
    let (mut ids, mut cursor) = (vec![], String::new());
    loop {
        let page = app.get_as(token, &format!("{list}?limit=200&{query}{cursor}")).await.json();
        let leads = page["leads"].as_array().unwrap();
        ids.extend(leads.iter().map(|lead| lead["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

/// 1,300 leads of every kind in the first tenant, some in the second.
async fn settled() -> TestApp {
    let app = TestApp::start().await;
    app.sql(
        "INSERT INTO leads (tenant_id, first_name, last_name, phone, email, status, lead_source, source, created_at, status_changed_at,
                            meta_campaign_id, meta_campaign_name, meta_form_id, meta_form_name, is_test, assigned_seller_id)
         SELECT 1, 'Ana' || n % 7, 'Pérez ' || n, '+54911' || lpad(n::text, 8, '0'), 'a' || n || '@example.com',
                (ARRAY['new', 'contacted', 'won', 'lost'])[1 + n % 4], (ARRAY['META_ADS', 'ORGANIC', 'REFERRAL'])[1 + n % 3], 'manual',
                now() - n / 3 * interval '1 hour', now() - n % 50 * interval '1 hour',
                CASE WHEN n % 3 = 0 THEN 'c' || n % 2 END, CASE WHEN n % 3 = 0 THEN 'Campaña ' || n % 2 END,
                CASE WHEN n % 3 = 0 THEN 'f1' END, CASE WHEN n % 3 = 0 THEN 'Formulario' END, n % 97 = 0,
                CASE n % 5 WHEN 0 THEN (SELECT id FROM users WHERE email = 'setter@example.com')
                           WHEN 1 THEN (SELECT id FROM users WHERE email = 'closer@example.com') END
         FROM generate_series(1, 1300) n;
         INSERT INTO leads (tenant_id, first_name, lead_source) SELECT 2, 'Ana', 'META_ADS' FROM generate_series(1, 20);
         UPDATE leads SET merged_into = (SELECT id FROM leads WHERE last_name = 'Pérez 1') WHERE last_name IN ('Pérez 3', 'Pérez 5')",
    )
    .await;
    app
}

#[tokio::test]
async fn a_file_has_the_rows_of_the_list_in_its_order_under_every_filter() {
    let app = settled().await;
    let seller = format!("seller={}", Person::Setter.id());
    let queries = [
        "",
        "status=won",
        "status=new&sort=name",
        "sort=-name",
        "sort=created_at",
        "sort=status_changed_at&search=ana3",
        "sort=-status_changed_at",
        "campaign=c1",
        "form=Formulario&status=contacted",
        "unassigned=true",
        "seller=unassigned&sort=name",
        &seller,
        "created_after=2020-01-01&created_before=2020-02-01",
        "search=%2B54911000001",
        "search=perez%2012",
    ];
    for person in [Person::Ceo, Person::Setter] {
        let token = app.token(person).await;
        for list in ["/crm/leads", "/crm/meta/leads"] {
            for query in queries {
                let expected = listed(&app, &token, list, query).await;
                let found = exported(&app, &token, &format!("{list}/export.csv?{query}")).await;
                assert_eq!(found, expected, "{person:?} {list}?{query}");
            }
        }
    }
    let other = app.token(Person::OtherCeo).await;
    assert_eq!(exported(&app, &other, "/crm/meta/leads/export.csv").await.len(), 20);
    // Each was noted, with what was asked for and not what was looked for.
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'leads.exported'").await, 61);
    let secret =
        "SELECT count(*) FROM audit_log WHERE action = 'leads.exported' AND details::text LIKE '%perez%'";
    assert_eq!(app.count(secret).await, 0);
}

#[tokio::test]
async fn no_cell_is_a_formula_and_every_text_comes_back() {
    let app = TestApp::start().await;
    let names = [
        "=1+1",
        "+54",
        "-2",
        "@SUM(A1)",
        "=HYPERLINK(\"http://x\";\"y\")",
        "Ana; Eva",
        "dice \"hola\"",
        "Ñandú",
        "a=b",
    ];
    for (number, name) in (0_i64..).zip(names) {
        sqlx::query("INSERT INTO leads (tenant_id, first_name, phone, created_at) VALUES (1, $1, $2, now() - make_interval(mins => $3))")
            .bind(name)
            .bind(format!("+549115555010{number}"))
            .bind(i32::try_from(number).unwrap())
            .execute(&app.database.migrator)
            .await
            .unwrap();
    }
    let ceo = app.token(Person::Ceo).await;
    let rows = cells(&app.get_as(&ceo, "/crm/leads/export.csv").await.body);
    let column = |name: &str| rows[0].iter().position(|column| column == name).unwrap();
    for (row, name) in rows[1..].iter().zip(names) {
        let cell = &row[column("first_name")];
        let guarded = cell.strip_prefix('\'').unwrap_or(cell);
        assert_eq!(guarded, name);
        assert_eq!(cell.starts_with('\''), name.starts_with(['=', '+', '-', '@']), "{cell}");
        assert!(row[column("phone")].starts_with("'+549"));
        assert!(row.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r'])));
    }
}

#[tokio::test]
async fn paging_has_no_meaning_and_mistakes_are_named() {
    let app = TestApp::start().await;
    let ceo = app.token(Person::Ceo).await;
    for (query, field) in
        [("limit=5", "limit"), ("cursor=x", "cursor"), ("status=sold", "status"), ("nothing=1", "nothing")]
    {
        let answer = app.get_as(&ceo, &format!("/crm/leads/export.csv?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.json()["error"]["fields"][0]["field"], field);
    }
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'leads.exported'").await, 0);
    let secretary = app.token(Person::Secretary).await;
    assert_eq!(app.get_as(&secretary, "/crm/meta/leads/export.csv").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn twenty_thousand_rows_are_one_moment_and_leave_no_transaction_behind() {
    let app = TestApp::start().await;
    app.sql("INSERT INTO leads (tenant_id, first_name, lead_source, created_at) SELECT 1, 'Ana', 'META_ADS', now() - n * interval '1 second' FROM generate_series(1, 20000) n").await;
    let ceo = app.token(Person::Ceo).await;
    let ids = exported(&app, &ceo, "/crm/meta/leads/export.csv").await;
    assert_eq!(ids.len(), 20_000);
    let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(distinct.len(), 20_000);
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'crm_app' AND xact_start IS NOT NULL";
    crate::harness::eventually("the export's transaction ends", async || app.count(open).await == 0).await;
    let stats: Value = app.get_as(&ceo, "/crm/meta/leads").await.json()["stats"]["total"].clone();
    assert_eq!(stats, 20_000);
}

/// Rows that change while a file is being read are in it as they were.
#[tokio::test]
async fn a_file_is_read_a_piece_at_a_time_out_of_one_moment() {
    use http_body_util::BodyExt;
    let app = settled().await;
    let ceo = app.token(Person::Ceo).await;
    let expected = listed(&app, &ceo, "/crm/leads", "sort=name").await;
    let response = app.open_as(&ceo, "/crm/leads/export.csv?sort=name").await;
    let mut body = response.into_body();
    let mut bytes = body.frame().await.unwrap().unwrap().into_data().unwrap().to_vec();
    let begun = cells(&bytes).len() - 1;
    assert!(begun > 0 && begun < expected.len(), "the first piece has {begun} rows");
    app.sql(
        "DELETE FROM leads WHERE id <> (SELECT merged_into FROM leads WHERE merged_into IS NOT NULL LIMIT 1)",
    )
    .await;
    while let Some(frame) = body.frame().await {
        bytes.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    let found: Vec<String> = cells(&bytes).into_iter().skip(1).map(|row| row[0].clone()).collect();
    assert_eq!(found, expected);
}
