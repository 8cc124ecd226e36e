//! What a suite file may say, and how each mistake is reported: line, column, what was probably meant.

use checks::{Outcome, Owner, Suite};

const SMOKE: &str = include_str!("../../../config/suites/smoke.toml");

fn mistakes(text: &str) -> String {
    let error = Suite::parse("probe.toml", text).expect_err("the file has mistakes");
    error.lines().collect::<Vec<_>>().join("\n")
}

#[test]
fn the_smoke_suite_has_the_checks_of_the_runbook() {
    let suite = Suite::parse("config/suites/smoke.toml", SMOKE).unwrap();
    let names: Vec<String> = suite.listing().map(|check| check.check).collect();
    insta::assert_debug_snapshot!(names, @r#"
    [
        "smoke/health",
        "smoke/scheduler-health",
        "smoke/login",
        "smoke/metrics-overview",
        "smoke/notifications-count",
        "smoke/meta-leads",
        "smoke/database-health",
    ]
    "#);
    assert_eq!(suite.required_secrets(), ["SMOKE_PASSWORD"]);
    assert_eq!(suite.listing().next().unwrap().owner, Owner::Ops);
}

#[test]
fn the_example_of_the_contract_is_accepted() {
    let text = r#"
schema = 1
[session.ceo]
email = "test@staging.com"
password_key = "SMOKE_PASSWORD"
[http.login]
method = "POST"
path = "/auth/login"
json = { email = "{{ceo.email}}", password = "{{ceo.password}}" }
expect = ["status == 200", "$.access_token exists"]
capture = { token = "$.access_token" }
owner = "dev"
severity = "critical"
load_weight = 0 # perf logs in once
[http.metrics-overview]
session = "ceo"
path = "/admin/core/sellers/dashboard/overview?tenant_id={{tenant_id}}"
expect = ["status == 200"]
until = { deadline_ms = 5000, every_ms = 100 }
"#;
    Suite::parse("smoke.toml", text).unwrap();
}

#[test]
fn all_mistakes_are_reported_together_with_their_places() {
    let text = r#"schema = 1
sesion = 1
[session.ceo]
email = "a@b.c"
pasword_key = "P"
[http.login]
methd = "GET"
method = "FETCH"
path = "auth"
expect = ["status = 200", "$.[ exists", "header x == \"a\"", "stats == 200", "$.a exist"]
owner = "develop"
until = { deadline_ms = 5, every_ms = 10, evry = 1 }
load_weight = -1
"#;
    insta::assert_snapshot!(mistakes(text));
}

#[test]
fn wrong_types_are_reported_with_what_was_wanted() {
    let text = r#"schema = "1"
[http]
one = 1
[http.two]
path = 3
expect = "status == 200"
headers = ["a"]
capture = { token = 1 }
depends = [1]
until = true
json = { at = 2026-11-24, f = nan }
"#;
    insta::assert_snapshot!(mistakes(text));
}

#[test]
fn assertions_are_refused_at_the_word_that_is_wrong() {
    let lines = [
        r#""""#,
        r#""status""#,
        r#""status == \"200\"""#,
        r#""status exists""#,
        r#""status in 200""#,
        r#""status in [200""#,
        r#""status == 200 and more""#,
        r#"'header "a" > 1'"#,
        r#"'header "a" == 1'"#,
        r#""body exists""#,
        r#""body contains 3""#,
        r#""$.a is nmber""#,
        r#""$.a not is null""#,
        r#""$.a == unquoted""#,
        r#""$.a == 'open""#,
        r#""$..[?@.x ==] count > 0""#,
        r#""$.a == \"{{tenant_idd}}\"""#,
        r#""$.a == \"{{nobody.token}}\"""#,
        r#""$.a == \"{{open\"""#,
        r#""$.a == \"{{a b}}\"""#,
        r#""$.a exists if relase""#,
        r#""$.a exists if""#,
        r#""duration_ms < fast""#,
    ];
    let list = lines.map(|line| format!("  {line},\n")).concat();
    let text = format!("schema = 1\n[http.a]\npath = \"/\"\nexpect = [\n  \"status == 200\",\n{list}]\n");
    insta::assert_snapshot!(mistakes(&text));
}

#[test]
fn names_that_lead_nowhere_are_refused() {
    let text = r#"schema = 1
[session.ceo]
email = "a@b.c"
password_key = "P"
login = "logn"
[session.seller]
email = "s@b.c"
password_key = "P"
[http.login]
path = "/l?x={{ceo.mail}}"
expect = ["status == 200"]
[http.b]
session = "coe"
path = "/{{login.token}}/{{loginn.token}}"
expect = ["status == 200"]
depends = ["logim"]
[http.ceo]
path = "/"
expect = ["status == 200"]
"#;
    insta::assert_snapshot!(mistakes(text));
}

#[test]
fn checks_that_wait_for_each_other_are_refused() {
    let text = r#"schema = 1
[http.a]
path = "/{{b.x}}"
expect = ["status == 200"]
[http.b]
path = "/"
expect = ["status == 200"]
capture = { x = "$.x" }
depends = ["c"]
[http.c]
path = "/"
expect = ["status == 200"]
depends = ["a"]
[http.self]
path = "/{{self.x}}"
capture = { x = "$.x", many = "$..x" }
expect = ["status == 200"]
"#;
    insta::assert_snapshot!(mistakes(text));
}

#[test]
fn a_check_has_to_say_which_status_is_right() {
    let text = "schema = 1\n[http.a]\npath = \"/\"\n[http.b]\npath = \"/\"\nexpect = [\"$.a exists\"]\n";
    insta::assert_snapshot!(mistakes(text));
}

#[test]
fn a_status_that_is_asked_for_in_some_runs_only_is_refused() {
    let text = "schema = 1\n[http.a]\npath = \"/\"\nexpect = [\n  \"status == 200 if release\",\n  \"$.a exists if release\",\n]\n";
    insta::assert_snapshot!(mistakes(text), @r"
    probe.toml:5:3: a status is asked for in every run
    hint: leave out `if …`; write a second check if two runs expect different answers
    ");
    let beside = text.replace("[\n", "[\n  \"status < 500\",\n");
    assert!(mistakes(&beside).contains("asked for in every run"), "it would hold for any answer below 500");
}

#[test]
fn other_schemas_and_empty_files_are_refused() {
    insta::assert_snapshot!(mistakes("schema = 2\n[http.a]\npath = \"/\"\nexpect = [\"status == 200\"]\n"), @"
    probe.toml:1:10: this is suite schema 2; 1 is known here
    hint: a newer crmctl wrote it; update this one
    ");
    let empty = mistakes("");
    assert!(
        empty.starts_with("probe.toml:1:1: `schema` is missing\nhint: begin the file with `schema = 1`\n"),
        "{empty}"
    );
    assert!(empty.contains("probe.toml:1:1: the suite has no checks\nhint: kinds: http"), "{empty}");
}

#[test]
fn syntax_errors_have_a_place() {
    insta::assert_snapshot!(mistakes("schema = 1\n[http.a\npath = \"/\nx = = 1\n"));
}

#[test]
fn windows_files_are_read() {
    let text = format!("\u{feff}{}", SMOKE.replace('\n', "\r\n"));
    assert_eq!(Suite::parse("smoke.toml", &text).unwrap().listing().count(), 7);
    insta::assert_snapshot!(mistakes("\u{feff}schema = 1\r\n[http.a]\r\npth = 1\r\n"));
}

#[test]
fn a_huge_file_is_refused_without_being_parsed() {
    let text = format!("schema = 1\n# {}", "x".repeat(10 << 20));
    insta::assert_snapshot!(mistakes(&text), @"
    probe.toml:1:1: the file has 10485773 bytes, more than the 1048576 that are read
    hint: split the file, or check that it is the one you meant
    ");
}

#[test]
fn deep_nesting_and_odd_bytes_are_refused_quietly() {
    let deep = format!("schema = 1\nx = {}{}\n", "[".repeat(5000), "]".repeat(5000));
    assert!(mistakes(&deep).starts_with("probe.toml:2:"));
    assert!(mistakes("schema = 1\u{0}\n").starts_with("probe.toml:1:"));
    assert!(mistakes("\r\r\r").starts_with("probe.toml:1:"));
}

#[test]
fn names_of_files_and_checks_are_words() {
    let text = "schema = 1\n[http.\"a/b\"]\npath = \"/\"\nexpect = [\"status == 200\"]\n";
    insta::assert_snapshot!(mistakes(text), @"
    probe.toml:2:7: `a/b` is no name of a check
    hint: letters, digits, `-` and `_`, beginning with a letter
    ");
    let good = text.replace("a/b", "a");
    assert!(Suite::parse("dir/9 lives.toml", &good).is_err());
    assert!(Suite::parse("dir/extra.suite.toml", &good).is_err());
}

#[test]
fn the_report_underlines_the_mistake() {
    let error = Suite::parse("probe.toml", "schema = 1\n[http.a]\npth = \"/\"\n").unwrap_err();
    let mut page = String::new();
    let theme = miette::GraphicalTheme::unicode_nocolor();
    miette::GraphicalReportHandler::new_themed(theme).render_report(&mut page, &error).unwrap();
    insta::assert_snapshot!(page);
}

#[test]
fn outcomes_rank_from_passed_to_failed() {
    assert!(Outcome::Passed < Outcome::Errored && Outcome::Errored < Outcome::Failed);
}
