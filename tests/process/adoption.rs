//! What a successor makes of every state that a supervisor can leave: exactly one release serves, and nothing
//! runs that nobody knows.

use phases::engine::platform::Platform;
use phases::release::ReleaseId;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::machine::{Machine, done, kill, until};

pub(crate) fn gone(pid: i32) -> bool {
    // An orphan that nobody buries still has its number.
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.is_empty() || status.contains(") Z ")
}

/// Makes the notes those of another moment.
pub(crate) fn rewrite(machine: &Machine, change: impl FnOnce(&mut Value)) {
    let mut notes = machine.notes();
    change(&mut notes);
    std::fs::write(machine.state().supervisor().join("state.json"), notes.to_string()).unwrap();
}

fn kill_supervisor(machine: &Machine) {
    let supervisor = machine.supervisor_pid();
    kill(supervisor);
    until("the supervisor is dead", || gone(supervisor));
}

/// What a supervisor says to the instance at `index` of its notes.
pub(crate) fn tell_to_serve(machine: &Machine, index: usize) {
    let number = machine.notes()["instances"][index]["number"].as_u64().unwrap();
    let control = machine.state().sockets().unwrap().path().join(format!("s/{number}.control"));
    let mut stream = std::os::unix::net::UnixStream::connect(control).unwrap();
    std::io::Write::write_all(&mut stream, b"{\"v\":1,\"cmd\":\"serve\"}\n").unwrap();
    let mut answer = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stream), &mut answer).unwrap();
    assert!(answer.contains("serving"), "{answer}");
}

/// Two releases, the first one serving, the second one ready, and no supervisor.
async fn orphaned(machine: &Machine) -> (ReleaseId, ReleaseId) {
    let platform = machine.platform(&[]);
    let (first, second) = (machine.release(1), machine.release(2));
    machine.deploy(&platform, &first, 1).await;
    done(platform.start(&second, &machine.context(1)).await);
    done(platform.await_ready(&second, &machine.context(1)).await);
    kill_supervisor(machine);
    (first, second)
}

#[tokio::test]
async fn release_that_was_restarted_and_never_told_to_serve_is_told_by_the_successor() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (dead, standby) = orphaned(&machine).await;
    let pid = machine.instance_pid(&dead, "serving");
    kill(pid);
    until("it is dead", || gone(pid));
    rewrite(&machine, |notes| {
        notes["serving"] = standby.as_str().into();
        notes["instances"][1]["role"] = "serving".into();
    });
    done(platform.stop(&machine.release(3), &machine.context(2)).await);
    assert_eq!(machine.answering().as_deref(), Some(standby.as_str()), "connections wait for ever");
    platform.down(2).await.unwrap();
}

#[tokio::test]
async fn serving_release_that_does_not_hear_its_successor_is_started_again() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (hanging, candidate) = orphaned(&machine).await;
    let pid = machine.instance_pid(&hanging, "serving");
    kill_process(Pid::from_raw(pid).unwrap(), Signal::STOP).unwrap();
    done(platform.stop(&candidate, &machine.context(2)).await);
    // Longer than it is waited for.
    let found = (0..6).find_map(|_| machine.answering());
    assert_eq!(found.as_deref(), Some(hanging.as_str()));
    assert_ne!(machine.instance_pid(&hanging, "serving"), pid);
    platform.down(2).await.unwrap();
}

#[tokio::test]
async fn candidate_that_had_begun_to_serve_and_hangs_never_serves_beside_the_old_one() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (serving, candidate) = orphaned(&machine).await;
    let pid = machine.instance_pid(&candidate, "candidate");
    tell_to_serve(&machine, 1);
    kill_process(Pid::from_raw(pid).unwrap(), Signal::STOP).unwrap();
    rewrite(&machine, |notes| notes["switching"] = candidate.as_str().into());
    done(platform.stop(&machine.release(3), &machine.context(2)).await);
    assert!(gone(pid), "both accept");
    let state = platform.state().await.unwrap();
    assert_eq!((state.serving.as_ref(), state.instances.len()), (Some(&serving), 1));
    assert_eq!(machine.answering().as_deref(), Some(serving.as_str()));
    platform.down(2).await.unwrap();
}

