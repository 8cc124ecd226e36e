//! Images into an engine, and from it into a registry and out of one.

use bollard::auth::DockerCredentials;
use bollard::query_parameters::{CreateImageOptionsBuilder, ImportImageOptions, PushImageOptionsBuilder};
use futures_util::TryStreamExt;
use secrecy::{ExposeSecret, SecretString};

use super::{Engine, EngineError, IMAGES};

/// Who pushes and pulls.
#[derive(Clone)]
pub struct RegistryLogin {
    /// Account.
    pub user: String,
    /// Password or token.
    pub password: SecretString,
}

impl RegistryLogin {
    /// As the engine wants it.
    pub(crate) fn credentials(&self, registry: &str) -> DockerCredentials {
        DockerCredentials {
            username: Some(self.user.clone()),
            password: Some(self.password.expose_secret().to_owned()),
            serveraddress: Some(registry.to_owned()),
            ..DockerCredentials::default()
        }
    }
}

/// What a registry has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// `sha256:…` of its manifest: by it, and not by a tag, is it pulled.
    pub digest: String,
}

impl Engine {
    /// Gives the engine an image (a tar archive as `docker load` reads it).
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn load(&self, archive: Vec<u8>) -> Result<(), EngineError> {
        self.ask_within(IMAGES, "load the image", |client| async move {
            let body = bollard::body_full(archive.into());
            client
                .import_image(ImportImageOptions::default(), body, None)
                .try_for_each(|_| async { Ok(()) })
                .await
        })
        .await
    }

    /// Whether the engine has it, by id (`sha256:…`) or reference.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn has_image(&self, image: &str) -> Result<bool, EngineError> {
        let found =
            self.ask("look at the image", |client| async move { client.inspect_image(image).await }).await;
        match found {
            Ok(_) => Ok(true),
            Err(EngineError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends the image `repository:tag` to its registry; gives the digest under which it is there.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn push(
        &self,
        repository: &str,
        tag: &str,
        login: Option<&RegistryLogin>,
    ) -> Result<Pushed, EngineError> {
        let credentials = login.map(|login| login.credentials(registry_of(repository)));
        let options = PushImageOptionsBuilder::default().tag(tag).build();
        self.ask_within(IMAGES, "push the image", |client| async move {
            client.push_image(repository, Some(options), credentials).try_for_each(|_| async { Ok(()) }).await
        })
        .await?;
        let reference = format!("{repository}:{tag}");
        let found = self
            .ask("look at the image", |client| async move { client.inspect_image(&reference).await })
            .await?;
        let digest = found.repo_digests.unwrap_or_default().into_iter().find_map(|digest| {
            let (name, digest) = digest.split_once('@')?;
            (name == repository).then(|| digest.to_owned())
        });
        digest.map(|digest| Pushed { digest }).ok_or_else(|| EngineError::Refused {
            what: "tell the digest of the image it has pushed",
            status: 0,
            message: format!("`{repository}` is not among the image's digests"),
        })
    }

    /// Whether the registry of `image` has it, asked by the engine.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn registry_has(
        &self,
        image: &str,
        login: Option<&RegistryLogin>,
    ) -> Result<bool, EngineError> {
        let credentials = login.map(|login| login.credentials(registry_of(image)));
        let asked = self
            .ask("ask the registry", |client| async move {
                client.inspect_registry_image(image, credentials).await
            })
            .await;
        match asked {
            Ok(_) => Ok(true),
            Err(EngineError::NotFound { .. }) => Ok(false),
            // Source: the registry's word for a tag or digest that it does not have, which the engine hands on.
            Err(EngineError::Refused { message, .. }) if message.contains("manifest unknown") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Fetches `repository@digest` from its registry.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn pull(
        &self,
        repository: &str,
        digest: &str,
        login: Option<&RegistryLogin>,
    ) -> Result<(), EngineError> {
        let credentials = login.map(|login| login.credentials(registry_of(repository)));
        let options = CreateImageOptionsBuilder::default().from_image(repository).tag(digest).build();
        self.ask_within(IMAGES, "pull the image", |client| async move {
            client.create_image(Some(options), None, credentials).try_for_each(|_| async { Ok(()) }).await
        })
        .await
    }

    /// Removes an image that nobody uses; one that is gone already is none.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn remove_image(&self, image: &str) -> Result<(), EngineError> {
        let removed = self
            .ask("remove the image", |client| async move {
                client.remove_image(image, None::<bollard::query_parameters::RemoveImageOptions>, None).await
            })
            .await;
        match removed {
            Ok(_) | Err(EngineError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Host (and port) of a repository; `docker.io` where none is written. Source: the distribution project's reference grammar.
pub(crate) fn registry_of(repository: &str) -> &str {
    match repository.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_of_a_repository_is_its_host() {
        assert_eq!(registry_of("registry.example:5000/team/crm"), "registry.example:5000");
        assert_eq!(registry_of("localhost/crm"), "localhost");
        assert_eq!(registry_of("team/crm"), "docker.io");
        assert_eq!(registry_of("crm"), "docker.io");
    }
}
