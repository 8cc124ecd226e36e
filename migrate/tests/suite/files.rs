//! What a folder of migrations may say.

use migrate::{LoadError, MigrationSet, Stage};

struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder with one good migration.
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.migration("001_base", "CREATE TABLE a (x int);\n", "DROP TABLE a;\n", "SELECT x FROM a;\n")
    }

    fn migration(self, stem: &str, up: &str, down: &str, verify: &str) -> Self {
        self.file(&format!("{stem}.up.sql"), up)
            .file(&format!("{stem}.down.sql"), down)
            .file(&format!("verify/{stem}.sql"), verify)
    }

    fn up(self, text: &str) -> Self {
        self.migration("002_next", text, "SELECT 1;", "SELECT 1;")
    }

    fn file(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn load(&self) -> Result<MigrationSet, LoadError> {
        MigrationSet::load(self.0.path())
    }

    fn complaint(&self) -> String {
        let error = self.load().unwrap_err();
        format!("{error}\nhint: {}", error.hint().unwrap_or_default())
    }
}

#[track_caller]
fn says(complaint: &str, parts: &[&str]) {
    for part in parts {
        assert!(complaint.contains(part), "`{part}` is not in:\n{complaint}");
    }
}

#[test]
fn a_good_folder_loads_and_other_things_in_it_are_ignored() {
    let folder = Folder::new()
        .file("README.md", "text")
        .file(".hidden.sql", "not sql")
        .file("provision/roles.sql", "CREATE ROLE x;")
        .migration(
            "016_notifications",
            "-- crmctl:stage contract\n-- crmctl:statement-timeout 30m\nSELECT 1;",
            "SELECT 1;",
            "SELECT 1;",
        );
    let set = folder.load().unwrap();
    let versions: Vec<i64> = set.iter().map(|m| m.version).collect();
    assert_eq!(versions, [1, 16]);
    assert_eq!(set.newest(), Some(16));
    let migration = set.get(16).unwrap();
    assert_eq!(
        (migration.stage, migration.statement_timeout),
        (Stage::Contract, Some(std::time::Duration::from_secs(1800)))
    );
    assert_eq!(set.get(1).unwrap().stage, Stage::Expand);
}

#[tokio::test]
async fn checksums_are_those_of_sqlx() {
    let folder = Folder::new();
    let sqlx = sqlx::migrate::Migrator::new(folder.0.path()).await.unwrap();
    let ours = folder.load().unwrap();
    let theirs = sqlx.iter().find(|m| m.migration_type.is_up_migration()).unwrap();
    assert_eq!(ours.get(1).unwrap().checksum, theirs.checksum.to_vec());
}

#[test]
fn line_ends_and_byte_order_mark_do_not_change_a_migration() {
    let unix = Folder::new().load().unwrap();
    let windows = Folder::new()
        .migration(
            "001_base",
            "\u{feff}CREATE TABLE a (x int);\r\n",
            "DROP TABLE a;\r\n",
            "SELECT x FROM a;\r\n",
        )
        .load()
        .unwrap();
    assert_eq!(unix, windows);
}

#[test]
fn the_manifest_has_the_shape_of_release_json() {
    let manifest = serde_json::to_value(Folder::new().load().unwrap().manifest()).unwrap();
    let entry = &manifest[0];
    assert_eq!((&entry["version"], &entry["name"]), (&1.into(), &"base".into()));
    assert_eq!(entry["checksum"].as_str().unwrap().len(), 96);
    for digest in ["down", "verify"] {
        assert_eq!(entry[digest].as_str().unwrap().len(), "sha256:".len() + 64);
    }
}

#[test]
fn a_duplicate_number_is_refused() {
    let folder = Folder::new().migration("001_other", "SELECT 1;", "SELECT 1;", "SELECT 1;");
    says(&folder.complaint(), &["001_other.up.sql", "number 1 is taken by `001_base.up.sql`"]);
    let padded = Folder::new().migration("1_base", "SELECT 1;", "SELECT 1;", "SELECT 1;");
    says(&padded.complaint(), &["number 1 is taken"]);
}

