//! Images into a real engine.

use crmctl::docker::EngineError;
use crmctl::image;

use crate::harness::engine::engine;

/// The engine computes the id that we have computed.
#[tokio::test]
async fn the_engine_agrees_on_the_id_of_an_image() {
    let engine = engine();
    let reference = format!("true-test:{}", std::process::id());
    let image = image::of_program(std::path::Path::new("/bin/true"), &[], &reference).unwrap();
    for _ in 0..2 {
        engine.load(image.archive.clone()).await.unwrap();
        assert!(engine.has_image(&image.id).await.unwrap(), "another id than {}", image.id);
    }
    engine.remove_image(&reference).await.unwrap();
    assert!(!engine.has_image(&image.id).await.unwrap());
    engine.remove_image(&reference).await.unwrap();
}

/// What is loaded is no tar archive, or one without a layer.
#[tokio::test]
async fn an_archive_that_is_broken_is_refused() {
    let engine = engine();
    let mut image =
        image::of_program(std::path::Path::new("/bin/true"), &[], "broken-test:one").unwrap().archive;
    image.truncate(image.len() / 2);
    let error = engine.load(image).await.unwrap_err();
    assert!(matches!(error, EngineError::Refused { .. }), "{error:?}");
}

/// Nobody listens where the registry should be: that is what is told, for the way there and for the way back.
#[tokio::test]
async fn a_registry_that_is_away_is_told() {
    let (engine, repository) = (engine(), "127.0.0.1:1/crm");
    let tag = std::process::id().to_string();
    let reference = format!("{repository}:{tag}");
    let image = image::of_program(std::path::Path::new("/bin/true"), &[], &reference).unwrap();
    engine.load(image.archive).await.unwrap();
    let digest = format!("sha256:{}", "0".repeat(64));
    for error in [
        engine.push(repository, &tag, None).await.unwrap_err(),
        engine.pull(repository, &digest, None).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("connection refused"), "{error}");
    }
    engine.remove_image(&reference).await.unwrap();
}
