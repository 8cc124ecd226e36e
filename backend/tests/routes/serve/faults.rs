//! Releases that break on purpose; and that a release which is none holds no trace of them.

mod built_in {
    use super::super::client::{get, post, tcp, unix};
    use super::super::process::{Release, Stage, faulty};

    fn broken(stage: &Stage, fault: &str) -> Release {
        stage.release_on(&stage.public, "aaa", command(stage, fault))
    }

    fn command(stage: &Stage, fault: &str) -> std::process::Command {
        let mut command = stage.command_of(&faulty(), "aaa", 0);
        command.env("CRM_FAULT", fault);
        command
    }

    #[test]
    fn never_ready_lives_and_is_not_ready() {
        let stage = Stage::new(None);
        let release = broken(&stage, "never_ready");
        assert_eq!(unix(&release.private).ask(&get("/health/live")).unwrap().status, 200);
        assert_eq!(unix(&release.private).ask(&get("/health/ready")).unwrap().status, 503);
    }

    #[test]
    fn exit_ends_by_itself_and_says_why() {
        let stage = Stage::new(None);
        let mut release = stage.begun_on(&stage.public, "aaa", command(&stage, "exit"));
        assert_eq!(release.ending().code(), Some(1));
        assert!(release.log().contains("CRM_FAULT=exit"));
    }

    #[test]
    fn deaf_is_well_until_it_serves() {
        let stage = Stage::new(None);
        let release = broken(&stage, "deaf");
        assert_eq!(unix(&release.private).ask(&get("/health/ready")).unwrap().status, 200);
        release.command("serve");
        let mut client = tcp(stage.address());
        client.set_patience(std::time::Duration::from_millis(200));
        assert!(client.ask(&get("/health/live")).is_err(), "it answers");
    }

    #[test]
    fn late_crash_is_well_as_a_candidate_and_dies_of_the_requests_of_the_public() {
        let stage = Stage::new(None);
        let mut release = broken(&stage, "late_crash=3");
        for _ in 0..10 {
            assert_eq!(unix(&release.private).ask(&get("/health/live")).unwrap().status, 200);
        }
        release.command("serve");
        for _ in 0..3 {
            assert_eq!(tcp(stage.address()).ask(&get("/health/live")).unwrap().status, 200);
        }
        assert!(tcp(stage.address()).ask(&get("/health/live")).is_err(), "it lives on");
        assert_eq!(release.ending().code(), Some(1));
        assert!(release.log().contains("CRM_FAULT=late_crash"));
    }

    #[test]
    fn leak_keeps_memory_of_every_request_and_stays_well() {
        let stage = Stage::new(None);
        let release = broken(&stage, "leak");
        let resident = || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", release.pid())).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
            line.trim().split(' ').next().unwrap().parse::<u64>().unwrap() / 1024
        };
        let before = resident();
        for _ in 0..60 {
            assert_eq!(unix(&release.private).ask(&get("/auth/me")).unwrap().status, 401);
        }
        assert_eq!(unix(&release.private).ask(&get("/health/live")).unwrap().status, 200);
        let grown = resident() - before;
        assert!(grown >= 110, "{grown} MiB after 60 requests");
    }

    #[test]
    fn broken_logins_and_broken_routes_answer_500() {
        for (fault, live, login) in [("login_broken", 200, 500), ("http_500", 200, 500)] {
            let stage = Stage::new(None);
            let release = broken(&stage, fault);
            let (head, body) = post("/auth/login", r#"{"email":"a@b","password":"x"}"#);
            assert_eq!(unix(&release.private).ask(&format!("{head}{body}")).unwrap().status, login);
            assert_eq!(unix(&release.private).ask(&get("/health/live")).unwrap().status, live);
        }
    }
}

mod left_out {
    use super::super::client::{get, unix};
    use super::super::process::{BINARY, Stage};

    #[test]
    fn a_release_holds_no_trace_of_faults() {
        let binary = std::fs::read(BINARY).unwrap();
        for word in ["CRM_FAULT", "never_ready", "login_broken", "late_crash"] {
            let found = binary.windows(word.len()).any(|window| window == word.as_bytes());
            assert!(!found, "`{word}` is in the binary");
        }
    }

    #[test]
    fn a_fault_is_not_heard() {
        let stage = Stage::new(None);
        let mut command = stage.command("aaa", 0);
        command.env("CRM_FAULT", "never_ready");
        let release = stage.release_on(&stage.public, "aaa", command);
        assert_eq!(unix(&release.private).ask(&get("/health/ready")).unwrap().status, 200);
    }
}
