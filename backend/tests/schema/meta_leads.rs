//! `GET /crm/meta/leads`: figures against a recount, filters against plain conditions, pages that visit
//! every row once, and a table of bad input.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use crate::api::{Api, complaints};
use crate::database::{run, with_database};
use crate::rows::seeded_now;

const CEO: &str = "test@staging.com";
/// What a Meta lead of tenant 1 is, written apart from the code under test.
const META: &str = "tenant_id = 1 AND lead_source = 'META_ADS' AND is_test = false AND merged_into IS NULL";

async fn ids(pool: &PgPool, condition: &str, order: &str) -> Vec<String> {
    let sql = format!("SELECT id::text FROM leads WHERE {META} AND ({condition}) ORDER BY {order}");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(pool).await.unwrap()
}

fn ids_of(answer: &Value) -> Vec<String> {
    answer["leads"].as_array().unwrap().iter().map(|lead| lead["id"].as_str().unwrap().to_owned()).collect()
}

/// Follows the cursor to the end.
async fn walk(api: &Api, query: &str) -> Vec<String> {
    let mut all = vec![];
    let mut cursor = String::new();
    loop {
        let answer = api.ok(CEO, &format!("/crm/meta/leads?tenant_id=1&{query}{cursor}")).await;
        all.extend(ids_of(&answer));
        assert!(all.len() < 20_000, "the pages never end");
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn stats_and_total_are_the_recount() {
    with_database(async |database| {
        let pool = seeded_now(database).await;
        let mut api = Api::over(database);
        api.log_in(CEO).await;
        let answer = api.ok(CEO, "/crm/meta/leads?tenant_id=1").await;
        let count = async |condition: &str| i64::try_from(ids(&pool, condition, "id").await.len()).unwrap();
        let (total, won) = (count("true").await, count("status = 'won'").await);
        let expected = json!({
            "total": total,
            "new": count("status = 'new'").await,
            "contacted": count("status = 'contacted'").await,
            "converted": won,
            "today": count("(created_at AT TIME ZONE 'America/Argentina/Buenos_Aires')::date = (now() AT TIME ZONE 'America/Argentina/Buenos_Aires')::date").await,
            "unassigned": count("assigned_seller_id IS NULL").await,
            "conversion_rate": won as f64 / total as f64,
        });
        assert_eq!(answer["stats"], expected);
        assert_eq!(answer["total"], total);
        assert!(expected["today"].as_i64() > Some(0) && expected["unassigned"].as_i64() > Some(0));
        assert_eq!(ids_of(&answer), ids(&pool, "true", "created_at DESC, id DESC LIMIT 50").await);
        let filtered = api.ok(CEO, "/crm/meta/leads?status=won").await;
        assert_eq!((&filtered["stats"], &filtered["total"]), (&expected, &json!(won)));
    })
    .await;
}

#[tokio::test]
async fn empty_tenant_has_no_conversion_rate() {
    with_database(async |database| {
        let pool = seeded_now(database).await;
        run(&mut pool.acquire().await.unwrap(), "TRUNCATE leads CASCADE").await.unwrap();
        let mut api = Api::over(database);
        api.log_in(CEO).await;
        let answer = api.ok(CEO, "/crm/meta/leads").await;
        let stats = json!({ "total": 0, "new": 0, "contacted": 0, "converted": 0, "today": 0, "unassigned": 0, "conversion_rate": null });
        assert_eq!(answer, json!({ "leads": [], "total": 0, "stats": stats, "next_cursor": null }));
    })
    .await;
}

#[tokio::test]
async fn each_filter_lets_through_exactly_its_rows() {
    with_database(async |database| {
        let pool = seeded_now(database).await;
        let mut api = Api::over(database);
        api.log_in(CEO).await;
        let seller: String = sqlx::query_scalar("SELECT id::text FROM users WHERE email = 'vendedor@staging.com'").fetch_one(&pool).await.unwrap();
        run(&mut pool.acquire().await.unwrap(), "UPDATE leads SET first_name = 'José 50%_x', last_name = 'O''Brien \\' WHERE id = (SELECT id FROM leads WHERE tenant_id = 1 AND lead_source = 'META_ADS' AND NOT is_test AND merged_into IS NULL LIMIT 1)").await.unwrap();
        let (campaign, phone): (String, String) = sqlx::query_as(AssertSqlSafe(format!("SELECT meta_campaign_id, phone FROM leads WHERE {META} AND phone IS NOT NULL LIMIT 1"))).fetch_one(&pool).await.unwrap();
        let local = "AT TIME ZONE 'America/Argentina/Buenos_Aires'";
        for (query, condition) in [
            ("status=contacted".to_owned(), "status = 'contacted'".to_owned()),
            (format!("campaign={campaign}"), format!("meta_campaign_id = '{campaign}'")),
            ("campaign=campana+verano+2026".to_owned(), "meta_campaign_name = 'Campaña Verano 2026'".to_owned()),
            ("form=Quiero%20una%20demo".to_owned(), "meta_form_name = 'Quiero una demo'".to_owned()),
            (format!("seller={seller}"), format!("assigned_seller_id = '{seller}'")),
            ("seller=unassigned".to_owned(), "assigned_seller_id IS NULL".to_owned()),
            ("unassigned=true".to_owned(), "assigned_seller_id IS NULL".to_owned()),
            ("unassigned=false".to_owned(), "true".to_owned()),
            ("created_after=2026-01-01T00:00:00Z".to_owned(), "created_at >= '2026-01-01T00:00:00Z'".to_owned()),
            ("created_before=2026-01-01T00%3A00%3A00-03%3A00".to_owned(), "created_at < '2026-01-01T03:00:00Z'".to_owned()),
            ("created_after=2026-11-10&created_before=2026-11-20".to_owned(), format!("(created_at {local})::date >= '2026-11-10' AND (created_at {local})::date < '2026-11-20'")),
            ("search=JOSE".to_owned(), "name_key LIKE '%jose%'".to_owned()),
            ("search=50%25_".to_owned(), "first_name = 'José 50%_x'".to_owned()),
            ("search=o%27brien%20%5C".to_owned(), "last_name LIKE 'O''Brien%'".to_owned()),
            ("search=GMAIL.com".to_owned(), "email LIKE '%gmail.com%'".to_owned()),
            (format!("search={}", phone.replace('+', "%2B")), format!("phone = '{phone}'")),
            ("search=".to_owned(), "true".to_owned()),
            ("search=%25".to_owned(), "first_name LIKE '%\\%%'".to_owned()),
            ("status=new&unassigned=true&search=a".to_owned(), "status = 'new' AND assigned_seller_id IS NULL AND (name_key LIKE '%a%' OR lower(email) LIKE '%a%')".to_owned()),
        ] {
            let expected = ids(&pool, &condition, "created_at DESC, id DESC").await;
            let answer = api.ok(CEO, &format!("/crm/meta/leads?limit=200&{query}")).await;
            assert_eq!(ids_of(&answer), expected, "{query}");
            assert_eq!(answer["total"], expected.len(), "{query}");
        }
    })
    .await;
}

#[tokio::test]
async fn pages_visit_every_row_once_in_every_order() {
    with_database(async |database| {
        let pool = seeded_now(database).await;
        // Equal values in every sorted column: only the id tells these rows apart.
        run(&mut pool.acquire().await.unwrap(), "INSERT INTO leads (tenant_id, lead_source, first_name, created_at, status_changed_at) SELECT 1, 'META_ADS', 'Igual', '2026-11-01 10:00:00.123456+00', '2026-11-02 10:00:00.654321+00' FROM generate_series(1, 37)").await.unwrap();
        let mut api = Api::over(database);
        api.log_in(CEO).await;
        for (sort, order) in [
            ("-created_at", "created_at DESC, id DESC"),
            ("created_at", "created_at, id"),
            ("-status_changed_at", "status_changed_at DESC, id DESC"),
            ("status_changed_at", "status_changed_at, id"),
            ("name", "name_key, id"),
            ("-name", "name_key DESC, id DESC"),
        ] {
            let expected = ids(&pool, "true", order).await;
            for limit in [1, 7, 200] {
                if limit == 1 && sort != "-created_at" {
                    continue;
                }
                let seen = walk(&api, &format!("sort={sort}&limit={limit}")).await;
                assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "{sort} {limit}: a row came twice");
                assert_eq!(seen, expected, "{sort} {limit}");
            }
        }
        let filtered = walk(&api, "search=igual&limit=5&sort=name").await;
        assert_eq!(filtered.len(), 37);
    })
    .await;
}

/// A lead that arrives while somebody pages does not move the rows they have not seen.
#[tokio::test]
async fn new_lead_between_pages_repeats_and_hides_nothing() {
    with_database(async |database| {
        let pool = seeded_now(database).await;
        let mut api = Api::over(database);
        api.log_in(CEO).await;
        let before = ids(&pool, "true", "created_at DESC, id DESC").await;
        let first = api.ok(CEO, "/crm/meta/leads?limit=20").await;
        run(
            &mut pool.acquire().await.unwrap(),
            "INSERT INTO leads (tenant_id, lead_source) VALUES (1, 'META_ADS')",
        )
        .await
        .unwrap();
        let cursor = first["next_cursor"].as_str().unwrap();
        let rest = walk(&api, &format!("limit=200&cursor={cursor}")).await;
        assert_eq!([ids_of(&first), rest].concat(), before);
    })
    .await;
}

#[tokio::test]
async fn total_above_ten_thousand_is_text() {
    with_database(async |database| {
        let pool = seeded_now(database).await;
        let mut db = pool.acquire().await.unwrap();
        let add = |count: i64| format!("INSERT INTO leads (tenant_id, lead_source, first_name) SELECT 1, 'META_ADS', 'Masa' FROM generate_series(1, {count})");
        run(&mut db, &add(10_000)).await.unwrap();
        let mut api = Api::over(database);
        api.log_in(CEO).await;
        assert_eq!(api.ok(CEO, "/crm/meta/leads?search=masa&limit=1").await["total"], 10_000);
        assert_eq!(api.ok(CEO, "/crm/meta/leads?limit=1").await["total"], "10000+");
        run(&mut db, &add(1)).await.unwrap();
        let answer = api.ok(CEO, "/crm/meta/leads?search=masa&limit=1").await;
        assert_eq!(answer["total"], "10000+");
        assert!(answer["stats"]["total"].as_i64() > Some(10_000));
    })
    .await;
}

#[tokio::test]
async fn everybody_who_works_with_leads_sees_own_tenant_only() {
    with_database(async |database| {
        let pool = seeded_now(database).await;
        let mut api = Api::over(database);
        let all = ids(&pool, "true", "created_at DESC, id DESC LIMIT 200").await;
        for email in [CEO, "vendedor@staging.com", "otro@staging.com", "secretaria@staging.com"] {
            api.log_in(email).await;
            assert_eq!(ids_of(&api.ok(email, "/crm/meta/leads?tenant_id=1&limit=200").await), all, "{email}");
        }
        api.log_in("ceo2@staging.com").await;
        let other: BTreeSet<_> =
            ids_of(&api.ok("ceo2@staging.com", "/crm/meta/leads?limit=200").await).into_iter().collect();
        assert!(!other.is_empty() && all.iter().all(|id| !other.contains(id)));
        // Another tenant's vendedor is nobody here.
        let stranger: String =
            sqlx::query_scalar("SELECT id::text FROM users WHERE email = 'vendedor.hogar@staging.com'")
                .fetch_one(&pool)
                .await
                .unwrap();
        assert_eq!(api.ok(CEO, &format!("/crm/meta/leads?seller={stranger}")).await["total"], 0);
        // A cursor of another tenant opens nothing of it.
        let foreign = api.ok("ceo2@staging.com", "/crm/meta/leads?limit=1").await;
        let cursor = foreign["next_cursor"].as_str().unwrap();
        let page = ids_of(&api.ok(CEO, &format!("/crm/meta/leads?cursor={cursor}")).await);
        assert!(page.iter().all(|id| !other.contains(id)));
    })
    .await;
}

#[tokio::test]
async fn bad_input_is_named_field_by_field() {
    with_database(async |database| {
        seeded_now(database).await;
        let mut api = Api::over(database);
        api.log_in(CEO).await;
        let cursor = api.ok(CEO, "/crm/meta/leads?limit=1").await["next_cursor"].as_str().unwrap().to_owned();
        let long = "x".repeat(201);
        let (other_sort, cut, long_search) = (
            format!("sort=name&cursor={cursor}"),
            format!("cursor={}", &cursor[..cursor.len() - 3]),
            format!("search={long}"),
        );
        for (query, fields) in [
            ("status=frozen", &["status"][..]),
            ("status=", &["status"]),
            ("status=new,won", &["status"]),
            ("campaign=", &["campaign"]),
            ("campaign=a%00b", &["campaign"]),
            ("form=%0A", &["form"]),
            ("seller=me", &["seller"]),
            ("seller=018f3f3e-0000-7000-8000-00000000000g", &["seller"]),
            ("unassigned=yes", &["unassigned"]),
            ("seller=018f3f3e-0000-7000-8000-000000000001&unassigned=true", &["unassigned"]),
            ("created_after=yesterday", &["created_after"]),
            ("created_after=2026-02-30", &["created_after"]),
            ("created_before=2026-11-24T10:00:00", &["created_before"]),
            ("created_before=%2B99999-01-01", &["created_before"]),
            ("search=a%00", &["search"]),
            (&long_search, &["search"]),
            ("sort=phone", &["sort"]),
            ("sort=", &["sort"]),
            ("limit=0", &["limit"]),
            ("limit=201", &["limit"]),
            ("limit=-1", &["limit"]),
            ("limit=1.5", &["limit"]),
            ("limit=99999999999999999999", &["limit"]),
            ("limit=", &["limit"]),
            ("cursor=", &["cursor"]),
            ("cursor=abc", &["cursor"]),
            ("cursor=eyJzb3J0IjoiLWNyZWF0ZWRfYXQifQ", &["cursor"]),
            (&cut, &["cursor"]),
            (&other_sort, &["cursor"]),
            ("limit=10&limit=10", &["limit"]),
            ("offset=3", &["offset"]),
            ("status=x&limit=0&sort=y&cursor=z", &["status", "sort", "limit", "cursor"]),
        ] {
            let (status, answer) = api.get(CEO, &format!("/crm/meta/leads?{query}")).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {answer}");
            assert_eq!(answer["error"]["code"], "invalid_request", "{query}");
            assert!(answer["error"]["request_id"].is_string(), "{query}");
            assert_eq!(complaints(&answer), fields, "{query}: {answer}");
        }
    })
    .await;
}
