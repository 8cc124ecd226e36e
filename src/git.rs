//! Facts about the checkout, asked of the `git` program. Changes nothing.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;

/// A checkout.
#[derive(Debug, Clone)]
pub struct Checkout {
    /// Its top directory.
    pub root: PathBuf,
}

/// Where the current branch stands against its upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// Name; absent on a detached HEAD.
    pub name: Option<String>,
    /// Upstream's name; absent when none is set.
    pub upstream: Option<String>,
    /// Commits that upstream lacks.
    pub ahead: u64,
    /// Commits that only upstream has.
    pub behind: u64,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its whole id.
    pub id: String,
    /// Its first line.
    pub subject: String,
    /// Name of its author.
    pub author: String,
}

/// Commits between two others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Between {
    /// How many there are.
    pub count: u64,
    /// The newest ones, newest first.
    pub listed: Vec<Commit>,
}

impl Checkout {
    /// The checkout around `directory`.
    ///
    /// # Errors
    /// git is missing, or `directory` is in no checkout.
    pub fn around(directory: &Path) -> Result<Self, Error> {
        let root = git(directory, &["rev-parse", "--show-toplevel"]).map_err(|cause| {
            Error::refused(format!("`{}` is in no git checkout: {cause}", directory.display()))
                .hint("run crmctl inside a clone of the project, or give `--config DIR` of one")
        })?;
        Ok(Self { root: PathBuf::from(root.trim()) })
    }

    /// The whole id of HEAD.
    ///
    /// # Errors
    /// There is no commit yet.
    pub fn head(&self) -> Result<String, Error> {
        let head = git(&self.root, &["rev-parse", "--verify", "HEAD^{commit}"]);
        head.map(|id| id.trim().to_owned()).map_err(|cause| {
            Error::refused(format!("the checkout has no commit: {cause}"))
                .hint("commit first: a release names one")
        })
    }

    /// Files under `paths` that git tracks or would track, relative to the root, ascending.
    ///
    /// # Errors
    /// git failed.
    pub fn files(&self, paths: &[&str]) -> Result<Vec<String>, Error> {
        let mut arguments = vec!["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"];
        arguments.extend(paths);
        let listed = git(&self.root, &arguments).map_err(Error::refused)?;
        let mut files: Vec<String> = listed
            .split('\0')
            .filter(|file| !file.is_empty() && self.root.join(file).is_file())
            .map(str::to_owned)
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// Files under `paths` that differ from HEAD, or are new, relative to the root.
    ///
    /// # Errors
    /// git failed.
    pub fn changed(&self, paths: &[&str]) -> Result<Vec<String>, Error> {
        let mut arguments =
            vec!["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--"];
        arguments.extend(paths);
        let listed = git(&self.root, &arguments).map_err(Error::refused)?;
        Ok(listed.split('\0').filter_map(|line| line.get(3..)).map(str::to_owned).collect())
    }

    /// Files in a state of conflict.
    ///
    /// # Errors
    /// git failed.
    pub fn conflicts(&self) -> Result<Vec<String>, Error> {
        let listed =
            git(&self.root, &["diff", "--name-only", "--diff-filter=U", "-z"]).map_err(Error::refused)?;
        Ok(listed.split('\0').filter(|file| !file.is_empty()).map(str::to_owned).collect())
    }

    /// Subject lines of the commits in `from..HEAD`, newest first, at most 20; of the last 20 without `from`.
    pub fn log(&self, from: Option<&str>) -> Vec<String> {
        let range = from.map_or("HEAD".to_owned(), |from| format!("{from}..HEAD"));
        let listed = git(&self.root, &["log", "--oneline", "-20", &range]).unwrap_or_default();
        listed.lines().map(str::to_owned).collect()
    }

    /// Commits in `from..to`, of which `most` are listed.
    ///
    /// # Errors
    /// This clone lacks one of the two.
    pub fn between(&self, from: &str, to: &str, most: usize) -> Result<Between, String> {
        for commit in [from, to] {
            git(&self.root, &["cat-file", "-e", &format!("{commit}^{{commit}}")])
                .map_err(|_| format!("this clone lacks commit {}", commit.get(..12).unwrap_or(commit)))?;
        }
        let range = format!("{from}..{to}");
        let count = git(&self.root, &["rev-list", "--count", &range])?.trim().parse().unwrap_or(0);
        let most = format!("--max-count={most}");
        let listed = git(&self.root, &["log", &most, "--format=%H%x1f%s%x1f%an", &range])?;
        let commit = |line: &str| {
            let mut parts = line.split('\x1f').map(str::to_owned);
            Some(Commit { id: parts.next()?, subject: parts.next()?, author: parts.next()? })
        };
        Ok(Between { count, listed: listed.lines().filter_map(commit).collect() })
    }

    /// Whether a file, relative to the root, would never be committed by mistake.
    pub fn ignores(&self, file: &str) -> bool {
        git(&self.root, &["check-ignore", "--quiet", "--", file]).is_ok()
    }

    /// `older` lies on the way to `newer`.
    pub fn is_ancestor(&self, older: &str, newer: &str) -> bool {
        git(&self.root, &["merge-base", "--is-ancestor", older, newer]).is_ok()
    }

    /// The current branch against its upstream, as far as this clone knows (nothing is fetched).
    pub fn branch(&self) -> Branch {
        let ask = |arguments: &[&str]| git(&self.root, arguments).ok().map(|text| text.trim().to_owned());
        let name = ask(&["symbolic-ref", "--quiet", "--short", "HEAD"]);
        let upstream = ask(&["rev-parse", "--abbrev-ref", "--symbolic-full-name", "@{upstream}"]);
        let counts = upstream
            .as_ref()
            .and_then(|_| ask(&["rev-list", "--left-right", "--count", "HEAD...@{upstream}"]));
        let mut counts =
            counts.as_deref().unwrap_or("0 0").split_whitespace().map(|n| n.parse().unwrap_or(0));
        Branch { name, upstream, ahead: counts.next().unwrap_or(0), behind: counts.next().unwrap_or(0) }
    }
}

/// Runs git and gives what it printed, or its complaint.
fn git(directory: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["-c", "core.quotePath=false", "-c", "core.fsmonitor=false"])
        .args(arguments)
        // Ctrl-C is for crmctl: a git that dies of it would look like a checkout that cannot be read.
        .process_group(0)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("LC_ALL", "C")
        .output()
        .map_err(|error| format!("`git` cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(complaint.lines().next().unwrap_or("git failed").trim_start_matches("fatal: ").to_owned())
}
