//! Facts about the throttle, each on both stores: in this process, and on a real Redis.

use super::*;
use crate::settings::RedisSettings;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

fn settings(window: Duration) -> ThrottleSettings {
    ThrottleSettings { per_account: 3, per_address: 5, window }
}

fn in_redis(window: Duration) -> Throttle {
    let url = std::env::var("TEST_REDIS_URL").expect("run make test or scripts/with-services");
    let url = url::Url::parse(&url).unwrap();
    let host = url.host_str().unwrap().to_owned();
    let at = RedisSettings { host, port: url.port().unwrap_or(6379), password: None };
    Throttle::new(settings(window), Some(Arc::new(Redis::lazy(&at).unwrap())))
}

fn both(window: Duration) -> [Throttle; 2] {
    [Throttle::new(settings(window), None), in_redis(window)]
}

fn somebody() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// An address nobody else counts against, from a network for documentation.
fn somewhere() -> IpAddr {
    let bits = uuid::Uuid::new_v4().as_u128();
    IpAddr::V6(std::net::Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | (bits & (u128::MAX >> 32))))
}

async fn fail(throttle: &Throttle, attempt: &Attempt, times: u32) {
    for _ in 0..times {
        throttle.failed(attempt).await;
    }
}

#[tokio::test]
async fn an_account_closes_after_its_failures_and_names_the_wait() {
    for throttle in both(Duration::from_secs(60)) {
        let attempt = throttle.attempt(&somebody(), somewhere());
        fail(&throttle, &attempt, 2).await;
        assert_eq!(throttle.wait_for(&attempt).await, None);
        fail(&throttle, &attempt, 1).await;
        let wait = throttle.wait_for(&attempt).await.unwrap();
        assert!(wait > Duration::from_secs(50) && wait <= Duration::from_secs(60), "{wait:?}");
    }
}

#[tokio::test]
async fn an_address_closes_over_many_accounts() {
    for throttle in both(Duration::from_secs(60)) {
        let address = somewhere();
        for _ in 0..5 {
            fail(&throttle, &throttle.attempt(&somebody(), address), 1).await;
        }
        assert!(throttle.wait_for(&throttle.attempt(&somebody(), address)).await.is_some());
        assert_eq!(throttle.wait_for(&throttle.attempt(&somebody(), somewhere())).await, None);
    }
}

#[tokio::test]
async fn a_success_opens_the_account_but_not_the_address() {
    for throttle in both(Duration::from_secs(60)) {
        let attempt = throttle.attempt(&somebody(), somewhere());
        fail(&throttle, &attempt, 3).await;
        throttle.succeeded(&attempt).await;
        assert_eq!(throttle.wait_for(&attempt).await, None);
        fail(&throttle, &attempt, 2).await;
        assert!(throttle.wait_for(&attempt).await.is_some(), "five failures of the address");
    }
}

#[tokio::test]
async fn a_window_ends() {
    for throttle in both(Duration::from_millis(80)) {
        let attempt = throttle.attempt(&somebody(), somewhere());
        fail(&throttle, &attempt, 3).await;
        let deadline = std::time::Instant::now() + Duration::from_secs(5);
        while throttle.wait_for(&attempt).await.is_some() {
            assert!(std::time::Instant::now() < deadline, "the window never ended");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn without_redis_this_process_counts() {
    let nowhere = RedisSettings { host: "127.0.0.1".to_owned(), port: 1, password: None };
    let redis = Some(Arc::new(Redis::lazy(&nowhere).unwrap()));
    let throttle = Throttle::new(settings(Duration::from_secs(60)), redis);
    let attempt = throttle.attempt(&somebody(), HERE);
    fail(&throttle, &attempt, 3).await;
    assert!(throttle.wait_for(&attempt).await.is_some());
}

#[test]
fn one_ipv6_network_is_one_client() {
    assert_eq!(block("2001:db8:1:2::1".parse().unwrap()), block("2001:db8:1:2:ffff::9".parse().unwrap()));
    assert_eq!(block("::ffff:192.0.2.7".parse().unwrap()), "192.0.2.7");
}
