//! How the server is compiled: one place for the flags, so that names, plans and the compiler agree.

use phases::environment::BuildSource;

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

/// Where cargo leaves the server, below its target directory.
pub fn output(source: &BuildSource) -> String {
    match source {
        BuildSource::Profile(profile) if profile == "release" => format!("{TARGET}/release/crm-server"),
        BuildSource::Profile(_) | BuildSource::Artifact(_) => "debug/crm-server".to_owned(),
    }
}