#[test]
fn a_missing_way_back_or_proof_is_refused() {
    let folder = Folder::new().file("002_next.up.sql", "SELECT 1;");
    says(
        &folder.complaint(),
        &["`002_next.down.sql`: the file is missing", "`verify/002_next.sql`: the file is missing"],
    );
    let folder = Folder::new().file("verify/003_gone.sql", "SELECT 1;");
    says(&folder.complaint(), &["`003_gone.up.sql`: the file is missing"]);
    let folder = Folder::new().migration("002_next", "SELECT 1;", "SELECT 1;", "-- nothing\n");
    says(&folder.complaint(), &["`verify/002_next.sql`", "proves nothing"]);
}

#[test]
fn a_bad_file_name_is_refused() {
    for name in [
        "002_next.sql",
        "two_next.up.sql",
        "002-next.up.sql",
        "002_Next.up.sql",
        "000_zero.up.sql",
        "002_.up.sql",
    ] {
        says(
            &Folder::new().file(name, "SELECT 1;").complaint(),
            &[name, "not that of a migration", "NNN_name.up.sql"],
        );
    }
}

#[test]
fn an_unknown_directive_is_refused_with_its_line_and_the_nearest_known() {
    says(
        &Folder::new().up("-- about\n-- crmctl:stag expand\nSELECT 1;").complaint(),
        &["`002_next.up.sql` line 2", "unknown directive `crmctl:stag`", "did you mean `crmctl:stage`?"],
    );
    says(
        &Folder::new().up("-- crmclt:stage expand\nSELECT 1;").complaint(),
        &["line 1", "did you mean `-- crmctl:`?"],
    );
    says(
        &Folder::new().up("-- crmctl:stage expnd\nSELECT 1;").complaint(),
        &["unknown stage `expnd`", "did you mean `expand`?"],
    );
    says(&Folder::new().up("-- crmctl:irreversible\nSELECT 1;").complaint(), &["gives no reason"]);
    says(
        &Folder::new().up("-- crmctl:stage expand\n-- crmctl:stage contract\nSELECT 1;").complaint(),
        &["line 2", "given twice"],
    );
    says(
        &Folder::new().up("-- crmctl:backfill table=a key=id batch=5\nSELECT 1;").complaint(),
        &["not supported yet"],
    );
    for wrong in ["", "x", "0", "-1"] {
        let header = format!("-- crmctl:breaks-below {wrong}\nSELECT 1;");
        says(
            &Folder::new().up(&header).complaint(),
            &["line 1", "`crmctl:breaks-below`", "number of a migration"],
        );
    }
    for wrong in ["", "30", "0s", "25h", "-1m", "1.5h", "18446744073709551615h"] {
        says(
            &Folder::new().up(&format!("-- crmctl:statement-timeout {wrong}\nSELECT 1;")).complaint(),
            &["line 1", "no time for `crmctl:statement-timeout`", "`30m`"],
        );
    }
    assert!(Folder::new().up("-- Note: an ordinary comment: with colons\nSELECT 1;").load().is_ok());
}

#[test]
fn a_directive_without_effect_is_refused() {
    says(
        &Folder::new().up("SELECT 1;\n-- crmctl:stage contract\n").complaint(),
        &["line 2", "below the first statement"],
    );
    says(
        &Folder::new().up("-- crmctl:stage expand\n-- no-transaction\nSELECT 1;").complaint(),
        &["line 2", "very first bytes"],
    );
    let folder =
        Folder::new().migration("002_next", "SELECT 1;", "-- crmctl:stage expand\nSELECT 1;", "SELECT 1;");
    says(&folder.complaint(), &["`002_next.down.sql` line 1", "from the up file alone"]);
}

#[test]
fn a_file_that_is_not_text_is_refused_with_its_line() {
    says(
        &Folder::new().file("001_base.up.sql", b"SELECT 1;\nSELECT '\xff';").complaint(),
        &["`001_base.up.sql` line 2", "not UTF-8"],
    );
}

#[test]
fn a_file_that_manages_transactions_is_refused() {
    says(
        &Folder::new().up("BEGIN;\nSELECT 1;\nCOMMIT;").complaint(),
        &["line 1", "line 3", "starts or ends a transaction"],
    );
}

