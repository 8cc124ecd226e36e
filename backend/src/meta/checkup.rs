//! Whether a page can give us its leads: token, permission, access, subscription. Asked before a form is read, since a
//! form that may not be read can look like a form without leads. Stores nothing.

use secrecy::SecretString;

use super::graph::TokenInfo;
use super::{GraphError, Meta};

/// What a look at a page gave.
#[derive(Debug, Clone)]
pub(super) struct Health {
    /// Why its leads cannot be read; none: they can.
    pub(super) refusal: Option<GraphError>,
    /// What Meta says of the token, where it says anything.
    pub(super) token: Option<TokenInfo>,
    /// Whether the page tells us of its leads.
    pub(super) is_subscribed: bool,
}

impl Health {
    /// The word for it in `meta_pages.status`.
    pub(super) fn status(&self) -> &'static str {
        match &self.refusal {
            Some(GraphError::Token(_)) => "token_expired",
            Some(_) => "access_revoked",
            None if !self.is_subscribed => "unsubscribed",
            None => "active",
        }
    }

    /// The sentence for it.
    pub(super) fn problem(&self) -> Option<String> {
        match &self.refusal {
            Some(error) => Some(error.to_string()),
            None if !self.is_subscribed => {
                Some("the page does not tell this application of its leads".to_owned())
            }
            None => None,
        }
    }
}

/// Looks at a page.
///
/// # Errors
/// When Meta does not say: nothing is known then. What it says against us is no error but the answer.
pub(super) async fn look(meta: &Meta, token: &SecretString, page_id: &str) -> Result<Health, GraphError> {
    let refused = |refusal: GraphError, token: Option<TokenInfo>| Health {
        refusal: Some(refusal),
        token,
        // Nobody can say, and it is not what has to be mended first.
        is_subscribed: true,
    };
    let graph = meta.graph();
    // The page itself answers: who it is not for has no valid token.
    match graph.page_name(token, page_id).await {
        Err(error @ (GraphError::Token(_) | GraphError::Access(_))) => return Ok(refused(error, None)),
        other => other?,
    };
    let info = match graph.token_info(token).await {
        Ok(info) => Some(info),
        Err(error @ (GraphError::Away(_) | GraphError::Busy { .. })) => return Err(error),
        // Not every application may ask this.
        Err(error) => {
            tracing::debug!(%error, page = page_id, "nothing is known of a token");
            None
        }
    };
    if info.as_ref().is_some_and(|info| !info.reads_leads) {
        let missing = GraphError::Access("it lacks the permission `leads_retrieval`".to_owned());
        return Ok(refused(missing, info));
    }
    if !graph.gives_leads(token, page_id).await.or_else(unasked)? {
        let closed = GraphError::Access("Leads Access of Meta Business leaves us out".to_owned());
        return Ok(refused(closed, info));
    }
    let is_subscribed = graph.is_subscribed(token, page_id).await.or_else(unasked)?;
    Ok(Health { refusal: None, token: info, is_subscribed })
}

/// A question that this token may not ask says nothing against it; a silence is no answer.
fn unasked(error: GraphError) -> Result<bool, GraphError> {
    match error {
        GraphError::Access(_) | GraphError::Refused(_) | GraphError::Missing(_) => Ok(true),
        other => Err(other),
    }
}
