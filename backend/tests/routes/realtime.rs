//! Sockets, with the stock client against the real server.

mod client;
mod entry;
mod hearing;
mod wire;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Person, TestApp};
use crate::serve::process::{Release, Stage};

/// A server with sockets, and the same application over the same database to make things happen with.
pub(super) struct Place {
    pub(super) app: TestApp,
    pub(super) stage: Stage,
    pub(super) server: Release,
}

impl Place {
    pub(super) async fn new() -> Self {
        let app = TestApp::with_channel().await;
        let stage = Stage::new(Some(&app.database));
        let server = Self::release(&stage, "aaa");
        server.command("serve");
        Self { app, stage, server }
    }

    /// A server that does nothing by itself: what is heard is what the test did.
    pub(super) fn release(stage: &Stage, name: &str) -> Release {
        let mut command = stage.command(name, 1);
        command.env("ENABLE_SCHEDULED_TASKS", "false");
        stage.release_on(&stage.public, name, command)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.stage.address())
    }

    /// A row of the outbox, as a transaction of the application writes it.
    pub(super) async fn publish(&self, person: Person, number: i64) {
        sqlx::query(
            "INSERT INTO outbox (tenant_id, event, recipient_id, payload) VALUES ($1, 'NEW_MESSAGE', $2, $3)",
        )
        .bind(person.tenant())
        .bind(person.id())
        .bind(json!({ "number": number }))
        .execute(&self.app.database.migrator)
        .await
        .unwrap();
    }

    /// Gives the conversation of a new lead to `seller`, as the CEO.
    pub(super) async fn assign_new_lead(&self, phone: &str, seller: Person) -> Value {
        let receipt = self.app.write_from(phone, phone, "Hola").await;
        let ceo = self.app.token(Person::Ceo).await;
        let conversation = receipt["conversation_id"].as_str().unwrap();
        let path = format!("/admin/core/sellers/conversations/{conversation}/assign");
        let answer = self.app.json_as(&ceo, Method::POST, &path, &json!({ "seller_id": seller.id() })).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        receipt
    }
}
