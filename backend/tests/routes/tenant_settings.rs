//! `GET` and `PUT /admin/core/settings`

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, Person, TestApp};

const PATH: &str = "/admin/core/settings";

/// A CEO at their settings.
struct Ceo {
    app: TestApp,
    token: String,
}

impl Ceo {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let token = app.token(Person::Ceo).await;
        Self { app, token }
    }

    async fn put(&self, body: &Value) -> Answer {
        self.app.json_as(&self.token, Method::PUT, PATH, body).await
    }

    async fn read(&self) -> Value {
        self.app.get_as(&self.token, PATH).await.json()
    }
}

fn usual() -> Value {
    json!({
        "time_zone": "America/Argentina/Buenos_Aires", "currency": "USD", "working_hours": null, "response_target": null,
        "unanswered_seconds": null, "followup": null, "hot_lead": null, "performance_alert": null, "metric_alert": null,
        "second_factor": null, "phone_country": null
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut body = usual();
    body[name] = value;
    body
}

#[tokio::test]
async fn what_is_set_is_told_beside_the_usual_and_null_is_usual_again() {
    let ceo = Ceo::new().await;
    let first = ceo.read().await;
    assert_eq!(first["working_hours"], Value::Null);
    assert_eq!(first["usual"]["working_hours"]["sat"], json!([["09:00", "13:00"]]));
    assert_eq!(first["usual"]["response_target"], json!({"default_minutes": 5, "by_source": {}}));
    assert_eq!(first["usual"]["unanswered_seconds"], json!([3_600, 14_400, 86_400]));
    assert_eq!(first["usual"]["followup"]["new_hours"], 24);

    let mut body = with("working_hours", json!({"mon": [["08:00", "24:00"]]}));
    body["time_zone"] = json!("Europe/Madrid");
    body["currency"] = json!("EUR");
    body["response_target"] = json!({"default_minutes": 10, "by_source": {"REFERRAL": 60}});
    body["unanswered_seconds"] = json!([60, 60, 120]);
    body["followup"] = json!({"new_hours": 12});
    body["hot_lead"] = json!({"high": 2.5});
    body["performance_alert"] = json!({"conversion": 0.2});
    body["metric_alert"] = json!({"at": "07:30"});
    body["second_factor"] = json!("ceo");
    body["phone_country"] = json!("34");
    let answer = ceo.put(&body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let stored = ceo.read().await;
    for (name, value) in body.as_object().unwrap() {
        assert_eq!(&stored[name], value, "{name}");
    }

    assert_eq!(ceo.put(&usual()).await.status, StatusCode::OK);
    let mut again = ceo.read().await;
    again["currency"] = first["currency"].clone();
    again["time_zone"] = first["time_zone"].clone();
    assert_eq!(again, first);
    let noted: Value = sqlx::query_scalar(
        "SELECT details FROM audit_log WHERE action = 'tenant.settings_changed' ORDER BY id LIMIT 1",
    )
    .fetch_one(&ceo.app.database.migrator)
    .await
    .unwrap();
    let changed = noted["changed"].as_object().unwrap();
    assert_eq!(changed.len(), 11, "{changed:?}");
    assert_eq!(changed["second_factor"], json!([null, "ceo"]), "before and after");
}

#[tokio::test]
async fn what_was_got_can_be_put_and_what_is_left_out_is_no_wish() {
    let ceo = Ceo::new().await;
    assert_eq!(ceo.put(&with("second_factor", json!("ceo"))).await.status, StatusCode::OK);
    let mut got = ceo.read().await;
    got["followup"] = json!({"new_hours": 12});
    let answer = ceo.put(&got).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.json(), got);
    let mut short = usual();
    short.as_object_mut().unwrap().remove("second_factor");
    let refused = ceo.put(&short).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
    assert!(refused.json().to_string().contains("second_factor"), "{refused:?}");
    assert_eq!(ceo.read().await, got);
}

#[tokio::test]
async fn keys_of_others_stay_and_nothing_new_is_nothing_noted() {
    let ceo = Ceo::new().await;
    ceo.app.sql("UPDATE tenants SET settings = '{\"seed\": 7, \"followup\": \"soon\"}' WHERE id = 1").await;
    assert_eq!(ceo.read().await["followup"], "soon", "what somebody wrote by hand is shown as it is");
    let body = usual();
    assert_eq!(ceo.put(&body).await.status, StatusCode::OK);
    assert_eq!(ceo.put(&body).await.status, StatusCode::OK);
    let kept = "SELECT count(*) FROM tenants WHERE id = 1 AND settings = '{\"seed\": 7}'";
    assert_eq!(ceo.app.count(kept).await, 1);
    let noted = "SELECT count(*) FROM audit_log WHERE action = 'tenant.settings_changed'";
    assert_eq!(ceo.app.count(noted).await, 1);
}

#[tokio::test]
async fn each_mistake_is_told_by_its_field_and_nothing_is_stored() {
    let ceo = Ceo::new().await;
    let before = ceo.read().await;
    for (name, value, word) in [
        ("time_zone", json!("Mars/Base"), "time zone"),
        ("currency", json!("pesos"), "ISO 4217"),
        ("currency", json!("usd"), "ISO 4217"),
        ("working_hours", json!({"lunes": []}), "lunes"),
        ("working_hours", json!({"mon": [["18:00", "25:00"]]}), "25:00"),
        ("response_target", json!(5), "object"),
        ("response_target", json!({"minutes": 5}), "minutes"),
        ("response_target", json!({"default_minutes": 0}), "from 1 to 10080"),
        ("response_target", json!({"by_source": 5}), "by lead source"),
        ("response_target", json!({"by_source": {"META_ADS": 1.5}}), "META_ADS"),
        ("response_target", json!({"by_source": {"meta_ads": 5}}), "lead source"),
        ("response_target", json!({"by_source": {"\u{0}": 5}}), "lead source"),
        ("hot_lead", json!({"max_age_hours": 99_999_999}), "100000"),
        ("unanswered_seconds", json!([1, 2]), "three"),
        ("unanswered_seconds", json!([3, 2, 1]), "rising"),
        ("unanswered_seconds", json!([0, 2, 3]), "from 1"),
        ("followup", json!([]), "object"),
        ("followup", json!({"hours": 3}), "contacted_hours"),
        ("followup", json!({"new_hours": -1}), "from 0"),
        ("followup", json!({"new_hours": null}), "24"),
        ("hot_lead", json!({"high": "much"}), "number"),
        ("performance_alert", json!({"active": 1.5}), "3"),
        ("metric_alert", json!({"at": "8 am"}), "08:00"),
        ("metric_alert", json!({"at": 8}), "text"),
        ("second_factor", json!("everybody"), "ceo"),
        ("phone_country", json!("+54"), "digits"),
        ("phone_country", json!(54), "digits"),
    ] {
        let answer = ceo.put(&with(name, value.clone())).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name} {value}: {answer:?}");
        let fields = answer.json()["error"]["fields"].clone();
        assert_eq!(fields.as_array().map(Vec::len), Some(1), "{name} {value}: {answer:?}");
        assert_eq!(fields[0]["field"], name, "{value}");
        let message = fields[0]["message"].as_str().unwrap();
        assert!(message.contains(word), "{name} {value}: {message}");
    }
    let mut both = with("time_zone", json!("nowhere"));
    both["currency"] = json!("x");
    assert_eq!(ceo.put(&both).await.json()["error"]["fields"].as_array().map(Vec::len), Some(2));
    let unknown = ceo.put(&with("name", json!("Mía"))).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST, "{unknown:?}");
    assert_eq!(ceo.read().await, before);
}

