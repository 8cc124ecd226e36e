//! The Graph API, as far as leads need it: what is asked, within which time, and what an answer means (`error`). Every
//! call carries the page's token in a header and a proof that we know the application's secret. Stores nothing.

mod error;
mod exchange;

use std::sync::OnceLock;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::notice::{id, moment};
use super::signature;
use crate::settings::MetaSettings;

pub(crate) use error::GraphError;
use exchange::{exchange, told};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Leads or forms in one page of a list.
const PAGE_SIZE: &str = "100";
/// What is asked of a lead; the second list needs no access to advertisements.
const LEAD_FIELDS: [&str; 2] = [
    "id,created_time,ad_id,ad_name,adset_id,adset_name,campaign_id,campaign_name,form_id,is_organic,platform,field_data",
    "id,created_time,form_id,field_data",
];

/// A way to the Graph API.
#[derive(Debug)]
pub(crate) struct Graph {
    base: Url,
    version: String,
    secret: SecretString,
    app_id: Option<String>,
    timeout: Duration,
    /// Made when it is first needed: reading the system's certificates takes its time.
    client: OnceLock<reqwest::Client>,
}

/// One page of a list.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) items: Vec<Value>,
    /// Where the next one begins; none on the last.
    pub(super) after: Option<String>,
}

/// What Meta says of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenInfo {
    /// When it ends; none: never.
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// Whether it carries the permission `leads_retrieval`.
    pub(crate) reads_leads: bool,
}

impl Graph {
    pub(super) fn new(settings: &MetaSettings) -> Self {
        Self {
            base: settings.graph_url.clone(),
            version: settings.graph_version.clone(),
            secret: settings.app_secret.clone(),
            app_id: settings.app_id.clone(),
            timeout: settings.graph_timeout,
            client: OnceLock::new(),
        }
    }

    /// A lead with its answers, as Meta gives it.
    ///
    /// # Errors
    /// [`GraphError`]; [`GraphError::Unreadable`] also when it is another lead than the one asked for.
    pub(super) async fn lead(&self, token: &SecretString, leadgen_id: &str) -> Result<Value, GraphError> {
        let mut answer = self.get(token, leadgen_id, &[("fields", LEAD_FIELDS[0])]).await;
        if matches!(answer, Err(GraphError::Access(_))) {
            answer = self.get(token, leadgen_id, &[("fields", LEAD_FIELDS[1])]).await;
        }
        let answer = answer?;
        match answer.get("id").and_then(id) {
            Some(given) if given == leadgen_id && answer.get("field_data").is_some_and(Value::is_array) => {
                Ok(answer)
            }
            _ => Err(GraphError::Unreadable("it is not the lead that was asked for".to_owned())),
        }
    }

