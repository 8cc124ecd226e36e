//! Layers and configuration as one archive that engines load. Source: OCI image specification, "Image Configuration"; Docker
//! image specification v1.2, "Combined Image JSON + Filesystem Changeset Format".

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, Header};

use super::{Image, ImageError};

/// Nothing of an image was made at any moment.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// A layer as its history tells it.
pub(super) struct Told {
    /// What is in it.
    pub(super) what: &'static str,
    /// Its tar archive.
    pub(super) bytes: Vec<u8>,
}

/// An image being put together.
pub(super) struct Archive {
    /// As images name it.
    pub(super) architecture: &'static str,
    /// Everything a container of it is begun with.
    pub(super) config: Value,
    /// From the lowest to the highest.
    pub(super) layers: Vec<Told>,
}

impl Archive {
    pub(super) fn finish(self, reference: &str) -> Result<Image, ImageError> {
        let digests: Vec<String> =
            self.layers.iter().map(|layer| hex::encode(Sha256::digest(&layer.bytes))).collect();
        let configuration = self.configuration(&digests).to_string();
        let id = hex::encode(Sha256::digest(&configuration));
        let places: Vec<String> = digests.iter().map(|digest| format!("{digest}/layer.tar")).collect();
        let manifest = json!([{ "Config": format!("{id}.json"), "RepoTags": [reference], "Layers": places }]);
        let size = self.layers.iter().map(|layer| layer.bytes.len() as u64).sum();
        let mut tar = Builder::new(Vec::new());
        for (place, layer) in places.iter().zip(&self.layers) {
            append(&mut tar, place, &layer.bytes)?;
        }
        append(&mut tar, &format!("{id}.json"), configuration.as_bytes())?;
        append(&mut tar, "manifest.json", manifest.to_string().as_bytes())?;
        let archive = tar.into_inner().map_err(ImageError::Archive)?;
        Ok(Image { id: format!("sha256:{id}"), archive, size })
    }

    fn configuration(&self, digests: &[String]) -> Value {
        let told =
            |layer: &Told| json!({ "created": CREATED, "created_by": "crmctl", "comment": layer.what });
        json!({
            "architecture": self.architecture,
            "os": "linux",
            "created": CREATED,
            "config": self.config,
            "rootfs": {
                "type": "layers",
                "diff_ids": digests.iter().map(|digest| format!("sha256:{digest}")).collect::<Vec<_>>(),
            },
            "history": self.layers.iter().map(told).collect::<Vec<_>>(),
        })
    }
}

fn append(tar: &mut Builder<Vec<u8>>, name: &str, bytes: &[u8]) -> Result<(), ImageError> {
    let mut header = Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    tar.append_data(&mut header, name, bytes).map_err(ImageError::Archive)
}
