//! What time alone makes worth telling, over the rows of the demonstration: everything is told once, in reasonable time.

use std::time::{Duration, Instant};

use axum::http::StatusCode;

use crate::api::Api;
use crate::database::with_database;
use crate::rows::seeded_now;

const CEO: &str = "test@staging.com";
const CHECKS: &str = "/notifications/run-checks";

#[tokio::test]
async fn the_demonstration_is_checked_once_and_nothing_is_new_the_second_time() {
    with_database(async |database| {
        seeded_now(database).await;
        let mut api = Api::over(database);
        api.log_in(CEO).await;
        let (status, first) = api.post(CEO, CHECKS).await;
        assert_eq!(status, StatusCode::OK, "{first}");
        let start = Instant::now();
        let (status, second) = api.post(CEO, CHECKS).await;
        assert_eq!((status, second["created"].as_i64()), (StatusCode::OK, Some(0)), "first: {first}");
        // A job of five minutes; a machine that is busy is granted a lot.
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    })
    .await;
}
