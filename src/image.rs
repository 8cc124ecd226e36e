//! The image of a release: its server, migrations and certificate authorities in layers with fixed times, owners and order,
//! so that the same content gives the same bytes on every machine. Knows no engine and no registry, and puts no commit
//! in: a commit that changes nothing builds nothing.

mod archive;
mod authorities;
pub mod health;
mod layer;
mod program;

use std::io::Error as IoError;
use std::path::{Path, PathBuf};

use archive::{Archive, Told};
use layer::Layer;
use phases::release::ReleaseId;
use program::Program;
use serde_json::{Value, json};

/// Whom the program runs as: in no image a person, on no host an account.
pub const USER: &str = "65532:65532";
/// Where the backend listens, inside.
pub const PORT: u16 = 8000;
/// Place of the server, inside.
pub const SERVER: &str = "/crm-server";
/// Place of the migrations, inside.
const MIGRATIONS: &str = "migrations";
/// Where programs look for the authorities they trust.
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file of it cannot be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: IoError,
    },
    /// The server is no program that a Linux container runs.
    #[error("`{}` is no Linux program for an architecture that is known (x86-64, ARM64)", path.display())]
    NoProgram {
        /// The server.
        path: PathBuf,
    },
    /// The server needs a library that is not here.
    #[error("`{}` needs `{library}`, which is not on this machine", path.display())]
    LibraryMissing {
        /// The server.
        path: PathBuf,
        /// Name of the library.
        library: String,
    },
    /// No list of authorities is on this machine.
    #[error("no certificate authorities on this machine: none of {looked} is there")]
    NoAuthorities {
        /// Where they were looked for.
        looked: String,
    },
    /// Something did not go into the archive.
    #[error("the image cannot be put together")]
    Archive(#[source] IoError),
}

impl ImageError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "look at the file, then build again",
            Self::NoProgram { .. } => "build for Linux: `[build] profile = \"release\"`",
            Self::LibraryMissing { .. } => {
                "build a static server: `[build] profile = \"release\"`, or install the library"
            }
            Self::NoAuthorities { .. } => "install them (Debian: `apt-get install ca-certificates`)",
            Self::Archive(_) => "make room for it, then build again",
        }
    }
}

/// An image as an engine loads it.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its id, `sha256:…`: hash of its configuration, which names every layer.
    pub id: String,
    /// A tar archive as `docker load` reads it.
    pub archive: Vec<u8>,
    /// Bytes of its layers, not compressed.
    pub size: u64,
}

/// Puts the image of a release's directory together; the engine will know it by `reference` (`repository:tag`).
///
/// # Errors
/// See [`ImageError`].
pub fn assemble(directory: &Path, reference: &str) -> Result<Image, ImageError> {
    let program = Program::read(&directory.join("crm-server"))?;
    let mut migrations = Layer::new();
    migrations.tree(MIGRATIONS, &directory.join("migrations"))?;
    // What changes least comes first: a registry then keeps it from image to image.
    let layers = vec![
        base(&program)?,
        Told { what: "migrations", bytes: migrations.finish()? },
        program_layer(&program, SERVER)?,
    ];
    Archive { architecture: program.architecture, config: server_config(), layers }.finish(reference)
}

/// Puts an image of one program of this machine together, begun with `arguments`: for an edge where no image can be pulled. It
/// may write to `/data`.
///
/// # Errors
/// See [`ImageError`].
pub fn of_program(path: &Path, arguments: &[&str], reference: &str) -> Result<Image, ImageError> {
    let program = Program::read(path)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let inside = format!("/{}", name.unwrap_or_else(|| "program".to_owned()));
    let mut data = Layer::new();
    data.own_directory("data")?;
    let data = Told { what: "a place for data", bytes: data.finish()? };
    let layers = vec![base(&program)?, data, program_layer(&program, &inside)?];
    let config = json!({ "User": USER, "Entrypoint": [inside], "Cmd": arguments, "WorkingDir": "/" });
    Archive { architecture: program.architecture, config, layers }.finish(reference)
}

/// Authorities, and the libraries of a program that has any.
fn base(program: &Program) -> Result<Told, ImageError> {
    let mut layer = Layer::new();
    layer.file(AUTHORITIES, &authorities::read()?, layer::READABLE)?;
    for library in &program.libraries {
        layer.file(&library.inside, &library.bytes, layer::EXECUTABLE)?;
    }
    Ok(Told { what: "authorities and libraries", bytes: layer.finish()? })
}

fn program_layer(program: &Program, inside: &str) -> Result<Told, ImageError> {
    let mut layer = Layer::new();
    layer.file(inside.trim_start_matches('/'), &program.bytes, layer::EXECUTABLE)?;
    Ok(Told { what: "program", bytes: layer.finish()? })
}

/// What a container of the server is begun with.
fn server_config() -> Value {
    json!({
        "User": USER,
        "ExposedPorts": { format!("{PORT}/tcp"): {} },
        "Env": [format!("BIND=0.0.0.0:{PORT}")],
        "Entrypoint": [SERVER],
        "Cmd": ["serve"],
        "WorkingDir": "/",
        "StopSignal": "SIGTERM",
        "Healthcheck": health::check(),
    })
}

/// Tag of a release's image. A `.` may stand in a tag, so the id is one.
pub fn tag(release: &ReleaseId) -> &str {
    release.as_str()
}

#[cfg(test)]
mod tests;
