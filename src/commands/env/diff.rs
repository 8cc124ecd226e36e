//! `crmctl env diff`: which values the next release would be given that the serving one was not. Names, never a value.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Context;
use crate::error::{Error, Exit};
use crate::site::values::Hashes;
use crate::site::{Needs, Site};

/// The difference.
#[derive(Debug, Serialize)]
struct Difference {
    schema: u32,
    environment: String,
    /// Release that serves; without one there is nothing to compare with.
    serving: Option<String>,
    /// Given to the next release only.
    added: Vec<String>,
    /// Given to the serving release only.
    removed: Vec<String>,
    /// Given to both, with another value.
    changed: Vec<String>,
    next: String,
}

/// Asks and tells.
///
/// # Errors
/// The values are not fit, or what serves cannot be asked.
pub(super) async fn command(context: &Context, name: &str) -> Result<Exit, Error> {
    let site = context.site(name, Needs::WhatIsThere)?;
    site.environment.require_secrets()?;
    let difference = difference(&site).await?;
    tell(context, &difference);
    Ok(Exit::Done)
}

async fn difference(site: &Site) -> Result<Difference, Error> {
    let name = &site.environment.facts.name;
    let serving = site.serving().await?;
    let before = match &serving {
        Some(release) => site.given_to(release).await?,
        None => Hashes::new(),
    };
    let now = site.would_be_given()?;
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let mut difference = Difference {
        schema: 1,
        environment: name.clone(),
        serving: serving.map(|release| release.to_string()),
        added: Vec::new(),
        removed: Vec::new(),
        changed: Vec::new(),
        next: String::new(),
    };
    for name in names {
        match (before.get(name), now.get(name)) {
            (None, Some(_)) => difference.added.push(name.clone()),
            (Some(_), None) => difference.removed.push(name.clone()),
            (Some(before), Some(now)) if before != now => difference.changed.push(name.clone()),
            _ => {}
        }
    }
    let is_same =
        difference.added.is_empty() && difference.removed.is_empty() && difference.changed.is_empty();
    difference.next = if is_same && difference.serving.is_some() {
        format!("crmctl status {name}")
    } else {
        format!("crmctl deploy {name}")
    };
    Ok(difference)
}

fn tell(context: &Context, difference: &Difference) {
    if context.terminal.json {
        return context.document(difference);
    }
    let Difference { environment, serving, added, removed, changed, next, .. } = difference;
    match serving {
        None => context
            .terminal
            .text(&format!("nothing serves in `{environment}`; the first release would be given")),
        Some(serving) if added.is_empty() && removed.is_empty() && changed.is_empty() => {
            context.terminal.text(&format!("`{serving}` was given the same values"));
        }
        Some(serving) => context.terminal.text(&format!("against `{serving}`, which serves:")),
    }
    let paint = context.terminal.paint;
    let words: [(String, &Vec<String>); 3] =
        [(paint.green("+"), added), (paint.red("-"), removed), (paint.yellow("~"), changed)];
    for (sign, names) in words {
        for name in names {
            context.terminal.text(&format!("{sign} {name}"));
        }
    }
    context.terminal.talk(&format!("next: {next}"));
}
