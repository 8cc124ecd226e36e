//! What the caller knows and a suite may refer to. The names are a closed list, so that a typing
//! mistake is found when the file is read.

use std::collections::BTreeMap;

use secrecy::SecretString;

/// Values for `{{tenant_id}}`, `{{release}}` and the passwords of sessions.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    /// The tenant that checks work in.
    pub tenant_id: Option<i64>,
    /// The release that should answer: every answer that says another one in `x-crm-release` is wrong, one
    /// that says none is not asked.
    pub release: Option<String>,
    /// Secrets by key: `SMOKE_PASSWORD`.
    pub secrets: BTreeMap<String, SecretString>,
}

/// The header in which an answer says which release gave it.
pub(crate) const RELEASE: &str = "x-crm-release";

/// The names a suite may use without a scope.
pub(crate) const NAMES: [&str; 2] = ["tenant_id", "release"];

impl Variables {
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        match name {
            "tenant_id" => self.tenant_id.map(|id| id.to_string()),
            "release" => self.release.clone(),
            _ => None,
        }
    }
}