    /// The name of a page that this token belongs to.
    ///
    /// # Errors
    /// [`GraphError`].
    pub(super) async fn page_name(&self, token: &SecretString, page_id: &str) -> Result<String, GraphError> {
        let answer = self.get(token, "me", &[("fields", "id,name")]).await?;
        if answer.get("id").and_then(id).as_deref() != Some(page_id) {
            return Err(GraphError::Access("the token belongs to another page or to a person".to_owned()));
        }
        Ok(answer.get("name").and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// What the token may do and how long.
    ///
    /// # Errors
    /// [`GraphError::Token`] also for one that is not valid any more.
    pub(super) async fn token_info(&self, token: &SecretString) -> Result<TokenInfo, GraphError> {
        // The application asks; without its number the token asks for itself.
        let asker = match &self.app_id {
            Some(app) => SecretString::from(format!("{app}|{}", self.secret.expose_secret())),
            None => token.clone(),
        };
        let answer = self.get(&asker, "debug_token", &[("input_token", token.expose_secret())]).await?;
        let data = answer.get("data").ok_or_else(|| GraphError::Unreadable("it has no `data`".to_owned()))?;
        if data.get("is_valid") == Some(&Value::Bool(false)) {
            return Err(GraphError::Token("190".to_owned()));
        }
        let scopes = data.get("scopes").and_then(Value::as_array);
        Ok(TokenInfo {
            expires_at: data.get("expires_at").and_then(moment_ahead),
            // Who does not say which permissions there are says nothing against this one.
            reads_leads: scopes.is_none_or(|scopes| scopes.iter().any(|scope| scope == "leads_retrieval")),
        })
    }

    /// Whether the page's owner lets us read leads (Leads Access of Meta Business).
    ///
    /// # Errors
    /// [`GraphError`].
    pub(super) async fn gives_leads(&self, token: &SecretString, page_id: &str) -> Result<bool, GraphError> {
        let answer = self.get(token, page_id, &[("fields", "id,has_lead_access")]).await?;
        let access = answer.get("has_lead_access").and_then(|access| access.get("can_access_lead"));
        Ok(access != Some(&Value::Bool(false)))
    }

    /// Whether the page tells this application of its leads.
    ///
    /// # Errors
    /// [`GraphError`].
    pub(super) async fn is_subscribed(
        &self,
        token: &SecretString,
        page_id: &str,
    ) -> Result<bool, GraphError> {
        let path = format!("{page_id}/subscribed_apps");
        let answer = self.get(token, &path, &[("fields", "id,subscribed_fields")]).await?;
        let apps = list(&answer)?;
        let ours = |app: &&Value| match &self.app_id {
            Some(own) => app.get("id").and_then(id).as_ref() == Some(own),
            None => true,
        };
        let fields = apps.iter().filter(ours).filter_map(|app| app.get("subscribed_fields")?.as_array());
        Ok(fields
            .flatten()
            .any(|field| field == "leadgen" || field.get("name").is_some_and(|n| n == "leadgen")))
    }

    /// Makes the page tell this application of its leads.
    ///
    /// # Errors
    /// [`GraphError`].
    pub(super) async fn subscribe(&self, token: &SecretString, page_id: &str) -> Result<(), GraphError> {
        let path = format!("{page_id}/subscribed_apps");
        self.call(Method::POST, token, &path, &[("subscribed_fields", "leadgen")]).await?;
        Ok(())
    }

    /// Forms of a page, `id`, `name` and `status` of each.
    ///
    /// # Errors
    /// [`GraphError`].
    pub(super) async fn forms(
        &self,
        token: &SecretString,
        page_id: &str,
        after: Option<&str>,
    ) -> Result<Page, GraphError> {
        let path = format!("{page_id}/leadgen_forms");
        self.page(token, &path, vec![("fields", "id,name,status")], after).await
    }

    /// Leads of a form sent after `since`, `id` and `created_time` of each.
    ///
    /// # Errors
    /// [`GraphError`].
    pub(super) async fn leads(
        &self,
        token: &SecretString,
        form_id: &str,
        since: DateTime<Utc>,
        after: Option<&str>,
    ) -> Result<Page, GraphError> {
        let filter =
            json!([{ "field": "time_created", "operator": "GREATER_THAN", "value": since.timestamp() }]);
        let filter = filter.to_string();
        let parameters = vec![("fields", "id,created_time"), ("filtering", filter.as_str())];
        self.page(token, &format!("{form_id}/leads"), parameters, after).await
    }

    async fn page(
        &self,
        token: &SecretString,
        path: &str,
        mut parameters: Vec<(&str, &str)>,
        after: Option<&str>,
    ) -> Result<Page, GraphError> {
        parameters.push(("limit", PAGE_SIZE));
        parameters.extend(after.map(|after| ("after", after)));
        let answer = self.get(token, path, &parameters).await?;
        let items = list(&answer)?.clone();
        let paging = answer.get("paging");
        let cursor = paging.and_then(|paging| paging.get("cursors")?.get("after")?.as_str());
        // The last page has a cursor too, but no address of a next one.
        let more = paging.and_then(|paging| paging.get("next")).is_some_and(Value::is_string);
        match cursor {
            _ if !more => Ok(Page { items, after: None }),
            Some(cursor) if Some(cursor) != after => Ok(Page { items, after: Some(cursor.to_owned()) }),
            _ => Err(GraphError::Unreadable("its next page is this one".to_owned())),
        }
    }

    async fn get(
        &self,
        token: &SecretString,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Value, GraphError> {
        self.call(Method::GET, token, path, parameters).await
    }

    async fn call(
        &self,
        method: Method,
        token: &SecretString,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Value, GraphError> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(&self.version).extend(path.split('/'));
        }
        let proof = signature::proof(&self.secret, token.expose_secret());
        url.query_pairs_mut().extend_pairs(parameters).append_pair("appsecret_proof", &proof);
        let request = self.client()?.request(method, url).bearer_auth(token.expose_secret());
        match tokio::time::timeout(self.timeout, exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(GraphError::Away(format!("no answer within {} ms", self.timeout.as_millis()))),
        }
    }

    fn client(&self) -> Result<&reqwest::Client, GraphError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        // Fails when it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder();
        // Through a proxy a plain address would be readable; an encrypted one is not.
        let builder = if self.base.scheme() == "http" { builder.no_proxy() } else { builder };
        let made = builder
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT.min(self.timeout))
            .user_agent(concat!("crm-server/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| GraphError::Away(told(error)))?;
        Ok(self.client.get_or_init(|| made))
    }
}

fn list(answer: &Value) -> Result<&Vec<Value>, GraphError> {
    let items = answer.get("data").and_then(Value::as_array);
    items.ok_or_else(|| GraphError::Unreadable("it has no list `data`".to_owned()))
}

/// A time that may lie ahead; 0 means never.
fn moment_ahead(value: &Value) -> Option<DateTime<Utc>> {
    match value.as_i64() {
        Some(0) | None => moment(value),
        Some(seconds) => DateTime::from_timestamp(seconds, 0),
    }
}
