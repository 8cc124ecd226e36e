//! `crmctl provision`: makes what an environment stands on and a deploy does not make. First the plan, then a word of the operator,
//! then what is missing, one after the other; the second time nothing is.

use serde::Serialize;

use super::Context;
use crate::cli::ProvisionArgs;
use crate::error::{Error, Exit};
use crate::provision::{State, Thing};
use crate::site::Needs;

/// How everything is, or what was made.
#[derive(Debug, Serialize)]
struct Provisioned {
    schema: u32,
    environment: String,
    things: Vec<ThingView>,
    next: String,
}

#[derive(Debug, Serialize)]
struct ThingView {
    name: &'static str,
    /// `there`, `missing`, `wrong` or `made`.
    state: &'static str,
    said: String,
    hint: Option<String>,
}

impl ThingView {
    fn of(thing: Thing, state: &State) -> Self {
        let (word, said, hint) = match state {
            State::There(said) => ("there", said, None),
            State::Missing(said) => ("missing", said, None),
            State::Wrong { said, hint } => ("wrong", said, Some(hint.clone())),
        };
        Self { name: thing.name(), state: word, said: said.clone(), hint }
    }
}

/// Looks, asks, makes.
///
/// # Errors
/// Something is wrong in a way that a person has to mend, the operator says no, or it cannot be made.
pub(super) async fn command(context: &Context, arguments: &ProvisionArgs) -> Result<Exit, Error> {
    let name = &arguments.on.environment;
    let site = context.site(name, Needs::WhatIsThere)?;
    site.environment.require_secrets()?;
    let mut things = Vec::new();
    for thing in Thing::ALL {
        things.push((thing, thing.look(&site).await));
    }
    let mut document = Provisioned {
        schema: 1,
        environment: name.clone(),
        things: things.iter().map(|(thing, state)| ThingView::of(*thing, state)).collect(),
        next: format!("crmctl deploy {name}"),
    };
    let wrong = things.iter().find_map(|(thing, state)| match state {
        State::Wrong { said, hint } => Some((*thing, said, hint)),
        _ => None,
    });
    let missing: Vec<Thing> = things
        .iter()
        .filter(|(_, state)| matches!(state, State::Missing(_)))
        .map(|(thing, _)| *thing)
        .collect();
    if wrong.is_some() || arguments.plan || missing.is_empty() {
        if wrong.is_none() && !missing.is_empty() {
            document.next = format!("crmctl provision {name}");
        }
        tell(context, &document);
        return match wrong {
            Some((thing, said, hint)) => {
                Err(Error::refused(format!("{}: {said}", thing.name())).hint(hint.clone()))
            }
            None => Ok(Exit::Done),
        };
    }
    if !context.terminal.json {
        show(context, &document);
    }
    let question = format!("make what is missing of `{name}`?");
    let said = context.global.yes
        || context
            .terminal
            .confirm(&question)
            .map_err(|error| Error::refused(format!("no answer: {error}")))?;
    if !said {
        return Err(Error::refused("not confirmed").hint(format!("run `crmctl provision {name} --yes`")));
    }
    for thing in missing {
        let made = thing.make(&site).await?;
        // What was made and is not there afterwards was not made.
        if let State::Missing(said) | State::Wrong { said, .. } = thing.look(&site).await {
            return Err(Error::refused(format!(
                "{} was made and is not as it should be: {said}",
                thing.name()
            ))
            .hint(format!("run `crmctl provision {name}` again")));
        }
        context.terminal.line(&format!("made       {:<10}{made}", thing.name()));
        if let Some(view) = document.things.iter_mut().find(|view| view.name == thing.name()) {
            (view.state, view.said) = ("made", made);
        }
    }
    if context.terminal.json {
        context.document(&document);
    } else {
        context.terminal.talk(&format!("next: {}", document.next));
    }
    Ok(Exit::Done)
}

fn tell(context: &Context, document: &Provisioned) {
    if context.terminal.json {
        return context.document(document);
    }
    show(context, document);
    context.terminal.talk(&format!("next: {}", document.next));
}

fn show(context: &Context, document: &Provisioned) {
    let paint = context.terminal.paint;
    for thing in &document.things {
        let word = format!("{:<9}", thing.state);
        let word = match thing.state {
            "there" => paint.green(&word),
            "wrong" => paint.red(&word),
            _ => paint.yellow(&word),
        };
        context.terminal.text(&format!("{word}  {:<10}{}", thing.name, thing.said));
    }
}
