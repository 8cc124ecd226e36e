//! Does everything twice.

use crate::engine::effects::{EffectContext, Effects};
use crate::engine::ledger::{Claim, Ledger};
use crate::engine::step::Step;
use crate::testing::injection::planned;
use crate::testing::scene::Scene;
use crate::testing::situation::Situation;

/// Does every action and every undo twice and sees the same world as after once.
pub async fn repeat_each_action(situation: &Situation) {
    let plan = planned(situation);
    let scene = situation.scene.clone();
    let lease = scene.ledger.acquire(&claim()).await.expect("the lease is free");
    for step in plan.steps() {
        let apply = || apply(&scene, step, lease.token);
        apply().await;
        let once = scene.world.snapshot();
        apply().await;
        assert_eq!(once, scene.world.snapshot(), "{}: {} twice", situation.name, step.id);
    }
    for step in plan.steps().rev().filter(|step| step.undo.acts()) {
        let undo = || undo(&scene, step, lease.token);
        undo().await;
        let once = scene.world.snapshot();
        undo().await;
        assert_eq!(once, scene.world.snapshot(), "{}: undo of {} twice", situation.name, step.id);
    }
}

fn claim() -> Claim {
    Claim { holder: "ana@pc1".to_owned(), run: "twice".to_owned(), verb: "deploy".to_owned(), above: 0 }
}

async fn apply(scene: &Scene, step: &Step, token: u64) {
    let context = EffectContext { run: "twice", token, step: &step.id, progress: &|_| {} };
    let _ = scene.world.apply(&step.action, &context).await;
}

async fn undo(scene: &Scene, step: &Step, token: u64) {
    let context = EffectContext { run: "twice", token, step: &step.id, progress: &|_| {} };
    let _ = scene.world.undo(&step.undo, &context).await;
}
