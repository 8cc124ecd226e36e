//! Bad input of many kinds on every route: it is refused, and it never breaks the server.

use axum::body::Body;
use axum::http::{Request, header};
use crm_backend::permissions;

use crate::harness::{Person, TestApp};

const SEGMENTS: [&str; 8] =
    ["0", "-1", "99999999999999999999", "%00", "%ff", "..%2f..%2fetc", "'%20OR%201=1--", "%F0%9F%92%A9"];
const QUERIES: [&str; 10] = [
    "?",
    "?tenant_id=1&limit=-1",
    "?limit=999999999999999999999",
    "?limit=abc&cursor=%00",
    "?cursor=%F0%28%8C%28",
    "?status=';DROP TABLE leads;--",
    "?a=1&a=1",
    "?=&=",
    "?period_days=0&sort=%0d%0ax-injected:1",
    "?search=%25%25%25%5C",
];
const BODIES: [&str; 10] = [
    "",
    "null",
    "[]",
    "\"text\"",
    "{\"a\":",
    "{\"email\":{\"$ne\":null},\"password\":[]}",
    "{\"email\":\"\\u0000@\\u0000\",\"password\":\"\\u0000\"}",
    "{\"refresh_token\":\"\\ud800\"}",
    "{\"refresh_token\":1e999}",
    "{\"email\":\"a@b\",\"email\":\"c@d\",\"password\":\"x\"}",
];

#[tokio::test]
async fn nothing_that_is_sent_breaks_the_server() {
    let app = TestApp::with(&[
        ("LOGIN_FAILURES_PER_ACCOUNT", "1000"),
        ("LOGIN_FAILURES_PER_ADDRESS", "1000"),
        ("META_APP_SECRET", "a1b2c3d4e5f60718293a4b5c6d7e8f90"),
        ("META_VERIFY_TOKEN", "saludo-saludo-saludo"),
    ])
    .await;
    for permission in permissions(&app.state).0 {
        // A new one per route: a route may end the session.
        let token = app.token(Person::Ceo).await;
        let mut requests = Vec::new();
        let start = || {
            let request = Request::builder().method(permission.method.clone());
            request.header(header::AUTHORIZATION, format!("Bearer {token}"))
        };
        for segment in SEGMENTS {
            let path = replace_parameters(&permission.path, segment);
            requests.push(start().uri(path).body(Body::empty()));
        }
        let path = replace_parameters(&permission.path, "1");
        for query in QUERIES {
            let uri = format!("{path}{}", query.replace(' ', "%20"));
            requests.push(start().uri(uri).body(Body::empty()));
        }
        for body in BODIES {
            let request = start().uri(&path).header(header::CONTENT_TYPE, "application/json");
            requests.push(request.body(Body::from(body)));
        }
        let bytes = vec![0xff_u8; 300];
        requests.push(
            start().uri(&path).header(header::CONTENT_TYPE, "application/json").body(Body::from(bytes)),
        );
        for request in requests {
            let request = request.unwrap();
            let label = format!("{} {}", request.method(), request.uri());
            let answer = app.call(request).await;
            assert!(!answer.status.is_server_error(), "{label}: {} {:?}", answer.status, answer.body);
            assert_eq!(answer.header("x-injected"), "", "{label}");
        }
    }
}

fn replace_parameters(path: &str, with: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { with.to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}
