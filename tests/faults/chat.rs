//! A chat that is slow, fails or sends messages elsewhere: no run fails, ends otherwise or hangs because of it, and
//! doctor says what waits.

use super::{DEPLOY, diagnosis};
use crate::harness::machine::{Machine, secrets};
use crate::harness::webhook::{Answer, Chat};

#[test]
fn a_chat_that_hangs_fails_or_redirects_changes_no_ending_and_doctor_says_what_waits() {
    let machine = Machine::new();
    assert_eq!(diagnosis(&machine, "doctor/chat"), None, "no chat, no word about it");
    machine.notify("HOOK");
    let elsewhere = Chat::answering(&[Answer::Status("200 OK")]);
    let answers = [
        (Answer::Never, "to be delivered"),
        (Answer::Status("500 Internal Server Error"), "to be delivered"),
        (Answer::Redirect(elsewhere.url()), "to be delivered"),
    ];
    for (answer, word) in answers {
        let chat = Chat::answering(&[answer]);
        secrets(&machine, &format!("HOOK={}\n", chat.url()));
        machine.commit("change");
        let said = machine.crmctl(&DEPLOY).exits(0).says(&["deployed", "next: crmctl", word]);
        assert!(said.err.contains("the next run tries again"), "{}", said.err);
        let line = diagnosis(&machine, "doctor/chat").unwrap();
        let told = (line["outcome"].as_str().unwrap(), line["actual"].as_str().unwrap());
        assert!(told.0 == "passed" && told.1.contains("to be delivered"), "{line}");
        assert!(line["hint"].as_str().unwrap().contains("the next run tries again"), "{line}");
    }
    assert!(elsewhere.received().is_empty(), "a message went to somebody else");
    let fine = Chat::answering(&[Answer::Status("200 OK")]);
    secrets(&machine, &format!("HOOK={}\n", fine.url()));
    machine.commit("change");
    machine.crmctl(&DEPLOY).exits(0);
    let line = diagnosis(&machine, "doctor/chat").unwrap();
    assert_eq!((&line["actual"], &line["hint"]), (&"nothing waits to be delivered".into(), &().into()));

    secrets(&machine, "LOG_LEVEL=INFO\n");
    let line = diagnosis(&machine, "doctor/chat").unwrap();
    assert!(line["actual"].as_str().unwrap().contains("nobody is notified: "), "{line}");
    machine.configure("crm-server", &[]);
    let outbox = machine.state().join("local/outbox");
    std::fs::create_dir_all(&outbox).unwrap();
    std::fs::write(outbox.join("1.json"), "{}").unwrap();
    let line = diagnosis(&machine, "doctor/chat").unwrap();
    assert_eq!(line["actual"], "1 message waits to be delivered");
    assert!(line["hint"].as_str().unwrap().contains("[notify]"), "{line}");
}