#[tokio::test]
async fn release_that_was_started_and_not_written_down_does_not_outlive_the_next_supervisor() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (serving, unknown) = orphaned(&machine).await;
    let pid = machine.instance_pid(&unknown, "candidate");
    rewrite(&machine, |notes| drop(notes["instances"].as_array_mut().unwrap().remove(1)));
    done(platform.stop(&machine.release(3), &machine.context(2)).await);
    assert!(gone(pid), "a release that nobody knows lives on");
    assert_eq!(machine.answering().as_deref(), Some(serving.as_str()));

    // Alone with the public address: neither `down` nor the next start may be misled.
    kill_supervisor(&machine);
    rewrite(&machine, |notes| drop(notes["instances"].as_array_mut().unwrap().remove(0)));
    platform.down(2).await.unwrap();
    assert!(machine.processes().is_empty(), "{:?}", machine.processes());
    machine.deploy(&platform, &unknown, 3).await;
    platform.down(3).await.unwrap();
}

#[tokio::test]
async fn restart_that_was_not_written_down_is_recognised() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (serving, candidate) = orphaned(&machine).await;
    let pid = machine.instance_pid(&serving, "serving");
    rewrite(&machine, |notes| notes["instances"][0]["process"]["started"] = 1.into());
    done(platform.stop(&candidate, &machine.context(2)).await);
    assert!(!gone(pid), "what serves was killed");
    assert_eq!(machine.instance_pid(&serving, "serving"), pid);
    assert_eq!(machine.answering().as_deref(), Some(serving.as_str()));
    platform.down(2).await.unwrap();
}

#[tokio::test]
async fn release_that_died_with_its_supervisor_serves_again_under_the_next_one() {
    let machine = Machine::new();
    let platform = machine.platform(&[("LOG_LEVEL", "info,crm_backend=debug")]);
    let release = machine.release(1);
    machine.deploy(&platform, &release, 1).await;
    let (supervisor, pid) = (machine.supervisor_pid(), machine.instance_pid(&release, "serving"));
    kill(supervisor);
    kill(pid);
    until("both are dead", || gone(supervisor) && gone(pid));
    done(machine.platform(&[]).start(&machine.release(2), &machine.context(2)).await);
    assert_eq!(machine.answering().as_deref(), Some(release.as_str()));
    let pid = machine.instance_pid(&release, "serving");
    let environment = String::from_utf8(std::fs::read(format!("/proc/{pid}/environ")).unwrap()).unwrap();
    assert!(environment.contains("LOG_LEVEL=info,crm_backend=debug"), "it runs with another configuration");
    platform.down(2).await.unwrap();

    // What was taken down while nothing ran stays down.
    machine.deploy(&platform, &release, 3).await;
    let (supervisor, pid) = (machine.supervisor_pid(), machine.instance_pid(&release, "serving"));
    kill(supervisor);
    kill(pid);
    until("both are dead", || gone(supervisor) && gone(pid));
    platform.down(3).await.unwrap();
    assert_eq!(platform.state().await.unwrap().serving, None);
    done(platform.start(&machine.release(2), &machine.context(4)).await);
    assert_eq!(machine.notes()["instances"].as_array().unwrap().len(), 1, "it came back");
    platform.down(4).await.unwrap();
}

#[tokio::test]
async fn address_that_only_deaf_releases_hold_is_taken_back_and_the_serving_one_started_again() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (serving, candidate) = orphaned(&machine).await;
    let deaf =
        [(&serving, "serving"), (&candidate, "candidate")].map(|(id, role)| machine.instance_pid(id, role));
    for pid in deaf {
        kill_process(Pid::from_raw(pid).unwrap(), Signal::STOP).unwrap();
    }
    done(platform.stop(&machine.release(3), &machine.context(2)).await);
    let found = (0..6).find_map(|_| machine.answering());
    assert_eq!(found.as_deref(), Some(serving.as_str()));
    assert!(deaf.into_iter().all(gone), "a deaf one lives on");
    platform.down(2).await.unwrap();
}

#[tokio::test]
async fn release_that_was_being_withdrawn_when_everything_died_is_not_started_again() {
    let machine = Machine::new();
    let platform = machine.platform(&[]);
    let (withdrawn, candidate) = orphaned(&machine).await;
    rewrite(&machine, |notes| notes["serving"] = Value::Null);
    let pid = machine.instance_pid(&withdrawn, "serving");
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    until("it is dead", || gone(pid));
    done(platform.stop(&machine.release(3), &machine.context(2)).await);
    let state = platform.state().await.unwrap();
    let running: Vec<_> = state.instances.iter().map(|instance| &instance.release).collect();
    assert_eq!((state.serving, running), (None, vec![&candidate]));
    platform.down(2).await.unwrap();
}
