//! x
use crate::environment::LoadedEnvironment;
use crate::error::Error;
use crate::state_directory::StateDirectory;
pub fn platform_options(
    _: &LoadedEnvironment,
    _: &StateDirectory,
) -> Result<crate::platform::process::O, Error> {
    Ok(crate::platform::process::O)
}