#[test]
fn what_may_break_a_serving_release_needs_a_declared_stage() {
    let hazards = [
        ("ALTER TABLE a\n  DROP COLUMN x;", 2, "`drop column`"),
        ("ALTER TABLE a DROP x;", 1, "`drop column`"),
        ("ALTER TABLE a ADD y int, DROP  COLUMN  IF EXISTS x;", 1, "`drop column`"),
        ("ALTER TABLE a\nRENAME\tx TO y;", 2, "`rename column`"),
        ("ALTER TABLE a RENAME TO b;", 1, "`table rename to`"),
        ("ALTER TABLE a SET SCHEMA other;", 1, "`set schema`"),
        ("DROP TABLE a;", 1, "`drop table`"),
        ("SELECT 1;\nDROP VIEW v;", 2, "`drop view`"),
        ("DROP MATERIALIZED VIEW v;", 1, "`drop materialized view`"),
        ("DROP TYPE t;", 1, "`drop type`"),
        ("ALTER TYPE t RENAME VALUE 'a' TO 'b';", 1, "`rename value`"),
        ("DROP FUNCTION f(int);", 1, "`drop function`"),
        ("DROP SCHEMA s CASCADE;", 1, "`drop schema`"),
        ("ALTER TABLE a ALTER x TYPE bigint;", 1, "`set type`"),
        ("ALTER TABLE a ALTER COLUMN x SET DATA TYPE bigint;", 1, "`set type`"),
        ("ALTER TABLE a ALTER x SET NOT NULL;", 1, "`set not null`"),
        ("ALTER TABLE a ALTER x DROP DEFAULT;", 1, "`drop default`"),
        ("ALTER TABLE a ADD COLUMN y int NOT NULL;", 1, "`add column … not null`"),
        ("ALTER TABLE a ADD COLUMN serial_number text NOT NULL;", 1, "`add column … not null`"),
        ("ALTER TABLE a DROP CONSTRAINT k;", 1, "`drop constraint`"),
        ("ALTER TABLE a RENAME CONSTRAINT k TO l;", 1, "`rename constraint`"),
        ("DROP INDEX i;", 1, "`drop index`"),
        ("TRUNCATE a;", 1, "`truncate`"),
        ("DO $$ BEGIN EXECUTE 'ALTER TABLE a DROP x'; END $$;", 1, "cannot be looked into"),
        ("CREATE TABLE b (x int);\nALTER TABLE a DROP x FROBNICATE;", 2, "not understood"),
    ];
    for (up, line, what) in hazards {
        let complaint = Folder::new().up(up).complaint();
        let parts =
            [&format!("`002_next.up.sql` line {line}"), what, "declares no stage", "crmctl:stage contract"];
        says(&complaint, &parts);
        assert_eq!(complaint.matches("declares no stage").count(), 1, "told once:\n{complaint}");
        for stage in ["expand", "contract"] {
            assert!(Folder::new().up(&format!("-- crmctl:stage {stage}\n{up}")).load().is_ok(), "{up}");
        }
    }
}

#[test]
fn what_a_serving_release_does_not_notice_needs_no_stage() {
    for up in [
        "CREATE TABLE b (x int NOT NULL, droppings text);",
        "ALTER TABLE a ADD COLUMN y int, ADD COLUMN z int NOT NULL DEFAULT 0;",
        "ALTER TABLE a ADD COLUMN y bigserial NOT NULL, ADD z int GENERATED ALWAYS AS IDENTITY NOT NULL;",
        "ALTER TABLE a ALTER x DROP NOT NULL;",
        "ALTER INDEX j RENAME TO k;",
        "COMMENT ON TABLE a IS 'ALTER TABLE a DROP COLUMN x; RENAME me';",
        "INSERT INTO a VALUES (1); -- DROP TABLE a;",
        "CREATE VIEW renamed AS SELECT x AS rename FROM a;",
        "INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING;",
        "CREATE TRIGGER t BEFORE TRUNCATE ON a EXECUTE FUNCTION f();\nGRANT TRUNCATE ON a TO r;",
        "GRANT EXECUTE ON FUNCTION f() TO r;\nCREATE RULE r AS ON INSERT TO a DO INSTEAD NOTHING;",
        "CREATE TABLE b (x int NOT NULL DEFAULT 0, CONSTRAINT k CHECK (x > 0));\nALTER TABLE a ADD CONSTRAINT k CHECK (x > 0) NOT VALID;",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE a; END $$;",
    ] {
        let loaded = Folder::new().up(up).load();
        assert!(loaded.is_ok(), "{up}: {}", loaded.unwrap_err());
    }
}

#[test]
fn everything_wrong_is_told_at_once() {
    let folder = Folder::new()
        .up("-- crmctl:stag expand\nBEGIN;")
        .file("bad.sql", "")
        .file("003_x.up.sql", "SELECT 1;");
    assert_eq!(folder.load().unwrap_err().issues().len(), 5);
}
