//! `crmctl completions` and `crmctl man`: what a shell and `man` know of the command line, made from it.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::{Error, Exit};
use crate::terminal::Terminal;

/// Prints the completions of a shell.
///
/// # Errors
/// None so far.
pub(super) fn completions(terminal: &Terminal, shell: Shell) -> Result<Exit, Error> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "crmctl", &mut text);
    terminal.data(String::from_utf8_lossy(&text).trim_end());
    Ok(Exit::Done)
}

/// Prints the manual page: the whole program, then every verb.
///
/// # Errors
/// The page cannot be rendered.
pub(super) fn page(terminal: &Terminal) -> Result<Exit, Error> {
    let mut text = Vec::new();
    let render = |command: clap::Command, text: &mut Vec<u8>| clap_mangen::Man::new(command).render(text);
    let program = Cli::command();
    let rendered = render(program.clone(), &mut text).and_then(|()| {
        let verbs = program.get_subcommands().filter(|verb| !verb.is_hide_set());
        verbs.into_iter().try_for_each(|verb| {
            let name = format!("crmctl-{}", verb.get_name());
            render(verb.clone().display_name(name), &mut text)
        })
    });
    rendered
        .map_err(|error| Error::new(Exit::Bug, format!("the manual page cannot be rendered: {error}")))?;
    terminal.data(String::from_utf8_lossy(&text).trim_end());
    Ok(Exit::Done)
}
