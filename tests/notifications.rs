//! A chat is told about runs, whatever state the chat is in, and no run fails or hangs because of it.

use std::path::Path;
use std::sync::Arc;

use crmctl::environment::tables::NotifyEvent;
use crmctl::notify::Notifier;
use crmctl::notify::address::WebhookAddress;
use crmctl::notify::outbox::{MOST, Outbox, REFUSALS};
use crmctl::report::result::RunResult;
use crmctl::state_directory::StateDirectory;
use crmctl::terminal::{Terminal, Verbosity};
use phases::plan::Plan;

use crate::harness::machine::{Machine, secrets};
use crate::harness::webhook::{Answer, Chat};

const ALL: [NotifyEvent; 5] = [
    NotifyEvent::Started,
    NotifyEvent::Succeeded,
    NotifyEvent::Failed,
    NotifyEvent::RolledBack,
    NotifyEvent::Stuck,
];
const FINE: Answer = Answer::Status("200 OK");

fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/fixtures");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

fn result(name: &str) -> RunResult {
    serde_json::from_str(&fixture(name)).unwrap()
}

/// The plan of the first run in the journal of the fixtures.
fn plan() -> Plan {
    let journal = fixture("journal.ndjson");
    let first: serde_json::Value = serde_json::from_str(journal.lines().next().unwrap()).unwrap();
    serde_json::from_value(first["desired"].clone()).unwrap()
}

/// A state directory of its own.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn outbox(&self) -> Outbox {
        Outbox::of(&StateDirectory::new(self.0.path(), "local").unwrap())
    }

    /// One run from its beginning to its end, as the chat is told.
    async fn run(&self, url: &str, events: &[NotifyEvent], ended: &RunResult) {
        let address = WebhookAddress::from_secret("HOOK", Some(&url.to_owned().into())).unwrap();
        let terminal = Arc::new(Terminal::new(false, Verbosity::Normal));
        let mut notifier = Notifier::new(address, events.to_vec(), self.outbox(), &terminal);
        notifier.began(&ended.run, &plan());
        notifier.ended(ended).await;
    }
}

#[tokio::test]
async fn a_run_is_told_at_its_beginning_and_at_its_end_with_what_failed_and_what_to_type() {
    let (place, chat) = (Place::new(), Chat::answering(&[FINE]));
    place.run(&chat.url(), &ALL, &result("failed.json")).await;
    let messages = chat.received();
    assert_eq!(messages.len(), 2, "{messages:#?}");
    assert!(chat.texts()[0].contains("deploy of local began: 5b79056527e1"), "{:?}", chat.texts());
    assert!(chat.texts()[1].contains("failed at deploy.gate"), "{:?}", chat.texts());
    let whole = messages[1].to_string();
    for word in
        ["smoke/login", "status == 200", "got 500", "@devlead", "crmctl status local", "@oncall 555-0200"]
    {
        assert!(whole.contains(word), "`{word}` is not told: {whole}");
    }
    assert_eq!(messages[1]["blocks"][0]["type"], "section");
    assert_eq!(place.outbox().waiting(), 0);
}

#[tokio::test]
async fn each_ending_has_its_kind_and_only_what_was_asked_for_is_told() {
    for (name, kind, word) in [
        ("good.json", NotifyEvent::Succeeded, "deployed"),
        ("rolled.json", NotifyEvent::RolledBack, "rolled back local"),
        ("failed.json", NotifyEvent::Failed, "failed"),
    ] {
        let (place, chat) = (Place::new(), Chat::answering(&[FINE]));
        place.run(&chat.url(), &[kind], &result(name)).await;
        assert_eq!(chat.texts().len(), 1, "{name}: {:?}", chat.texts());
        assert!(chat.texts()[0].contains(word), "{:?}", chat.texts());
        let others: Vec<NotifyEvent> = ALL.into_iter().filter(|one| *one != kind).collect();
        let quiet = Chat::answering(&[FINE]);
        place.run(&quiet.url(), &others, &result(name)).await;
        assert!(quiet.texts().iter().all(|text| text.contains("began")), "{:?}", quiet.texts());
    }
    let mut stuck = result("rolled.json");
    (stuck.ending, stuck.exit_code) = (Some(phases::engine::event::Ending::Stuck), Some(21));
    let (place, chat) = (Place::new(), Chat::answering(&[FINE]));
    place.run(&chat.url(), &[NotifyEvent::Stuck], &stuck).await;
    assert!(chat.texts()[0].contains("a person is needed"), "{:?}", chat.texts());
}

