//! Roots, names and modes of state directories.

use super::*;

fn root_with(is_root: bool, variables: &[(&str, &str)]) -> Result<PathBuf, StateDirectoryError> {
    root_from(is_root, |name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| PathBuf::from(v)))
}

#[test]
fn explicit_root_wins_over_everything() {
    let root = root_with(true, &[("CRMCTL_STATE_DIR", "/srv/x"), ("HOME", "/root")]).unwrap();
    assert_eq!(root, Path::new("/srv/x"));
}

#[test]
fn superuser_keeps_state_where_postgres_can_enter() {
    assert_eq!(root_with(true, &[("HOME", "/root")]).unwrap(), Path::new("/var/lib/crmctl"));
}

#[test]
fn others_keep_state_in_their_home() {
    assert_eq!(root_with(false, &[("HOME", "/h")]).unwrap(), Path::new("/h/.local/state/crmctl"));
    let xdg = [("HOME", "/h"), ("XDG_STATE_HOME", "/s")];
    assert_eq!(root_with(false, &xdg).unwrap(), Path::new("/s/crmctl"));
    let relative = [("HOME", "/h"), ("XDG_STATE_HOME", "s")];
    assert_eq!(root_with(false, &relative).unwrap(), Path::new("/h/.local/state/crmctl"));
}

#[test]
fn without_a_home_the_way_out_is_named() {
    let error = root_with(false, &[("HOME", "")]).unwrap_err();
    assert!(error.hint().unwrap().contains("CRMCTL_STATE_DIR"));
}

#[test]
fn names_that_leave_the_directory_are_refused() {
    for name in ["", "..", "a/b", "a b", "ñ"] {
        assert!(StateDirectory::new("/s", name).is_err(), "{name:?}");
    }
    assert!(matches!(StateDirectory::new("s", "local"), Err(StateDirectoryError::NotAbsolute { .. })));
}

#[test]
fn ensure_gives_the_modes_of_the_contract_and_mends_them() {
    let directory = tempfile::tempdir().unwrap();
    let state = StateDirectory::new(directory.path().join("deep/state"), "local").unwrap();
    state.ensure().unwrap();
    std::fs::set_permissions(state.logs(), Permissions::from_mode(0o755)).unwrap();
    state.ensure().unwrap();
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(state.path()), 0o711);
    assert_eq!(mode(state.logs()), 0o700);
    assert_eq!(mode(state.releases()), 0o700);
}

#[test]
fn file_in_the_way_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("file");
    std::fs::write(&root, "").unwrap();
    let error = StateDirectory::new(&root, "local").unwrap().ensure().unwrap_err();
    assert!(error.to_string().contains("file"), "{error}");
    assert!(error.hint().is_some());
}
