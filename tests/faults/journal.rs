//! A journal that was torn, flipped or put in another order: what a crash can leave is accepted, everything else is
//! refused with its place, and nothing is guessed.

use super::{DEPLOY, diagnosis, journal};
use crate::harness::machine::Machine;

/// Verbs that need the journal, and what each does with a broken one.
const READERS: [&[&str]; 6] = [
    &["deploy", "local"],
    &["rollback", "local"],
    &["resume", "local"],
    &["status", "local"],
    &["history", "local"],
    &["report", "local"],
];

#[test]
fn a_torn_tail_is_accepted_and_a_changed_journal_is_refused_with_its_place() {
    let machine = Machine::new();
    machine.crmctl(&DEPLOY).exits(0);
    machine.commit("change");
    machine.crmctl(&DEPLOY).exits(0);
    let serving = machine.serving();
    let file = journal(&machine);
    let whole = std::fs::read_to_string(&file).unwrap();

    let lines: Vec<&str> = whole.lines().collect();
    let half = &lines[lines.len() - 1][..40];
    std::fs::write(&file, format!("{whole}{half}")).unwrap();
    machine.crmctl(&["history", "local"]).exits(0);
    assert_eq!(machine.serving(), serving);
    machine.crmctl(&DEPLOY).exits(0);
    assert_eq!(diagnosis(&machine, "doctor/journal").unwrap()["outcome"], "passed");

    let whole = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let middle = lines.len() / 2;
    let flipped = lines[middle].replacen("\"attempt\":1", "\"attempt\":2", 1);
    assert_ne!(flipped, lines[middle]);
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        change(&mut lines);
        lines.join("\n") + "\n"
    };
    let broken: [(&str, String, usize); 4] = [
        // A line is proved by the one that follows it.
        ("flipped", with(&|lines| lines[middle].clone_from(&flipped)), middle + 2),
        ("reordered", with(&|lines| lines.swap(middle, middle + 1)), middle + 1),
        ("with a record missing", with(&|lines| drop(lines.remove(middle))), middle + 1),
        ("with a record that cannot be read", with(&|lines| lines[middle].truncate(30)), middle + 1),
    ];
    for (what, text, line) in broken {
        std::fs::write(&file, &text).unwrap();
        let place = format!("broken at line {line}");
        for verb in READERS {
            let said = machine.crmctl(verb).exits(10);
            assert!(said.err.contains(&place), "{what}: {verb:?}: {}", said.err);
            assert!(said.err.contains("hint: put the journal back from a copy"), "{what}: {}", said.err);
        }
        let told = diagnosis(&machine, "doctor/journal").unwrap();
        assert!(told["actual"].as_str().unwrap().contains(&place), "{what}: {told}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text, "{what}: somebody mended it");
        assert!(std::net::TcpStream::connect(("127.0.0.1", machine.port)).is_ok(), "{what}: nothing serves");
    }
    std::fs::write(&file, whole).unwrap();
    machine.commit("another change");
    machine.crmctl(&DEPLOY).exits(0);
}
