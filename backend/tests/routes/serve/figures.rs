//! `METRICS_BIND`: what Prometheus reads.

use std::net::{SocketAddr, TcpListener};

use super::client::{get, tcp, try_tcp};
use super::process::{Stage, until};
use crate::harness::TestApp;

/// An address that was free a moment ago.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn figures(address: SocketAddr) -> String {
    let reply = until("the listener answers", || {
        let mut connection = try_tcp(address).ok()?;
        connection.ask(&get("/metrics")).ok()
    });
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("text/plain; version=0.0.4; charset=utf-8"))
    );
    String::from_utf8(reply.body).unwrap()
}

fn value(figures: &str, name: &str) -> f64 {
    let line =
        figures.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {figures}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_read_where_no_user_is_and_name_templates_only() {
    let app = TestApp::start().await;
    let stage = Stage::new(Some(&app.database));
    let address = free();
    let mut command = stage.command("aaa", 0);
    command.env("METRICS_BIND", address.to_string());
    let release = stage.release_on(&stage.public, "aaa", command);
    release.command("serve");
    for path in ["/health", "/health", "/crm/leads/019b0000-0000-7000-8000-000000000000", "/nowhere/secret"] {
        let mut connection = tcp(stage.address());
        connection.ask(&get(path)).unwrap();
    }
    let read = figures(address);
    let count = "crm_http_request_duration_seconds_count";
    assert_eq!(value(&read, &format!("{count}{{method=\"GET\",route=\"/health\",status=\"200\"}}")), 2.0);
    assert_eq!(
        value(&read, &format!("{count}{{method=\"GET\",route=\"/crm/leads/{{id}}\",status=\"401\"}}")),
        1.0
    );
    assert_eq!(value(&read, &format!("{count}{{method=\"none\",route=\"none\",status=\"404\"}}")), 1.0);
    assert!(!read.contains("019b0000") && !read.contains("secret"), "{read}");
    assert_eq!(value(&read, "crm_database_connections{state=\"max\"}"), 10.0);
    assert_eq!(value(&read, "crm_sockets"), 0.0);
    assert_eq!(value(&read, "crm_release_info{"), 1.0);
    for family in ["crm_outbox_told_total", "crm_outbox_lag_seconds", "crm_job_late{job=\"cleanup\"}"] {
        value(&read, family);
    }
    let mut public = tcp(stage.address());
    assert_eq!(public.ask(&get("/metrics")).unwrap().status, 404, "users do not reach it");
    let mut other = tcp(address);
    assert_eq!(other.ask(&get("/health")).unwrap().status, 404, "and nothing else is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_release_waits_for_the_address_and_serves_meanwhile() {
    let app = TestApp::start().await;
    let stage = Stage::new(Some(&app.database));
    let address = free();
    let release = |name: &str| {
        let mut command = stage.command(name, 0);
        command.env("METRICS_BIND", address.to_string());
        let release = stage.release_on(&stage.public, name, command);
        release.command("serve");
        release
    };
    let mut old = release("aaa");
    assert!(figures(address).contains("release=\"aaa\""));
    let _new = release("bbb");
    old.command("drain");
    assert!(old.ending().success());
    until("the new one has it", || figures(address).contains("release=\"bbb\"").then_some(()));
}