#[tokio::test]
async fn a_server_that_fails_for_a_moment_gets_the_message_again() {
    let answers =
        [Answer::Status("500 Internal Server Error"), Answer::Status("429 Too Many Requests"), FINE];
    let (place, chat) = (Place::new(), Chat::answering(&answers));
    place.run(&chat.url(), &[NotifyEvent::Failed], &result("failed.json")).await;
    let messages = chat.received();
    assert_eq!(messages.len(), 3);
    assert!(messages[0] == messages[1] && messages[1] == messages[2], "the same message each time");
    assert_eq!(place.outbox().waiting(), 0);
}

#[tokio::test]
async fn what_cannot_be_delivered_is_sent_by_the_next_run_in_order() {
    let place = Place::new();
    let gone = Chat::answering(&[FINE]);
    let url = gone.url();
    let address = url.split('/').nth(2).unwrap().to_owned();
    drop(gone);
    place.run(&url, &ALL, &result("failed.json")).await;
    assert_eq!(place.outbox().waiting(), 2);
    let spooled = std::fs::read_dir(place.0.path().join("local/outbox")).unwrap().flatten();
    for entry in spooled {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        assert!(!text.contains("s3cr3t-hook"), "the address lies on the disk: {text}");
    }
    let back = Chat::on(&address, &[FINE]);
    place.run(&url, &ALL, &result("good.json")).await;
    let texts = back.texts();
    assert_eq!(texts.len(), 4, "{texts:?}");
    assert!(texts[0].contains("began") && texts[1].contains("failed"), "{texts:?}");
    assert!(texts[2].contains("began") && texts[3].contains("deployed"), "{texts:?}");
    assert_eq!(place.outbox().waiting(), 0);
}

#[tokio::test]
async fn a_server_that_never_answers_keeps_no_run() {
    let (place, chat) = (Place::new(), Chat::answering(&[Answer::Never]));
    place.run(&chat.url(), &ALL, &result("good.json")).await;
    assert_eq!(place.outbox().waiting(), 2, "both wait for the next run");
    let fine = Chat::answering(&[FINE]);
    place.run(&fine.url(), &[NotifyEvent::Stuck], &result("good.json")).await;
    assert_eq!(fine.texts().len(), 2, "{:?}", fine.texts());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Chat::answering(&[FINE]);
    let chat = Chat::answering(&[Answer::Redirect(elsewhere.url())]);
    let place = Place::new();
    place.run(&chat.url(), &[NotifyEvent::Failed], &result("failed.json")).await;
    assert_eq!(chat.received().len(), 1, "and not tried again by this run");
    assert!(elsewhere.received().is_empty(), "the message went to somebody else");
}

#[tokio::test]
async fn a_message_that_is_refused_again_and_again_is_dropped() {
    let (place, chat) = (Place::new(), Chat::answering(&[Answer::Status("404 Not Found")]));
    place.run(&chat.url(), &[NotifyEvent::Failed], &result("failed.json")).await;
    for refusals in 1..REFUSALS {
        assert_eq!(place.outbox().waiting(), 1, "after {refusals} refusals");
        place.run(&chat.url(), &[], &result("good.json")).await;
    }
    assert_eq!(place.outbox().waiting(), 0);
    assert_eq!(chat.received().len(), REFUSALS as usize, "once per run");
}

