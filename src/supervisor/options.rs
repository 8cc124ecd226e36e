//! The command line of the hidden verb `supervise`: what a supervisor must know, typed once for both sides.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::state_directory::{StateDirectory, StateDirectoryError};

/// What a supervisor is told when it is started.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct SuperviseOptions {
    /// Environment to run.
    pub environment: String,
    /// Root of the state directories.
    #[arg(long)]
    pub state_root: PathBuf,
    /// Public address to listen on.
    #[arg(long)]
    pub address: SocketAddr,
}

impl SuperviseOptions {
    /// State directory of the environment.
    pub(crate) fn state(&self) -> Result<StateDirectory, StateDirectoryError> {
        StateDirectory::new(&self.state_root, &self.environment)
    }

    /// The same as arguments, after the program and the verb.
    pub(crate) fn to_arguments(&self) -> Vec<OsString> {
        vec![
            self.environment.clone().into(),
            "--state-root".into(),
            self.state_root.clone().into(),
            "--address".into(),
            self.address.to_string().into(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;

    #[test]
    fn arguments_are_read_back_as_written() {
        let options = SuperviseOptions {
            environment: "local".into(),
            state_root: "/var/lib/crmctl".into(),
            address: "127.0.0.1:8000".parse().unwrap(),
        };
        let command = SuperviseOptions::augment_args(Command::new("supervise").no_binary_name(true));
        let matches = command.try_get_matches_from(options.to_arguments()).unwrap();
        assert_eq!(SuperviseOptions::from_arg_matches(&matches).unwrap(), options);
    }
}
