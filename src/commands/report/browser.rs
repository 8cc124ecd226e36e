//! Shows a file in the person's browser: the program that `BROWSER` names, or the one of the desktop.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// A program that is still there after this long has opened something.
const PATIENCE: Duration = Duration::from_secs(2);
/// What desktops open files with.
const OPENERS: [&str; 2] = ["xdg-open", "open"];

/// Opens it.
///
/// # Errors
/// Why no program did.
pub(super) async fn show(file: &Path) -> Result<(), String> {
    let given = std::env::var("BROWSER").ok().filter(|programs| !programs.is_empty());
    let programs: Vec<String> = match given {
        Some(programs) => programs.split(':').map(str::to_owned).collect(),
        None => OPENERS.map(str::to_owned).to_vec(),
    };
    let mut causes = Vec::new();
    for program in programs {
        match start(&program, file).await {
            Ok(()) => return Ok(()),
            Err(cause) => causes.push(format!("`{program}`: {cause}")),
        }
    }
    Err(causes.join("; "))
}

async fn start(program: &str, file: &Path) -> Result<(), String> {
    let mut command = Command::new(program);
    command.arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    match tokio::time::timeout(PATIENCE, child.wait()).await {
        Ok(Ok(status)) if !status.success() => Err(status.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}
