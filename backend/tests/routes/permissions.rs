//! Who may call what: the declared table against the running server, route by route and role by role.

use axum::http::StatusCode;
use crm_backend::permissions;
use crm_backend::policy::{Permission, Policy, Role};

use crate::harness::{Person, TestApp};

fn path_of(permission: &Permission) -> String {
    permission
        .path
        .replace("{task}", "cleanup")
        .replace("{id}", "019b0000-0000-7000-8000-000000000000")
        .replace("{page_id}", "1")
}

#[tokio::test]
async fn the_table_is_what_a_reviewer_agreed_to() {
    let app = TestApp::start().await;
    insta::assert_snapshot!(permissions(&app.state));
}

#[tokio::test]
async fn every_route_admits_whom_it_declares_and_nobody_else() {
    let app = TestApp::start().await;
    let disabled = app.token(Person::Closer).await;
    app.sql("UPDATE users SET status = 'suspended' WHERE email = 'closer@example.com'").await;
    for permission in permissions(&app.state).0 {
        let path = path_of(&permission);
        let send = async |token: &str| app.send_as(token, permission.method.clone(), &path).await.status;
        let label = format!("{} {path}", permission.method);
        let is_guarded = matches!(permission.policy, Policy::Any | Policy::Roles(_) | Policy::Machine);
        if is_guarded {
            let request = axum::http::Request::builder().method(permission.method.clone()).uri(&path);
            let anonymous = app.call(request.body(axum::body::Body::empty()).unwrap()).await;
            assert_eq!(anonymous.status, StatusCode::UNAUTHORIZED, "{label} without a token");
            assert_eq!(send(&disabled).await, StatusCode::UNAUTHORIZED, "{label} as a disabled account");
        }
        for role in [Role::Ceo, Role::Setter, Role::Secretary] {
            // A new one each time: a route may end the session.
            let status = send(&app.token(Person::with(role)).await).await;
            let refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            assert_eq!(refused, !permission.policy.admits(role) && is_guarded, "{label} as {role}: {status}");
        }
    }
}

#[tokio::test]
async fn the_machine_token_is_no_person() {
    let machine = "b7e2d9c4a1f80356";
    let machine = format!("{machine}{machine}-machine");
    let app = TestApp::with(&[("MACHINE_TOKEN", &machine)]).await;
    for path in ["/auth/me", "/scheduled-tasks/status"] {
        assert_eq!(app.get_as(&machine, path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert!(app.get_as(&machine, "/admin/health/db").await.json().get("pool").is_some());
    let almost = machine.replace("machine", "machinE");
    assert_eq!(app.get_as(&almost, "/admin/health/db").await.status, StatusCode::UNAUTHORIZED);
}
