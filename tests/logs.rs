//! `crmctl logs`: whole lines, as many as asked for, and an end when nobody reads any more.

use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::time::{Duration, Instant};

use crate::harness::machine::Machine;

fn lines(machine: &Machine, arguments: &[&str]) -> Vec<String> {
    let said = machine.crmctl(&[&["logs", "local"], arguments].concat()).exits(0);
    said.out.lines().map(str::to_owned).collect()
}

/// The release and what it logged.
fn parse(line: &str) -> (String, serde_json::Value) {
    let (release, json) = line.split_once(' ').unwrap();
    (release.to_owned(), serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {line}")))
}

fn ends(child: &mut Child) {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it follows on for nobody");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn logs_are_read_as_far_back_as_asked_and_followed_until_nobody_reads() {
    let machine = Machine::new();
    machine.crmctl(&["logs", "local"]).exits(10).says(&["has logged nothing yet", "crmctl deploy local"]);
    machine.crmctl(&["deploy", "local", "--skip", "perf", "--reason", "not this story"]).exits(0);
    let serving = machine.serving();
    // More than is read at once, and a line longer than any screen.
    let log = machine.state().join("local/logs/crm.log");
    let long = "l".repeat(100_000);
    let mut text = std::fs::read_to_string(&log).unwrap();
    let own = text.lines().count();
    text += &format!("{serving} {{\"message\":\"{long} needle\"}}\n");
    text += &(0..4000).map(|number| format!("{serving} {{\"number\":{number}}}\n")).collect::<String>();
    std::fs::write(&log, text).unwrap();

    // The release goes on writing lines of its own.
    let found = lines(&machine, &["-n", "4500", "--grep", "{\"number\":"]);
    assert_eq!(found.len(), 4000);
    for line in &found {
        assert_eq!(parse(line).0, serving);
    }
    assert!(lines(&machine, &["-n", "99999"]).len() >= own + 4001);
    assert_eq!(parse(&found[3999]).1["number"], 3999);
    assert_eq!(lines(&machine, &["-n", "3000"]).len(), 3000);
    let needle = lines(&machine, &["-n", "1", "--grep", "needle"]);
    assert!(needle.len() == 1 && needle[0].ends_with("needle\"}"), "it is there, behind 4000 lines");

    let mut follower = machine.start(&["logs", "local", "--follow", "-n", "1", "--grep", "{\"number\":"]);
    let mut out = BufReader::new(follower.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(parse(line.trim_end()).1["number"], 3999);
    let append = |text: String| {
        let mut file = std::fs::File::options().append(true).open(&log).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    };
    append(format!("{serving} {{\"other\":1}}\n{serving} {{\"number\":4000}}\n"));
    line.clear();
    out.read_line(&mut line).unwrap();
    assert_eq!(parse(line.trim_end()).1["number"], 4000);
    // As `head` does: it leaves, and nothing more is written.
    drop(out);
    ends(&mut follower);
    assert_eq!(follower.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    follower.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}
