//! What is left to read afterwards: the supervisor's own log, and every last word of a release.

use phases::engine::platform::Platform;
use rustix::process::{Pid, Signal, kill_process};

use super::machine::{Machine, done, kill, until};

fn log(machine: &Machine, name: &str) -> String {
    std::fs::read_to_string(machine.state().logs().join(name)).unwrap_or_default()
}

#[tokio::test]
async fn supervisor_writes_down_what_it_saw_without_being_asked() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let release = machine.release(1);
    machine.deploy(&platform, &release, 1).await;
    let before = machine.instance_pid(&release, "serving");
    kill(before);
    until("another process serves", || machine.instance_pid(&release, "serving") != before);
    let supervisor = machine.supervisor_pid();
    kill_process(Pid::from_raw(supervisor).unwrap(), Signal::TERM).unwrap();
    until("it is over", || log(&machine, "supervisor.log").contains("releases live on"));
    until("it is gone", || !std::path::Path::new(&format!("/proc/{supervisor}")).exists());
    done(platform.stop(&machine.release(2), &machine.context(1)).await);
    platform.down(1).await.unwrap();
    let text = log(&machine, "supervisor.log");
    for words in ["instance ended", "restarted", "terminated", "adopted", release.as_str()] {
        assert!(text.contains(words), "`{words}` is missing: {text}");
    }
    assert!(!text.contains('\u{1b}'), "colours in a file: {text}");
}

#[tokio::test]
async fn last_words_of_every_release_are_collected() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (old, new) = (machine.release(1), machine.release(2));
    machine.deploy(&platform, &old, 1).await;
    machine.deploy(&platform, &new, 2).await;
    until("the old one is struck off", || machine.notes()["instances"].as_array().unwrap().len() == 1);
    platform.down(2).await.unwrap();
    let lines = platform.last_log_lines(1000, |line| line.contains(r#""drained""#)).lines;
    let of = |release: &str| lines.iter().filter(|line| line.starts_with(release)).count();
    assert_eq!((of(old.as_str()), of(new.as_str())), (1, 1), "{lines:#?}");
}
