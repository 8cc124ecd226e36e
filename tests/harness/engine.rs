//! The real Docker engine of the tests, and the images that stories run there.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crmctl::docker::{Engine, EngineAddress};
use crmctl::image;
use rustix::fs::{FlockOperation, flock};

use super::machine::artifact;

/// The engine that `scripts/with-services` runs.
pub(crate) fn engine() -> Engine {
    let address = std::env::var("TEST_ENGINE_URL").expect("run make test, or scripts/with-services");
    Engine::new(address.parse::<EngineAddress>().unwrap())
}

/// An image of the server that can break on purpose; gives its reference.
pub(crate) async fn server_image(engine: &Engine) -> String {
    let server = artifact("crm-server-faults");
    let directory = tempfile::tempdir().unwrap();
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("backend/migrations");
    std::os::unix::fs::symlink(migrations, directory.path().join("migrations")).unwrap();
    std::os::unix::fs::symlink(&server, directory.path().join("crm-server")).unwrap();
    let reference = format!("crm-test:{}", state_of(&server));
    loaded(engine, &reference, || image::assemble(directory.path(), &reference)).await;
    reference
}

/// An image of this machine's Caddy.
pub(crate) async fn edge_image(engine: &Engine) -> String {
    let caddy = Path::new("/usr/bin/caddy");
    let reference = format!("edge-test:{}", state_of(caddy));
    let arguments = crmctl::platform::swarm::edge::ARGUMENTS;
    loaded(engine, &reference, || image::of_program(caddy, &arguments, &reference)).await;
    reference
}

/// Loads an image unless it is there; of many processes that want it, one does.
async fn loaded(
    engine: &Engine,
    reference: &str,
    make: impl FnOnce() -> Result<image::Image, image::ImageError>,
) {
    let EngineAddress::Unix(socket) = engine.address() else {
        panic!("the tests' engine is on this machine")
    };
    let lock = File::create(socket.with_file_name("images.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    if !engine.has_image(reference).await.unwrap() {
        engine.load(make().unwrap().archive).await.unwrap();
    }
}

/// Changes when the file does.
fn state_of(file: &Path) -> String {
    let found = file.metadata().unwrap();
    format!("{:x}-{:x}-{:x}", found.size(), found.mtime(), found.mtime_nsec())
}
