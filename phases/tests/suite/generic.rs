//! The generic tests over every plan the planners can make.

use phases::engine::failure::FailureClass;
use phases::testing::fault::{Call, Fault, Kind};
use phases::testing::injection::{cut, fail, repeat, stop};
use phases::testing::situation;

#[tokio::test]
async fn failed_step_leaves_the_world_as_before() {
    for situation in situation::all().await {
        fail::fail_each_step(&situation).await;
    }
}

#[tokio::test]
async fn lost_answer_is_found_by_a_probe() {
    for situation in situation::all().await {
        fail::lose_each_answer(&situation).await;
    }
}

#[tokio::test]
async fn every_action_twice_gives_the_same_world() {
    for situation in situation::all().await {
        repeat::repeat_each_action(&situation).await;
    }
}

#[tokio::test]
async fn killed_run_is_brought_to_an_ending() {
    for situation in situation::all().await {
        cut::cut_at_each_record(&situation, None).await;
    }
}

#[tokio::test]
async fn run_killed_on_its_way_back_is_brought_to_an_ending() {
    let red = |step: &str| Fault {
        call: Call::Apply,
        step: step.to_owned(),
        kind: Kind::Before(FailureClass::CheckFailed),
    };
    let blind = Fault { call: Call::Apply, step: "deploy.shift".to_owned(), kind: Kind::Blind };
    for situation in situation::all().await {
        for fault in [red("deploy.gate"), red("smoke.run"), red("rollback.smoke"), blind.clone()] {
            let plan = situation.scene.plan(&situation.request, situation.release.as_ref()).unwrap();
            if plan.steps().any(|step| step.id.0 == fault.step) {
                cut::cut_at_each_record(&situation, Some(&fault)).await;
            }
        }
    }
}

#[tokio::test]
async fn drifted_schema_is_refused_however_often_the_run_is_killed() {
    for situation in situation::drifted().await {
        repeat::repeat_each_action(&situation).await;
        cut::cut_at_each_record(&situation, None).await;
    }
}

#[tokio::test]
async fn interrupted_run_leaves_the_world_as_before() {
    for situation in situation::all().await {
        stop::interrupt_each_step(&situation).await;
    }
}

#[tokio::test]
async fn run_without_lease_stops_and_another_operator_ends_it() {
    for situation in situation::all().await {
        stop::lose_lease_at_each_step(&situation).await;
    }
}
