//! Terminals of any width, without colours, dumb, closed or never there.

use std::process::Command;

use console::{measure_text_width, strip_ansi_codes};

use crate::harness::machine::{Machine, Said, eventually};
use crate::harness::terminal::Terminal;
use crate::interruption::good;

const SKIP: [&str; 4] = ["--skip", "perf", "--reason", "not this story"];

/// What stood on a terminal's lines, drafts that were drawn over included.
fn drawn(said: &Said) -> Vec<String> {
    let plain = strip_ansi_codes(&said.out).into_owned();
    plain.split(['\r', '\n']).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Asserts that no line is wider than `columns`. A command to be typed next is never cut in two, and neither is a
/// single word.
#[track_caller]
fn fits(said: &Said, columns: usize) {
    let typed = |line: &str| line.starts_with("next: ") || line.starts_with("or: ");
    let wide =
        |line: &&String| measure_text_width(line) > columns && !typed(line) && line.trim().contains(' ');
    let wide: Vec<String> = drawn(said).iter().filter(wide).cloned().collect();
    assert!(wide.is_empty(), "wider than {columns}: {wide:#?}");
}

#[test]
fn no_line_is_wider_than_a_narrow_terminal() {
    let machine = Machine::new();
    let at = |arguments: &[&str], columns: u16| Terminal::start(&machine.command(arguments), columns).read();
    let deploy = [&["deploy", "local"][..], &SKIP].concat();
    let first = at(&deploy, 60).exits(0).says(&["address: http://127.0.0.1"]);
    fits(&first, 60);
    machine.configure("crm-server-faults", &[]);
    machine.write_secrets("CRM_FAULT=login_broken\n", 0o600);
    machine.commit("a bad change");
    let failed =
        at(&deploy, 60).exits(20).says(&["smoke/login", "status == 200", "next: crmctl status local"]);
    fits(&failed, 60);
    machine.configure("crm-server", &[]);
    machine.write_secrets("", 0o600);
    machine.commit("a good change");
    for columns in [60, 160] {
        for verb in ["status", "history", "report", "plan", "preflight"] {
            fits(&at(&[verb, "local"], columns).exits(0), columns.into());
        }
        fits(&at(&["doctor", "local"], columns).exits(0).says(&["doctor/journal"]), columns.into());
        fits(&at(&["smoke", "local"], columns).exits(0).says(&["smoke/login"]), columns.into());
    }
    machine.crmctl(&["down", "local"]).exits(0);
    let ill = at(&["doctor", "local"], 60).exits(30).says(&["next: crmctl deploy local"]);
    fits(&ill, 60);
    // In a pipe nothing is cut and nothing is broken.
    let piped = machine.crmctl(&["history", "local"]).exits(0).out;
    assert_eq!(piped.lines().count(), machine_runs(&machine), "{piped}");
}

fn machine_runs(machine: &Machine) -> usize {
    let history = machine.crmctl(&["history", "local", "--output", "json"]).exits(0).json();
    history["runs"].as_array().unwrap().len()
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let machine = Machine::new();
    let at = |name: &str, value: &str, arguments: &[&str]| {
        let mut command = machine.command(arguments);
        command.env(name, value);
        Terminal::start(&command, 100).read()
    };
    let coloured = |said: &Said| said.out.contains("\u{1b}[32m") || said.out.contains("\u{1b}[31m");
    let preflight = ["preflight", "local"];
    assert!(coloured(&at("NO_COLOR", "", &preflight).exits(0)), "an empty NO_COLOR forbids nothing");
    let plain = at("NO_COLOR", "1", &preflight).exits(0);
    let any = ["\u{1b}[1m", "\u{1b}[2m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m"];
    assert!(any.iter().all(|code| !plain.out.contains(code)), "{:?}", plain.out);
    let dumb = at("TERM", "dumb", &[&["deploy", "local"][..], &SKIP].concat()).exits(0);
    assert!(!dumb.out.contains('\u{1b}'), "a dumb terminal shows this: {:?}", dumb.out);
    assert!(dumb.out.contains("deploy.shift"), "without bars every step has its line: {}", dumb.out);
}

#[test]
fn quiet_and_verbose_say_less_and_more() {
    let machine = Machine::new();
    let on_terminal =
        |more: &str| Terminal::start(&machine.command(&["smoke", "local", more]), 100).read().exits(0);
    let deploy = [&["deploy", "local", "--quiet"][..], &SKIP].concat();
    let quiet = machine.crmctl(&deploy).exits(0);
    assert!(quiet.out.starts_with("deployed "), "only how it ended: {}", quiet.out);
    assert_eq!(quiet.err, "");
    let quiet = on_terminal("--quiet");
    assert!(!quiet.out.contains("smoke/login") && quiet.out.contains("done"), "{}", quiet.out);
    let verbose = on_terminal("--verbose");
    assert!(verbose.out.contains("smoke.run") && verbose.out.contains("smoke/login"), "{}", verbose.out);
    machine.crmctl(&["smoke", "local", "--quiet", "--verbose"]).exits(2).says(&["--quiet", "--verbose"]);
    let refused = machine.crmctl(&["deploy", "lcoal", "--quiet"]).exits(2);
    assert!(refused.err.contains("did you mean `local`?"), "errors are said all the same: {}", refused.err);
}

/// A line of shell with crmctl as `$crmctl`; its exit code is that of crmctl, whatever else is in the pipe.
fn shell(machine: &Machine, line: &str) -> Said {
    let ours = machine.command(&[]);
    let mut command = Command::new("bash");
    command.args(["-c", &format!("{line}; exit ${{PIPESTATUS[0]}}")]).current_dir(machine.checkout());
    command.env("crmctl", ours.get_program());
    for (name, value) in ours.get_envs().filter_map(|(name, value)| Some((name, value?))) {
        command.env(name, value);
    }
    command.output().unwrap().into()
}

#[test]
fn closed_and_full_streams_change_no_ending() {
    let machine = Machine::new();
    let deploy = "$crmctl deploy local --skip perf --reason none";
    for (number, streams) in [">&- 2>&- <&-", "| head -1", ">/dev/full 2>/dev/full"].iter().enumerate() {
        machine.commit(&format!("change {number}"));
        let before = machine.serving();
        shell(&machine, &format!("{deploy} {streams}")).exits(0);
        assert_ne!(machine.serving(), before, "`{streams}` stopped the deploy");
    }
    for verb in ["status local", "doctor local", "report local", "plan local", "smoke local"] {
        for streams in [">&- 2>&-", "| true", ">/dev/full", "--output json | true"] {
            shell(&machine, &format!("$crmctl {verb} {streams}")).exits(0);
        }
    }
    for verb in ["--help", "man", "completions bash", "status --help"] {
        shell(&machine, &format!("$crmctl {verb} | true")).exits(0);
        shell(&machine, &format!("$crmctl {verb} >&-")).exits(0);
    }
    shell(&machine, "$crmctl status locl 2>&-").exits(2);
    shell(&machine, "$crmctl status --nonsense 2>&-").exits(2);
    shell(&machine, "$crmctl status locl 2>/dev/full").exits(2);
}

#[test]
fn a_run_whose_terminal_is_closed_goes_on_to_its_end() {
    let machine = Machine::new();
    let old = good(&machine);
    machine.commit("change");
    let deploy = [&["deploy", "local"][..], &SKIP].concat();
    let terminal = Terminal::start(&machine.command(&deploy), 80);
    let journal = machine.state().join("local/ledger/journal.ndjson");
    let intent = |line: &str| line.contains("\"step\":\"deploy.start\"") && line.contains("\"INTENT\"");
    let begun = || std::fs::read_to_string(&journal).unwrap().lines().filter(|line| intent(line)).count();
    eventually("the second release is started", || begun() == 2);
    let mut child = terminal.close();
    assert_eq!(child.wait().unwrap().code(), Some(0), "the run was hung up on");
    assert_ne!(machine.serving(), old);
    assert_eq!(machine.status()["last_run"]["ending"], "deployed");
}
