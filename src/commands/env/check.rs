//! `crmctl env check`: each value that an environment needs or may have: given, missing, wrong or left out.

use serde::Serialize;

use super::{Context, file, load};
use crate::environment::LoadedEnvironment;
use crate::environment::document::Mistake;
use crate::environment::given::named_keys;
use crate::environment::keys;
use crate::environment::secrets::Secrets;
use crate::error::{Error, Exit};
use crate::site::process_variable;

/// How the values stand.
#[derive(Debug, Serialize)]
struct Checked {
    schema: u32,
    environment: String,
    /// The secrets file as the environment file names it.
    file: Option<String>,
    keys: Vec<CheckedKey>,
    /// Everything that is wrong, with its place.
    mistakes: Vec<String>,
    next: String,
}

#[derive(Debug, Serialize)]
struct CheckedKey {
    name: String,
    /// `given`, `missing`, `wrong` or `left_out`.
    state: &'static str,
    purpose: &'static str,
    /// File and line, or `process environment`.
    place: Option<String>,
    secret: bool,
    /// Whether releases are given it, or crmctl alone knows it.
    reaches_releases: bool,
}

/// Asks and tells.
///
/// # Errors
/// The environment cannot be read.
pub(super) fn command(context: &Context, name: &str) -> Result<Exit, Error> {
    let environment = load(context, name)?;
    let checked = check(context, &environment, name);
    let is_well = checked.mistakes.is_empty();
    tell(context, &checked);
    Ok(if is_well { Exit::Done } else { Exit::Refused })
}

fn check(context: &Context, environment: &LoadedEnvironment, name: &str) -> Checked {
    let (shown, path) = file(context, environment).unzip();
    let path = path.filter(|path| !environment.database.embedded || path.exists());
    let named = named_keys(&environment.database, &environment.ledger);
    let webhook = environment.notify.webhook_key.as_deref();
    let (secrets, mut wrong) = Secrets::read(path.as_deref(), &named, webhook, process_variable);
    // In the order in which they are mended.
    wrong.sort();
    let place = |key: &str| {
        let (file, line) = secrets.place(key)?;
        let file = file.strip_prefix(&context.place.root).unwrap_or(file);
        Some(if line == 0 { file.display().to_string() } else { format!("{}:{line}", file.display()) })
    };
    let is_wrong = |key: &str| {
        let quoted = format!("`{key}`");
        wrong.iter().any(|mistake| mistake.message.starts_with(&quoted))
    };
    let mut keys: Vec<CheckedKey> = Vec::new();
    let mut mistakes: Vec<String> = wrong.iter().map(|mistake| relative(context, mistake)).collect();
    for entry in environment.entries() {
        let facts = entry.facts();
        let state = match secrets.get(&entry.name) {
            _ if is_wrong(&entry.name) => "wrong",
            Some(_) => "given",
            None if entry.wanted => "missing",
            None => "left_out",
        };
        if state == "missing" {
            let file = shown.as_deref().unwrap_or("the process environment");
            mistakes.push(format!("{file}: `{}` is missing ({})", entry.name, facts.purpose));
        }
        keys.push(CheckedKey {
            place: place(&entry.name),
            state,
            purpose: facts.purpose,
            secret: facts.secret,
            reaches_releases: facts.backend,
            name: entry.name,
        });
    }
    let others = secrets.iter().filter(|(key, _)| !keys.iter().any(|known| known.name == *key));
    let others: Vec<CheckedKey> = others
        .map(|(key, _)| CheckedKey {
            name: key.to_owned(),
            state: if is_wrong(key) { "wrong" } else { "given" },
            purpose: keys::find(key)
                .map_or("not of the table; given to releases as it is", |key| key.purpose),
            place: place(key),
            secret: true,
            reaches_releases: true,
        })
        .collect();
    keys.extend(others);
    let next = match (mistakes.is_empty(), &path, &shown) {
        (true, ..) => format!("crmctl env diff {name}"),
        (false, Some(path), _) if !path.exists() => format!("crmctl env init {name}"),
        (false, ..) => format!("mend these, then run `crmctl env check {name}` again"),
    };
    Checked { schema: 1, environment: name.to_owned(), file: shown, keys, mistakes, next }
}

fn relative(context: &Context, mistake: &Mistake) -> String {
    let file = mistake.file.strip_prefix(&context.place.root).unwrap_or(&mistake.file).to_owned();
    Mistake { file, ..mistake.clone() }.to_string()
}

fn tell(context: &Context, checked: &Checked) {
    if context.terminal.json {
        return context.document(checked);
    }
    let paint = context.terminal.paint;
    for key in &checked.keys {
        let word = format!("{:<9}", key.state.replace('_', " "));
        let word = match key.state {
            "given" => paint.green(&word),
            "left_out" => paint.dim(&word),
            _ => paint.red(&word),
        };
        let place = key.place.as_ref().map_or(String::new(), |place| format!("  ({place})"));
        context.terminal.text(&format!("{word} {:<24} {}{place}", key.name, key.purpose));
    }
    for mistake in &checked.mistakes {
        context.terminal.talk(&format!("{} {mistake}", context.terminal.paint_talk().red("error:")));
    }
    context.terminal.talk(&format!("next: {}", checked.next));
}
