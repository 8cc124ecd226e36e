//! One environment file as its tables: parsed strictly, then judged for values that make no sense. Every mistake
//! is collected with its line.

use std::path::Path;

use super::document::{Document, Mistake};
use super::hosting;
use super::tables::hosting::Hosting;
use super::tables::{
    self, Backend, Build, Contacts, Database, Ledger, Notify, Owners, Perf, PlatformName, Smoke, Top,
};

/// The tables of one file, parsed.
pub(super) struct Tables {
    pub(super) top: Top,
    pub(super) backend: Backend,
    pub(super) build: Build,
    pub(super) database: Database,
    pub(super) ledger: Ledger,
    pub(super) hosting: Hosting,
    pub(super) smoke: Smoke,
    pub(super) perf: Perf,
    pub(super) notify: Notify,
    pub(super) owners: Owners,
    pub(super) contacts: Contacts,
}

impl Tables {
    pub(super) fn parse(file: &Path, text: &str) -> Result<Self, Vec<Mistake>> {
        let mut document = Document::parse(file, text).map_err(|mistake| vec![mistake])?;
        let top = document.top();
        let backend = document.table("backend");
        let build = document.table("build");
        let database = document.table("database");
        let ledger = document.table("ledger");
        let engine = document.table("engine");
        let registry = document.table("registry");
        let edge = document.table("edge");
        let page = document.table("page");
        let limits = document.table("limits");
        let smoke = document.table("smoke");
        let perf = document.table("perf");
        let notify = document.table("notify");
        let owners = document.table("owners");
        let contacts = document.table("contacts");
        let mut mistakes = document.finish(&tables::NAMES);
        let all = (|| {
            Some(Self {
                top: top?,
                backend: backend?,
                build: build?,
                database: database?,
                ledger: ledger?,
                hosting: Hosting {
                    engine: engine?,
                    registry: registry?,
                    edge: edge?,
                    page: page?,
                    limits: limits?,
                },
                smoke: smoke?,
                perf: perf?,
                notify: notify?,
                owners: owners?,
                contacts: contacts?,
            })
        })();
        match all {
            Some(tables) => {
                mistakes.extend(tables.senseless(file, text));
                mistakes.sort();
                if mistakes.is_empty() { Ok(tables) } else { Err(mistakes) }
            }
            None => Err(mistakes),
        }
    }

    /// Values that are well formed and make no sense.
    fn senseless(&self, file: &Path, text: &str) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let mut check = |right: bool, key: &str, message: String| {
            if !right {
                mistakes.push(Mistake { file: file.to_owned(), line: line_of_key(text, key), message });
            }
        };
        let top = &self.top;
        check(
            top.schema == 1,
            "schema",
            format!("`schema = {}` is not known; this crmctl reads 1", top.schema),
        );
        check(
            top.watch_window_seconds == 0,
            "watch_window_seconds",
            "`watch_window_seconds` must be 0: no platform of this version watches a release after its deploy".to_owned(),
        );
        check((1..=50).contains(&top.retention), "retention", "`retention` must be 1 to 50".to_owned());
        check(top.drain_seconds <= 300, "drain_seconds", "`drain_seconds` must be 0 to 300".to_owned());
        let url = url::Url::parse(&self.backend.url);
        let web = url.as_ref().is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        check(web, "url", format!("`url = \"{}\"` is no http or https address", self.backend.url));
        let one_source = self.build.profile.is_some() != self.build.artifact.is_some();
        check(one_source, "build", "`[build]` wants either `profile` or `artifact`".to_owned());
        let profile = self.build.profile.as_deref().is_none_or(|name| matches!(name, "release" | "dev"));
        check(profile, "profile", "`profile` must be `release` or `dev`".to_owned());
        check(
            (1..=86_400).contains(&self.build.deadline_seconds),
            "deadline_seconds",
            "`deadline_seconds` must be 1 to 86400".to_owned(),
        );
        let dsn = self.database.dsn_key.is_some() && self.database.migrator_dsn_key.is_some();
        check(
            self.database.embedded != dsn,
            "database",
            "`[database]` wants either `embedded = true` or both `dsn_key` and `migrator_dsn_key`".to_owned(),
        );
        let own = self.ledger.dsn_key.is_none()
            || self.database.keys().all(|key| Some(key) != self.ledger.dsn_key.as_deref());
        check(
            own,
            "ledger",
            "`[ledger] dsn_key` must be another key than those of `[database]`: the ledger has a database of its own"
                .to_owned(),
        );
        check((1..=100_000).contains(&self.perf.rate), "rate", "`rate` must be 1 to 100000".to_owned());
        let seconds = self.perf.duration_seconds;
        check(
            (1..=3600).contains(&seconds),
            "duration_seconds",
            "`duration_seconds` must be 1 to 3600".to_owned(),
        );
        let embedded_elsewhere = self.database.embedded && top.platform == PlatformName::Swarm;
        check(!embedded_elsewhere, "embedded", "`embedded = true` needs `platform = \"process\"`".to_owned());
        let is_swarm = top.platform == PlatformName::Swarm;
        for table in tables::HOSTING {
            let is_there = text.lines().any(|line| line.trim_start().starts_with(&format!("[{table}]")));
            check(is_swarm || !is_there, table, format!("`[{table}]` needs `platform = \"swarm\"`"));
        }
        if is_swarm {
            for (key, message) in hosting::senseless(&self.hosting, &self.backend.url) {
                check(false, key, message);
            }
        }
        mistakes
    }
}

fn line_of_key(text: &str, key: &str) -> usize {
    let starts = |line: &str| {
        let line = line.trim_start();
        line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
            || line.starts_with(&format!("[{key}]"))
    };
    text.lines().position(starts).map_or(0, |index| index + 1)
}