#[tokio::test]
async fn a_zone_that_only_the_program_knows_is_a_mistake_and_no_failure() {
    let ceo = Ceo::new().await;
    // Stands in for a database with an older list of zones.
    ceo.app.sql(
        "CREATE FUNCTION old_zones() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF NEW.time_zone = 'Europe/Kyiv' THEN RAISE EXCEPTION 'time zone not recognized' USING ERRCODE = '22023'; END IF;
           RETURN NEW; END $$;
         CREATE TRIGGER old_zones BEFORE UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION old_zones()",
    )
    .await;
    let answer = ceo.put(&with("time_zone", json!("Europe/Kyiv"))).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    let message = answer.json()["error"]["fields"][0]["message"].clone();
    assert!(message.as_str().unwrap().contains("database does not know"), "{message}");
}

#[tokio::test]
async fn only_the_ceos_of_a_tenant_see_and_set_it() {
    let ceo = Ceo::new().await;
    for person in [Person::Setter, Person::Closer] {
        let token = ceo.app.token(person).await;
        assert_eq!(ceo.app.get_as(&token, PATH).await.status, StatusCode::FORBIDDEN);
        let refused = ceo.app.json_as(&token, Method::PUT, PATH, &usual()).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(ceo.put(&with("phone_country", json!("54"))).await.status, StatusCode::OK);
    assert_eq!(ceo.app.count("SELECT count(*) FROM tenants WHERE settings ? 'phone_country'").await, 1);
}
