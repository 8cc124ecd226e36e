//! The permission table and the API document, both read off the list of routes.

use std::fmt::{self, Display, Formatter};

use axum::http::Method;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation, PathItem, Paths};
use utoipa::openapi::schema::{ComponentsBuilder, Schema};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{OpenApi, RefOr};

use super::{Policy, Role};

/// Who may call one method of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// The method.
    pub method: Method,
    /// The path, with `{name}` where it varies.
    pub path: String,
    /// Its policy.
    pub policy: Policy,
}

/// Every route with its policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions(pub Vec<Permission>);

impl Permissions {
    /// Notes the operations of `item` and writes the policy into the document beside them.
    pub(super) fn declare(&mut self, path: &str, item: &mut PathItem, policy: Policy) {
        for (method, operation) in operations(item) {
            describe(operation, policy);
            self.0.push(Permission { method, path: path.to_owned(), policy });
        }
    }
}

impl Display for Permissions {
    /// A table that a reviewer can diff: method, path, one column per role.
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for Permission { method, path, policy } in &self.0 {
            write!(formatter, "{method:<6} {path:<45} {:<8}", policy.name())?;
            for role in Role::ALL {
                write!(formatter, " {}", if policy.admits(role) { role.name() } else { "-" })?;
            }
            writeln!(formatter)?;
        }
        Ok(())
    }
}

impl Policy {
    /// The name in the API document.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Open => "open",
            Self::Any => "any",
            Self::Roles(_) => "roles",
            Self::Machine => "machine",
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let PathItem { get, put, post, delete, options, head, patch, trace, .. } = item;
    [
        (Method::GET, get),
        (Method::PUT, put),
        (Method::POST, post),
        (Method::DELETE, delete),
        (Method::OPTIONS, options),
        (Method::HEAD, head),
        (Method::PATCH, patch),
        (Method::TRACE, trace),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Says in the document who may call.
fn describe(operation: &mut Operation, policy: Policy) {
    let mut extensions = ExtensionsBuilder::new().add("x-policy", policy.name());
    if let Policy::Roles(roles) = policy {
        let names: Vec<&str> = roles.iter().map(|role| role.name()).collect();
        extensions = extensions.add("x-roles", names);
    }
    operation.extensions.get_or_insert_default().merge(extensions.build());
    let token = || SecurityRequirement::new("bearer", Vec::<String>::new());
    operation.security = match policy {
        Policy::Public => None,
        Policy::Open => Some(vec![SecurityRequirement::default(), token()]),
        Policy::Any | Policy::Roles(_) | Policy::Machine => Some(vec![token()]),
    };
}

/// Adds paths and schemas to the document.
pub(super) fn merge(document: &mut OpenApi, schemas: Vec<(String, RefOr<Schema>)>, paths: Paths) {
    for (path, item) in paths.paths {
        match document.paths.paths.get_mut(&path) {
            Some(known) => known.merge_operations(item),
            None => {
                document.paths.paths.insert(path, item);
            }
        }
    }
    let components = document.components.get_or_insert_with(|| ComponentsBuilder::new().build());
    components.schemas.extend(schemas);
}