#[tokio::test]
async fn the_outbox_does_not_grow_without_end_and_bears_torn_files() {
    let place = Place::new();
    let outbox = place.outbox();
    for number in 0..MOST + 5 {
        outbox.put(NotifyEvent::Failed, &format!("{number:03}"), &serde_json::json!({"text": number}));
    }
    std::fs::write(place.0.path().join("local/outbox/torn.json"), "{\"schema\":1,").unwrap();
    let (letters, dropped) = outbox.collect();
    assert_eq!((letters.len(), dropped), (MOST - 1, 7), "the six oldest and the torn one");
    assert_eq!(letters.last().unwrap().content.run, format!("{:03}", MOST + 4));
}

#[tokio::test]
async fn an_outbox_that_cannot_be_written_still_sends() {
    let (place, chat) = (Place::new(), Chat::answering(&[FINE]));
    std::fs::write(place.0.path().join("local"), "a file stands where the state should be").unwrap();
    place.run(&chat.url(), &[NotifyEvent::Failed], &result("failed.json")).await;
    assert_eq!(chat.received().len(), 1);
}

#[test]
fn a_deploy_tells_the_chat_and_shows_its_address_to_nobody() {
    let (machine, chat) = (Machine::new(), Chat::answering(&[FINE]));
    machine.notify("HOOK");
    secrets(&machine, &format!("HOOK={}\n", chat.url()));
    machine.commit("notify");
    let skip = ["--skip", "perf", "--reason", "not this story", "--verbose", "--report", "reports"];
    let said = machine.crmctl(&[&["deploy", "local"][..], &skip].concat()).exits(0);
    assert_eq!(chat.wait_for(2).len(), 2);
    assert!(chat.texts()[1].contains("deployed"), "{:?}", chat.texts());
    let good = machine.serving();

    secrets(&machine, &format!("HOOK={}/other\n", chat.url()));
    machine.crmctl(&[&["deploy", "local"][..], &skip].concat()).exits(0);
    assert_eq!(machine.serving(), good, "another address of the chat is no other release");
    let before = chat.received().len();

    machine.configure("crm-server-faults", &[]);
    machine.notify("HOOK");
    secrets(&machine, &format!("HOOK={}\nCRM_FAULT=login_broken\n", chat.url()));
    machine.commit("a bad change");
    let bad = machine.crmctl(&["deploy", "local", "--report", "reports"]).exits(20);
    let told = chat.wait_for(before + 2).last().unwrap().to_string();
    assert!(told.contains("smoke/login") && told.contains("crmctl status local"), "{told}");
    machine.crmctl(&["smoke", "local"]).exits(0);
    assert_eq!(chat.received().len(), before + 2, "a check alone that passes is no news");

    for text in [said.out, said.err, bad.out, bad.err] {
        assert!(!text.contains("s3cr3t-hook"), "{text}");
    }
    for folder in [machine.state().join("local"), machine.checkout().join("reports")] {
        let found =
            std::process::Command::new("grep").args(["-rl", "s3cr3t-hook"]).arg(&folder).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), "", "the address is in a file");
    }
}

#[test]
fn a_chat_that_is_away_or_badly_configured_changes_no_exit_code() {
    let machine = Machine::new();
    machine.notify("HOOK");
    let deploy = ["deploy", "local", "--skip", "perf", "--reason", "not this story"];
    machine.crmctl(&deploy).exits(0).says(&["nobody is notified", "`HOOK` is missing"]);
    let gone = Chat::answering(&[FINE]);
    secrets(&machine, &format!("HOOK={}\n", gone.url()));
    drop(gone);
    machine.commit("change");
    machine.crmctl(&deploy).exits(0).says(&["the chat cannot be reached", "2 messages wait"]);
    secrets(&machine, "HOOK=http://example.invalid/plain\n");
    machine.crmctl(&deploy).exits(10).says(&[".env.local:1", "`HOOK` is no https address"]);
    let file = machine.checkout().join("config/environments/local.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}events = [\"begun\"]\n")).unwrap();
    machine.crmctl(&deploy).exits(10).says(&["local.toml:", "`[notify]`", "begun"]);
    std::fs::write(&file, text).unwrap();
}
