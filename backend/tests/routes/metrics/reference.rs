//! A thousand histories by dice: the routes say what the reference says, each way in which figures can be had.

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::history::History;
use super::oracle::Expected;
use super::random::Random;
use super::routes::{ok, refresh, token_of};
use crate::harness::TestApp;

/// Asks for the figures of some days and compares them.
async fn compare(app: &TestApp, token: &str, history: &History, random: &mut Random, zone: Option<&str>) {
    let (mut days, query) = random.wish(zone);
    let answer = ok(app, token, &format!("/admin/core/sellers/team/metrics?{query}")).await;
    let now: DateTime<Utc> = answer["computed_at"].as_str().unwrap().parse().unwrap();
    days.today = now.with_timezone(&days.zone).date_naive();
    let expected = history.expect(&days);
    let label = format!("{query} {}", random.label());
    let (team, active_days) = Expected::total(&expected);
    team.assert_is(&answer["team"], active_days, true, &label);
    let nothing = Expected::default();
    let lines = answer["sellers"].as_array().unwrap();
    assert_eq!(lines.len(), history.sellers.len() - 1, "{label}");
    for line in lines {
        let seller: Uuid = line["seller_id"].as_str().unwrap().parse().unwrap();
        let own = expected.get(&Some(seller)).unwrap_or(&nothing);
        own.assert_is(&line["metrics"], own.days(), false, &format!("of {seller} {label}"));
    }
}

/// Histories of one test; `METRICS_HISTORIES` for more.
fn histories() -> u64 {
    std::env::var("METRICS_HISTORIES").map_or(250, |count| count.parse().unwrap())
}

/// Compares each way in which figures are had: from the rows, from the rollups, from the facts.
async fn agree(part: u64) {
    let app = TestApp::start().await;
    for number in 0..histories() {
        let seed = part * 1_000_000 + number;
        let mut random = Random::new(seed, Utc::now());
        let history = random.history(i32::try_from(100 + number).unwrap());
        history.write(&app.database.migrator).await;
        let token = token_of(&app, history.tenant, history.sellers[0], "ceo").await;
        compare(&app, &token, &history, &mut random, None).await;
        assert_eq!(refresh(&app, &token).await["made"], true);
        compare(&app, &token, &history, &mut random, None).await;
        let zone = random.other_zone();
        compare(&app, &token, &history, &mut random, Some(zone)).await;
        let again = refresh(&app, &token).await;
        assert_eq!((&again["made"], &again["differences"]), (&json!(false), &json!(0)), "{}", random.label());
    }
}

#[tokio::test]
async fn figures_are_those_of_the_reference_1() {
    agree(1).await;
}

#[tokio::test]
async fn figures_are_those_of_the_reference_2() {
    agree(2).await;
}

#[tokio::test]
async fn figures_are_those_of_the_reference_3() {
    agree(3).await;
}

#[tokio::test]
async fn figures_are_those_of_the_reference_4() {
    agree(4).await;
}
