//! Who the server runs as: PostgreSQL refuses root.

use std::os::unix::process::CommandExt;
use std::process::Command;

use super::PostgresError;

/// An unprivileged user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) user: u32,
    pub(super) group: u32,
}

impl Account {
    /// The user to drop to; none when we are unprivileged ourselves.
    pub(super) fn for_servers() -> Result<Option<Self>, PostgresError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| Self::parse(&passwd, name))
            .map(Some)
            .ok_or(PostgresError::NoUser)
    }

    /// Source: passwd(5).
    fn parse(passwd: &str, name: &str) -> Option<Self> {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        let user = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        (user != 0).then(|| Self { name: name.to_owned(), user, group })
    }
}

/// Makes `command` run as `account` with a bare environment.
pub(super) fn run_as(command: &mut Command, account: Option<&Account>) {
    command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/local/bin:/usr/bin:/bin");
    if let Some(account) = account {
        // std drops the supplementary groups of root with the user.
        command.uid(account.user).gid(account.group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\npostgres-admin:x:7:7::/:/bin/sh\n\
                          postgres:x:104:106:PostgreSQL:/var/lib/postgresql:/bin/bash\nevil:x:0:0::/:/bin/sh\n";

    #[test]
    fn user_is_found_by_its_whole_name() {
        let found = Account::parse(PASSWD, "postgres").unwrap();
        assert_eq!((found.user, found.group), (104, 106));
        assert_eq!(Account::parse(PASSWD, "nobody"), None);
    }

    #[test]
    fn another_name_of_root_is_no_way_out() {
        assert_eq!(Account::parse(PASSWD, "evil"), None);
    }
}
