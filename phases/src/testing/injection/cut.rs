//! Kills the process at every record.

use crate::engine::cancel::Never;
use crate::engine::event::Ending;
use crate::engine::history;
use crate::engine::journal::{Kind as RecordKind, chain};
use crate::engine::report::RunReport;
use crate::plan::Plan;
use crate::release::ReleaseState;
use crate::request::Request;
use crate::testing::fault::Fault;
use crate::testing::injection::{World, assert_back, assert_one_serves, assert_same, later, planned, run};
use crate::testing::ledger::Death;
use crate::testing::scene::{Errand, Scene};
use crate::testing::situation::Situation;

/// Kills the process at every record, before and after it is written, then goes on with the run, and
/// separately takes it back.
pub async fn cut_at_each_record(situation: &Situation, planted: Option<&Fault>) {
    let plan = planned(situation);
    let scene = situation.scene.clone();
    planted.iter().for_each(|fault| scene.world.plant((*fault).clone()));
    let whole = run(&scene, &plan).await;
    let expected = scene.world.snapshot();
    let records = scene.records().len() - situation.scene.records().len();
    let deaths = (1..=records).map(Death::After).chain((0..records).map(Death::Instead));
    for death in deaths {
        for errand in [Errand::Resume, Errand::Unwind] {
            let cut =
                Cut { situation, plan: &plan, planted, death, errand, whole: &whole, expected: &expected };
            cut.check().await;
        }
    }
}

/// One killed process and what comes after it.
struct Cut<'a> {
    situation: &'a Situation,
    plan: &'a Plan,
    planted: Option<&'a Fault>,
    death: Death,
    errand: Errand<'a>,
    whole: &'a RunReport,
    expected: &'a World,
}

impl Cut<'_> {
    async fn check(&self) {
        let context =
            format!("{}: {:?}, then {:?} ({:?})", self.situation.name, self.death, self.errand, self.planted);
        let scene = self.situation.scene.clone();
        self.planted.iter().for_each(|fault| scene.world.plant((*fault).clone()));
        scene.ledger.die(self.death);
        let report = scene.process(&Errand::Run(self.plan), &Never, &|_| {}).await;
        assert!(report.is_none(), "{context}: it was not killed");
        scene.ledger.revive();
        scene.world.see_again();
        let unfinished = history::unfinished(&scene.records()).expect("the journal makes sense");
        if unfinished.is_some() {
            let report = later(&scene, &self.errand).await;
            self.judge(&scene, &report, &context);
        }
        let blockage = history::blockage(&scene.records()).expect("the journal makes sense");
        assert_eq!(blockage, None, "{context}");
        assert_one_serves(&self.situation.scene, &scene, &context);
        scene.world.mend();
        self.go_on(&scene, &context).await;
    }

    fn judge(&self, scene: &Scene, report: &RunReport, context: &str) {
        let last = chain::read(&scene.ledger.journal()).expect("the chain holds").records.pop();
        assert_eq!(last.map(|record| record.kind), Some(RecordKind::End), "{context}: it has no end");
        // A rollback is gone on with, whichever way the operator asks for it.
        let goes_on = matches!(self.errand, Errand::Resume) || self.plan.goes_back();
        match (goes_on, self.planted) {
            (true, None) => {
                assert_eq!(report.ending, self.whole.ending, "{context}");
                assert_eq!(report.exit_code, self.whole.exit_code, "{context}");
                assert_same(self.expected, &scene.world.snapshot(), context);
            }
            (true, Some(_)) => {
                assert!(matches!(report.exit_code, 0 | 20 | 30 | 31), "{context}: {}", report.exit_code);
            }
            _ => {
                assert_eq!((report.ending, report.exit_code), (Ending::RolledBack, 0), "{context}");
                assert_eq!(report.verb, "rollback", "{context}");
                assert_back(self.situation, scene, self.plan, context);
            }
        }
    }

    /// The next operator is not hindered, and the one after has nothing to do.
    async fn go_on(&self, scene: &Scene, context: &str) {
        let Some(release) = &self.situation.release else { return };
        let next = Request::deploy();
        let Ok(plan) = scene.plan(&next, Some(release)) else {
            let blocked = history::state(&scene.records(), &release.id) == Some(ReleaseState::Blocked);
            assert!(blocked, "{context}: the next deploy cannot be planned");
            return;
        };
        let report = run(scene, &plan).await;
        assert_eq!(report.ending, Ending::Deployed, "{context}: {report:?}");
        let again = scene.plan(&next, Some(release)).expect("it has just been deployed");
        assert_eq!(again.effects(), 0, "{context}: {again}");
    }
}
