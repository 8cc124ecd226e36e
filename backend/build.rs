//! Lists the versions of the migrations that this release knows, for `/admin/health/db`. Reads file
//! names only: no SQL becomes part of the server.

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=migrations");
    let names = fs::read_dir("migrations").expect("the migrations lie beside this file");
    let names = names.map(|entry| entry.expect("the directory can be read").file_name());
    let versions: BTreeSet<i64> = names.filter_map(|name| version(name.to_str()?)).collect();
    let target = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("schema_versions.rs");
    fs::write(target, format!("&{:?}", Vec::from_iter(versions))).expect("cargo's directory can be written");
}

/// `16` of `016_notifications.up.sql`.
fn version(name: &str) -> Option<i64> {
    name.strip_suffix(".up.sql")?.split_once('_')?.0.parse().ok()
}
