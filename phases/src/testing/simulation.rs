//! The real loop and the real planners over a world in memory, with virtual time, two operators interleaved by a
//! seed, and everything rare made common. Each promise is judged by a model that knows nothing of the loop.
//!
//! Technique: deterministic simulation as in FoundationDB, TigerBeetle and madsim. A seed is a whole story: the
//! same seed gives the same one, so that a breach can be replayed and looked into.
//!
//! What the model assumes of a target: it takes the effects of one process in the order in which they were sent,
//! also those that their sender gave up; between processes only tokens count.

use std::sync::LazyLock;

use crate::engine::cancel::Never;
use crate::engine::history::decision::Verdict;
use crate::engine::journal::Actor;
use crate::engine::ledger::{Claim, Ledger};
use crate::engine::run::Engine;
use crate::plan::Target;
use crate::testing::ledger::MemoryLedger;
use crate::testing::scene::Scene;

mod climate;
mod clock;
mod effects;
mod flight;
mod journal;
mod lease;
mod ledger;
mod operator;
mod random;
mod scheduler;
mod stage;
mod timeline;

pub mod bug;
pub mod exhaustive;
pub mod fate;
pub mod model;
pub mod rare;
pub mod stand;
pub mod story;

/// Polls a future that never really waits to its end.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    loop {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// Scenes in which 0, 1, 2 and 3 releases were deployed.
static GROWN: LazyLock<Vec<Scene>> = LazyLock::new(|| (0..=3).map(|n| at_once(grown(n))).collect());

/// The world that `n` deploys have left, and a journal that says no more than that their releases are good: a
/// long one would only cost time.
async fn grown(n: u8) -> Scene {
    let scene = Scene { ledger: MemoryLedger::default(), ..Scene::grown(n).await };
    let actor = Actor { user: "ana".to_owned(), host: "pc1".to_owned() };
    for n in 1..=n {
        let (ledger, previous) = (scene.ledger.another(), (n > 1).then(|| Scene::release(n - 1).id));
        let run = format!("run-{n}");
        let claim = Claim { holder: "ana@pc1".to_owned(), run, verb: "release".to_owned(), above: 0 };
        let lease = ledger.acquire(&claim).await.expect("nobody else is there");
        let release = Scene::release(n);
        let digest = scene.world.site().built.get(&release.id).cloned();
        let target = Target { id: release.id, commit: Some(release.commit), digest };
        let engine = Engine {
            effects: &scene.world,
            ledger: &ledger,
            clock: &scene.clock,
            cancel: &Never,
            events: &|_| {},
            actor: &actor,
        };
        engine.decide(&lease, "local", &target, Verdict::Good(previous.as_ref())).await;
        ledger.release(&lease).await.expect("giving back never fails");
    }
    scene
}
