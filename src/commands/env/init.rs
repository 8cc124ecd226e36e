//! `crmctl env init`: makes the secrets file with strong values, or adds what an existing one lacks. Changes no value
//! that is there.

use serde::Serialize;

use super::{Context, file, load};
use crate::environment::LoadedEnvironment;
use crate::environment::document;
use crate::environment::entries::Entry;
use crate::environment::secrets::too_open;
use crate::environment::secrets_file::{self, Fill};
use crate::error::{Error, Exit};
use crate::site::process_variable;

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    schema: u32,
    environment: String,
    /// As the environment file names it.
    file: String,
    /// Whether the file was made now.
    created: bool,
    keys: Vec<WrittenKey>,
    next: String,
}

#[derive(Debug, Serialize)]
struct WrittenKey {
    name: String,
    fill: Fill,
    purpose: &'static str,
}

/// Makes or completes it.
///
/// # Errors
/// The environment names no file, others can read the one that is there, or it cannot be written.
pub(super) fn command(context: &Context, name: &str) -> Result<Exit, Error> {
    let environment = load(context, name)?;
    let Some((shown, path)) = file(context, &environment) else {
        return Err(Error::refused(format!("`{name}` names no `secrets_file`"))
            .hint(format!("add `secrets_file = \".env.{name}\"` to its file in `config/environments`")));
    };
    refuse_if_tracked(context, &shown)?;
    let exists = std::fs::symlink_metadata(&path).is_ok();
    let entries = if exists { lacking(&environment, &path)? } else { environment.entries() };
    let written = match exists {
        false => secrets_file::create(&path, &secrets_file::text(&head(name), &entries, true)),
        true if entries.is_empty() => Ok(()),
        true => {
            let more: String = entries.iter().map(|entry| secrets_file::lines(entry, true)).collect();
            secrets_file::append(&path, &format!("\n# Added by `crmctl env init {name}`.\n{more}"))
        }
    };
    written.map_err(|error| {
        Error::refused(format!("`{shown}` cannot be written: {error}"))
            .hint("free space or mend the permissions, then run it again; nothing was changed")
    })?;
    let keys: Vec<WrittenKey> = entries.iter().map(written_key).collect();
    let to_fill_in = keys.iter().any(|key| key.fill == Fill::ToFillIn);
    let next = match to_fill_in {
        true => format!("fill in what stands in <…> in `{shown}`, then run `crmctl env check {name}`"),
        false => format!("run `crmctl env check {name}`"),
    };
    let written =
        Written { schema: 1, environment: name.to_owned(), file: shown, created: !exists, keys, next };
    tell(context, &written);
    Ok(Exit::Done)
}

/// A file that git knows would be published with the next push.
fn refuse_if_tracked(context: &Context, shown: &str) -> Result<(), Error> {
    let Some(checkout) = &context.place.checkout else { return Ok(()) };
    // Elsewhere git knows nothing of it.
    if !context.place.root.join(shown).starts_with(&checkout.root) || checkout.ignores(shown) {
        return Ok(());
    }
    Err(Error::refused(format!("git does not ignore `{shown}`, and it holds secrets"))
        .hint(format!("add `/{shown}*` to `.gitignore` first")))
}

/// What the environment cannot do without and nobody has given.
fn lacking(environment: &LoadedEnvironment, path: &std::path::Path) -> Result<Vec<Entry>, Error> {
    let text = document::read(path).map_err(|mistake| Error::refused(mistake.to_string()))?;
    if let Some(mistake) = too_open(path) {
        return Err(Error::refused(mistake.to_string()));
    }
    // Also what is not fit yet: a place to fill in is not filled in by adding it again.
    let given = secrets_file::names_in(&text);
    let is_lacking = |entry: &Entry| {
        let elsewhere = process_variable(&entry.name).is_some_and(|value| !value.is_empty());
        entry.wanted && !given.contains(&entry.name) && !elsewhere
    };
    Ok(environment.entries().into_iter().filter(is_lacking).collect())
}

fn head(name: &str) -> String {
    format!(
        "# Values of the environment `{name}`, made by `crmctl env init {name}`. For its owner alone (0600); never commit it.\n\
         # A value with a `$` stands in single quotes. The process environment wins over this file.\n"
    )
}

fn written_key(entry: &Entry) -> WrittenKey {
    WrittenKey { name: entry.name.clone(), fill: Fill::of(entry), purpose: entry.facts().purpose }
}

fn tell(context: &Context, written: &Written) {
    if context.terminal.json {
        return context.document(written);
    }
    let Written { file, created, keys, next, .. } = written;
    let head = match (created, keys.is_empty()) {
        (true, _) => format!("wrote `{file}` (mode 0600)"),
        (false, false) => format!("added to `{file}`"),
        (false, true) => format!("`{file}` names every key it needs; nothing was changed"),
    };
    context.terminal.text(&head);
    for (word, fill) in [("made", Fill::Made), ("usual value", Fill::Usual), ("to fill in", Fill::ToFillIn)] {
        for key in keys.iter().filter(|key| key.fill == fill) {
            context.terminal.text(&format!("  {word:<12} {:<22} {}", key.name, key.purpose));
        }
    }
    context.terminal.talk(&format!("next: {next}"));
}
