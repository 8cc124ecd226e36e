//! Where memory and world disagree: what the journal holds true of an environment and the platform shows
//! otherwise. Pure; says it in sentences, decides nothing.

use crate::engine::platform::Role;
use crate::observed::{Blockage, Observed};
use crate::release::{ReleaseId, ReleaseState};

/// One sentence per disagreement; none when all is as the journal says. While a run is unfinished its own traces
/// are no drift.
pub fn drift(observed: &Observed) -> Vec<String> {
    let mut found = Vec::new();
    let platform = &observed.platform;
    let role = |wanted: Role| {
        let of = move |i: &&crate::engine::platform::Instance| i.role == wanted;
        platform.instances.iter().filter(of).map(|instance| &instance.release)
    };
    let unfinished = matches!(observed.blockage, Some(Blockage::Unfinished { .. }));
    if let Some(serving) = &platform.serving {
        found.extend(decided(serving, observed, unfinished));
        if !role(Role::Serving).any(|alive| alive == serving) {
            found.push(format!("`{serving}` should serve and does not run"));
        }
        let others = role(Role::Serving).filter(|other| *other != serving);
        found.extend(others.map(|other| format!("`{other}` serves too")));
    }
    found.extend(platform.foreign.iter().cloned());
    if !unfinished {
        let strays = role(Role::Candidate).filter(|candidate| Some(*candidate) != platform.serving.as_ref());
        found.extend(strays.map(|stray| format!("`{stray}` runs without traffic, and no run is under way")));
    }
    found
}

fn decided(serving: &ReleaseId, observed: &Observed, unfinished: bool) -> Option<String> {
    match observed.known(serving).map(|known| known.state) {
        Some(ReleaseState::Good) => None,
        Some(ReleaseState::Blocked) => Some(format!("`{serving}` serves and is blocked")),
        None if unfinished => None,
        None => Some(format!("`{serving}` serves and was never proved good")),
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::*;
    use crate::request::Request;
    use crate::testing::scene::Scene;

    #[tokio::test]
    async fn a_world_as_the_journal_says_has_none() {
        let scene = Scene::grown(2).await;
        assert_eq!(drift(&scene.observe(None)), Vec::<String>::new());
        scene.perform(&Request::rollback(None), None).await;
        scene.world.platform.machine().settle();
        assert_eq!(drift(&scene.observe(None)), Vec::<String>::new());
        assert_eq!(drift(&Scene::default().observe(None)), Vec::<String>::new());
    }

    #[tokio::test]
    async fn every_disagreement_is_a_sentence() {
        let (one, two) = (Scene::release(1).id, Scene::release(2).id);
        let scene = Scene::grown(1).await;
        scene.reboot();
        assert_eq!(drift(&scene.observe(None)), [format!("`{one}` should serve and does not run")]);

        let scene = Scene::grown(1).await;
        scene.world.platform.machine().instances.push((two.clone(), Role::Candidate));
        let stray = format!("`{two}` runs without traffic, and no run is under way");
        assert_eq!(drift(&scene.observe(None)), [stray]);

        let scene = Scene::grown(1).await;
        scene.world.platform.machine().instances.push((two.clone(), Role::Serving));
        assert_eq!(drift(&scene.observe(None)), [format!("`{two}` serves too")]);

        let scene = Scene::grown(1).await;
        scene.world.platform.machine().serving = Some(two.clone());
        let found = drift(&scene.observe(None));
        assert_eq!(found[0], format!("`{two}` serves and was never proved good"));
    }
}
