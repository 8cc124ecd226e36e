//! Removing on an engine where another version of crmctl has been at work.

use bollard::models::ConfigSpec;
use phases::engine::effects::{EffectContext, EffectOutcome};
use phases::engine::platform::Platform;
use phases::engine::step::StepId;
use phases::testing::contract::platform::Stand;
use phases::testing::machine::Behaviour;

use super::stand::SwarmStand;

#[tokio::test]
async fn beside_a_record_of_another_format_nothing_is_removed() {
    let stand = SwarmStand::new().await;
    let unused = stand.provide(Behaviour::Well).await;
    let name = format!("crm-{}-release-other", stand.name);
    let labels = [("crm.env", stand.name.as_str()), ("crm.kind", "release")];
    let spec = ConfigSpec {
        name: Some(name.clone()),
        labels: Some(labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
        // `{}`
        data: Some("e30=".to_owned()),
        ..ConfigSpec::default()
    };
    let made = stand.engine.ask("keep it", |client| async move { client.create_config(spec).await }).await;
    let id = made.unwrap().id;
    let step = StepId("deploy.retire".to_owned());
    let context = EffectContext { run: "run-1", token: 1, step: &step, progress: &|_| {} };
    let EffectOutcome::NotDone(failure) = stand.platform.retire(&[], &context).await else {
        panic!("something may have been removed");
    };
    assert!(failure.message.contains(&name), "{failure:?}");
    assert_eq!(stand.platform.state().await.unwrap().present, [unused]);
    stand.engine.ask("forget it", |client| async move { client.delete_config(&id).await }).await.unwrap();
    assert!(matches!(stand.platform.retire(&[], &context).await, EffectOutcome::Done(_)));
    assert!(stand.platform.state().await.unwrap().present.is_empty());
}
