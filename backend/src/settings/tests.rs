//! Facts about settings: what is refused, that all mistakes come together, that secrets stay hidden.

use super::*;

const KEY: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a6978";

fn good() -> Vec<(&'static str, &'static str)> {
    vec![("POSTGRES_DSN", "postgresql://crm_app:pw@127.0.0.1:1/crm"), ("JWT_SECRET", KEY)]
}

fn with(more: &[(&'static str, &'static str)]) -> Result<Settings, SettingsError> {
    Settings::read(Source::from_pairs(good().into_iter().chain(more.iter().copied())))
}

fn names(error: &SettingsError) -> Vec<&str> {
    error.0.iter().map(|mistake| mistake.name.as_str()).collect()
}

#[test]
fn two_settings_are_enough() {
    let settings = with(&[]).unwrap();
    assert_eq!(settings.bind.to_string(), "127.0.0.1:8000");
    assert_eq!(settings.drain, Duration::from_secs(10));
    assert!(settings.redis.is_none());
}

#[test]
fn all_mistakes_are_reported_together() {
    let pairs =
        [("BIND", "here"), ("ENABLE_NOTIFICATIONS", "maybe"), ("DRAIN_SECONDS", "-1"), ("REDIS_PORT", "1")];
    let error = Settings::read(Source::from_pairs(pairs)).unwrap_err();
    let mut found = names(&error);
    found.sort_unstable();
    assert_eq!(
        found,
        ["BIND", "DRAIN_SECONDS", "ENABLE_NOTIFICATIONS", "JWT_SECRET", "POSTGRES_DSN", "REDIS_HOST"]
    );
}

#[test]
fn weak_keys_are_refused_and_not_shown() {
    for weak in
        ["short", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "changeme-0123456789abcdefghijklmnop-xyz"]
    {
        let pairs = [("POSTGRES_DSN", "postgresql://a@b/c"), ("JWT_SECRET", weak)];
        let error = Settings::read(Source::from_pairs(pairs)).unwrap_err();
        assert_eq!(names(&error), ["JWT_SECRET"]);
        assert!(!error.to_string().contains(weak));
    }
}

#[test]
fn a_value_may_come_from_a_file_but_not_twice() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{KEY}\n")).unwrap();
    let path = file.path().to_str().unwrap();
    let pairs = [("POSTGRES_DSN", "postgresql://a@b/c"), ("JWT_SECRET_FILE", path)];
    assert!(Settings::read(Source::from_pairs(pairs)).is_ok());
    let error = Settings::read(Source::from_pairs(good().into_iter().chain([("JWT_SECRET_FILE", path)])));
    assert_eq!(names(&error.unwrap_err()), ["JWT_SECRET"]);
}

#[test]
fn a_missing_file_is_named() {
    let error = with(&[("REDIS_HOST_FILE", "/nowhere/at/all")]).unwrap_err();
    assert_eq!(names(&error), ["REDIS_HOST_FILE"]);
    assert!(error.to_string().contains("/nowhere/at/all"));
}

#[test]
fn secrets_do_not_show_in_debug() {
    let settings = with(&[("REDIS_HOST", "r"), ("REDIS_PASSWORD", "hush-hush")]).unwrap();
    let shown = format!("{settings:?}");
    assert!(!shown.contains(KEY) && !shown.contains("hush-hush"), "{shown}");
}

#[test]
fn origins_are_exact() {
    let settings = with(&[("CORS_ORIGINS", "https://a.example.com, http://localhost:5173/")]).unwrap();
    assert_eq!(settings.cors_origins, ["https://a.example.com", "http://localhost:5173"]);
    for bad in ["*", "https://a.example.com/page", "ftp://a", "https://u:p@a"] {
        assert_eq!(names(&with(&[("CORS_ORIGINS", bad)]).unwrap_err()), ["CORS_ORIGINS"], "{bad}");
    }
}

#[test]
fn networks_contain_what_they_say() {
    let net: Network = "10.1.0.0/16".parse().unwrap();
    assert!(net.contains("10.1.255.1".parse().unwrap()));
    assert!(net.contains("::ffff:10.1.2.3".parse().unwrap()));
    assert!(!net.contains("10.2.0.1".parse().unwrap()));
    let all: Network = "::/0".parse().unwrap();
    assert!(all.contains("2001:db8::1".parse().unwrap()));
    assert!("10.0.0.0/33".parse::<Network>().is_err());
}

#[test]
fn log_levels_of_other_worlds_are_understood() {
    assert_eq!(with(&[("LOG_LEVEL", "INFO")]).unwrap().log_level, "info");
    assert_eq!(with(&[("LOG_LEVEL", "WARNING")]).unwrap().log_level, "warn");
    assert_eq!(
        with(&[("LOG_LEVEL", "info, crm_backend=DEBUG")]).unwrap().log_level,
        "info,crm_backend=debug"
    );
    for wrong in ["loud=", "inof", "info,,", "crm_backend=loud"] {
        assert_eq!(names(&with(&[("LOG_LEVEL", wrong)]).unwrap_err()), ["LOG_LEVEL"], "{wrong}");
    }
}

#[test]
fn a_server_without_meta_starts_and_one_that_greets_needs_the_secret() {
    assert!(with(&[("META_APP_ID", "1234567890")]).unwrap().meta.is_none());
    let secret = ("META_APP_SECRET", "5f1d0c9b8a7e6d5c");
    let meta = with(&[secret]).unwrap().meta.unwrap();
    assert!(meta.verify_token.is_none());
    assert_eq!(
        (meta.graph_url.as_str(), meta.graph_version.as_str()),
        ("https://graph.facebook.com/", "v23.0")
    );
    assert_eq!(
        names(&with(&[("META_VERIFY_TOKEN", "saludo-saludo-saludo")]).unwrap_err()),
        ["META_APP_SECRET"]
    );
    let file = ("META_APP_SECRET_FILE", "/nowhere/at/all");
    assert_eq!(names(&with(&[file]).unwrap_err()), ["META_APP_SECRET_FILE"]);
}

#[test]
fn settings_of_meta_are_checked_and_hidden() {
    let secret = ("META_APP_SECRET", "5f1d0c9b8a7e6d5c");
    for (name, value) in [
        ("META_APP_SECRET", "short"),
        ("META_VERIFY_TOKEN", "short"),
        ("META_APP_ID", "mine"),
        ("META_GRAPH_URL", "http://graph.example.com"),
        ("META_GRAPH_URL", "https://graph.example.com/?a=b"),
        ("META_GRAPH_VERSION", "23"),
        ("META_GRAPH_VERSION", "v23.0/../me"),
        ("META_GRAPH_TIMEOUT_MS", "1"),
    ] {
        let error = with(&[secret, (name, value)]).unwrap_err();
        assert_eq!(names(&error), [name], "{value}");
    }
    assert!(with(&[secret, ("META_GRAPH_URL", "http://127.0.0.1:8090")]).is_ok());
    let shown = format!("{:?}", with(&[secret, ("META_VERIFY_TOKEN", "saludo-saludo-saludo")]).unwrap());
    assert!(!shown.contains("5f1d0c9b8a7e6d5c") && !shown.contains("saludo"), "{shown}");
}
