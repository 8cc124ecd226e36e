//! How the server is compiled: one place for the flags, so that names, plans and the compiler agree; and what
//! cargo says it has made.

use std::path::PathBuf;

use phases::environment::BuildSource;
use serde::Deserialize;

/// Target of static release builds.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Arguments of `cargo` for a source; empty for a prebuilt artifact.
pub fn flags(source: &BuildSource) -> Vec<String> {
    let mut flags = vec!["build", "--locked", "--package", "crm-backend", "--bin", "crm-server"];
    match source {
        BuildSource::Artifact(_) => flags.clear(),
        BuildSource::Profile(profile) if profile == "release" => {
            flags.extend(["--release", "--target", TARGET]);
        }
        BuildSource::Profile(_) => {}
    }
    flags.into_iter().map(str::to_owned).collect()
}

/// `RUSTFLAGS` for a source: release builds link statically, so that the server runs on any kernel alone.
pub fn rustflags(source: &BuildSource) -> Option<&'static str> {
    matches!(source, BuildSource::Profile(profile) if profile == "release")
        .then_some("-C target-feature=+crt-static")
}

/// Asks cargo to name what it made on stdout, one JSON document a line; what the compiler says stays readable on
/// stderr. No part of [`flags`]: it changes nothing of what is built.
pub const MESSAGES: &str = "--message-format=json-render-diagnostics";

/// A line of cargo's, as far as it matters here.
/// Source: <https://doc.rust-lang.org/cargo/reference/external-tools.html#artifact-messages>
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// The server, when this line of cargo's says where it is: `build.target-dir`, `build.target` and
/// `CARGO_BUILD_TARGET_DIR` all move it, so no place is guessed.
pub fn executable(line: &str) -> Option<PathBuf> {
    let message: Message = serde_json::from_str(line).ok()?;
    let ours = message.target.is_some_and(|target| target.name == "crm-server");
    message.executable.filter(|_| ours && message.reason == "compiler-artifact")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_artifact_of_the_server_names_a_place() {
        let line = |reason: &str, name: &str, executable: &str| {
            format!(
                r#"{{"reason":"{reason}","target":{{"name":"{name}","kind":["bin"]}},"executable":{executable},"fresh":true}}"#
            )
        };
        let server = line("compiler-artifact", "crm-server", r#""/elsewhere/crm-server""#);
        assert_eq!(executable(&server), Some(PathBuf::from("/elsewhere/crm-server")));
        for other in [
            line("compiler-artifact", "crm_backend", "null"),
            line("compiler-artifact", "other", r#""/elsewhere/other""#),
            line("compiler-message", "crm-server", r#""/elsewhere/crm-server""#),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
            "no JSON at all".to_owned(),
        ] {
            assert_eq!(executable(&other), None, "{other}");
        }
    }
}
