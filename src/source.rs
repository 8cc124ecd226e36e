//! What would be released from this checkout: build inputs, migrations, and the release id they give.
//! Reads files; builds nothing.

use std::path::{Path, PathBuf};

use phases::environment::{BuildSource, Environment};
use phases::release::{PinnedMigration, Release, ReleaseId};
use sha2::{Digest, Sha256};

use crate::error::{Error, chain};
use crate::git::Checkout;

/// Where the migration files are, relative to the root.
pub const MIGRATIONS: &str = "backend/migrations";

/// Paths whose content decides what the compiler makes. Tests of the backend are left out.
const INPUTS: [&str; 7] = [
    "backend",
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    ".cargo",
    ":(exclude)backend/tests",
    ":(exclude)backend/README.md",
];

/// A checkout seen as the source of a release.
#[derive(Debug, Clone)]
pub struct Source {
    /// The checkout.
    pub checkout: Checkout,
    /// Its HEAD.
    pub commit: String,
    /// The prebuilt server, when the environment names one.
    pub artifact: Option<PathBuf>,
    /// The release that building it would give.
    pub release: Release,
}

impl Source {
    /// Reads the checkout for one environment.
    ///
    /// # Errors
    /// No commit, no artifact, unreadable or broken migrations.
    pub fn read(checkout: Checkout, environment: &Environment) -> Result<Self, Error> {
        let commit = checkout.head()?;
        let directory = checkout.root.join(MIGRATIONS);
        let set = migrate::MigrationSet::load(&directory).map_err(|error| {
            let hint = error.hint();
            let refused = Error::refused(chain(&error));
            match hint {
                Some(hint) => refused.hint(hint),
                None => refused,
            }
        })?;
        let migrations: Vec<PinnedMigration> = set
            .manifest()
            .into_iter()
            .map(|pin| PinnedMigration {
                contract: set.get(pin.version).is_some_and(|one| one.stage == migrate::Stage::Contract),
                version: pin.version,
                name: pin.name,
                checksum: pin.checksum,
                down: pin.down.to_string(),
                verify: pin.verify.to_string(),
            })
            .collect();
        let artifact = match &environment.build {
            BuildSource::Artifact(path) => Some(checkout.root.join(path)),
            BuildSource::Profile(_) => None,
        };
        let inputs = match &artifact {
            Some(file) => artifact_inputs(file)?,
            None => checkout_inputs(&checkout, environment)?,
        };
        let watched: &[&str] = if artifact.is_some() { &[MIGRATIONS] } else { &INPUTS };
        let dirty = !checkout.changed(watched)?.is_empty();
        let identity = identity(&inputs, &migrations, &environment.fingerprint);
        let id = ReleaseId::new(&commit, dirty, &identity).expect("git and SHA-256 give hexadecimal text");
        let needs_schema = migrations.last().map_or(0, |newest| newest.version);
        let release = Release { id, commit: commit.clone(), dirty, inputs, needs_schema, migrations };
        Ok(Self { checkout, commit, artifact, release })
    }
}

/// `sha256:…` over the files that are compiled, the toolchain and the flags.
fn checkout_inputs(checkout: &Checkout, environment: &Environment) -> Result<String, Error> {
    let mut hash = Sha256::new();
    for file in checkout.files(&INPUTS)? {
        let content = std::fs::read(checkout.root.join(&file))
            .map_err(|error| Error::refused(format!("`{file}` cannot be read: {error}")))?;
        feed(&mut hash, file.as_bytes());
        feed(&mut hash, &Sha256::digest(&content));
    }
    feed(&mut hash, crate::compile::flags(&environment.build).join(" ").as_bytes());
    Ok(format!("sha256:{}", hex::encode(hash.finalize())))
}

fn artifact_inputs(file: &Path) -> Result<String, Error> {
    let content = std::fs::read(file).map_err(|error| {
        Error::refused(format!("the prebuilt server `{}` cannot be read: {error}", file.display()))
            .hint("build it, or name another under `[build] artifact` of the environment file")
    })?;
    Ok(format!("sha256:{}", hex::encode(Sha256::digest(&content))))
}

/// 64 characters that name the content of a release: inputs, migrations, configuration.
fn identity(inputs: &str, migrations: &[PinnedMigration], fingerprint: &str) -> String {
    let mut hash = Sha256::new();
    feed(&mut hash, inputs.as_bytes());
    for pin in migrations {
        for part in [&pin.version.to_string(), &pin.checksum, &pin.down, &pin.verify] {
            feed(&mut hash, part.as_bytes());
        }
    }
    feed(&mut hash, fingerprint.as_bytes());
    hex::encode(hash.finalize())
}

fn feed(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part);
}
