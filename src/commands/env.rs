//! `crmctl env`: the values that an environment is given. Shows names, places and purposes, never a value.

mod check;
mod diff;
mod init;

use std::path::{Path, PathBuf};

use super::Context;
use crate::cli::{EnvArgs, EnvVerb};
use crate::environment::LoadedEnvironment;
use crate::error::{Error, Exit};
use crate::site::process_variable;

/// One of its verbs.
///
/// # Errors
/// Whatever it says.
pub(super) async fn command(context: &Context, arguments: &EnvArgs) -> Result<Exit, Error> {
    match &arguments.verb {
        EnvVerb::Init(on) => init::command(context, &on.environment),
        EnvVerb::Check(on) => check::command(context, &on.environment),
        EnvVerb::Diff(on) => diff::command(context, &on.environment).await,
    }
}

/// The environment, on whatever platform: its values are read before anything is reached.
fn load(context: &Context, name: &str) -> Result<LoadedEnvironment, Error> {
    LoadedEnvironment::load(&context.place.config, &context.place.root, name, process_variable)
}

/// The secrets file as the environment names it, and where it is.
fn file(context: &Context, environment: &LoadedEnvironment) -> Option<(String, PathBuf)> {
    let shown = environment.top.secrets_file.clone()?;
    let path = context.place.root.join(Path::new(&shown));
    Some((shown, path))
}
