//! The real Docker engine of the tests, and the images that stories run there.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use crmctl::docker::{Engine, EngineAddress};
use crmctl::image;
use rustix::fs::{FlockOperation, flock};

use super::machine::{Said, artifact};

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

/// Takes everything of an environment from the engine, whatever is left of it.
pub(crate) fn sweep(name: &str) -> bool {
    let script = format!(
        "set -e; d='docker --host {engine}'; f='--filter label=crm.env={name}'
         $d service ls -q $f | xargs -r $d service rm >/dev/null
         for i in $(seq 300); do [ -z \"$($d ps -aq $f)\" ] && break; sleep 0.2; done
         $d ps -aq $f | xargs -r $d rm -f >/dev/null
         $d secret ls -q $f | xargs -r $d secret rm >/dev/null
         $d config ls -q $f | xargs -r $d config rm >/dev/null
         for i in $(seq 100); do $d network rm crm-{name} >/dev/null 2>&1 && break; sleep 0.2; done
         $d volume rm -f crm-{name}-edge-data >/dev/null",
        engine = engine().address(),
    );
    Command::new("bash").args(["-c", &script]).status().unwrap().success()
}

/// What the engine's own command line says.
pub(crate) fn docker(arguments: &[&str]) -> Said {
    let mut command = Command::new("docker");
    command.args(["--host", &engine().address().to_string()]).args(arguments).output().unwrap().into()
}

/// Waits until a look at a service, by a template of the engine's, is as `wanted` says.
pub(crate) async fn until_service(service: &str, template: &str, wanted: impl Fn(&str) -> bool) {
    let begun = std::time::Instant::now();
    loop {
        let said = docker(&["service", "inspect", "--format", template, service]);
        if said.code == 0 && wanted(said.out.trim()) {
            return;
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{service}: {} {}", said.out, said.err);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
