//! Model names instead of folders: the local Hugging Face cache and, where allowed, the hub.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The folder of a model: `name` itself where it is a folder, else (with the feature `hub`) the snapshot of the
/// model called `name`, such as `xlm-roberta-large`, in the local Hugging Face cache (`HF_HUB_CACHE`, else `hub` in
/// `HF_HOME`, else `~/.cache/huggingface/hub`). A model that is not there is downloaded only where `download` is true.
///
/// # Errors
/// [`Error::NoModel`] where there is neither, `Error::Hub` (with the feature) where a download fails.
pub fn model_folder(name: &Path, download: bool) -> Result<PathBuf> {
    if re_data::files::is_dir(name)? {
        return Ok(name.to_owned());
    }
    if name.as_os_str().is_empty() {
        let reason = "none is named: give the folder of one with --model or model.folder".to_owned();
        return Err(Error::NoModel { name: name.to_owned(), reason });
    }
    named(name, download)
}

#[cfg(not(feature = "hub"))]
fn named(name: &Path, _download: bool) -> Result<PathBuf> {
    let reason =
        "no such folder; name one that there is (names of hub models need a build with the feature `hub`)"
            .to_owned();
    Err(Error::NoModel { name: name.to_owned(), reason })
}

#[cfg(feature = "hub")]
use online::named;

#[cfg(feature = "hub")]
mod online {
    use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
    use hf_hub::{Cache, Repo};
    use re_data::Tokenizer;
    use serde_json::Value;

    use super::{Error, Path, PathBuf, Result};
    use re_checkpoint::tensors::is_file_name;

    const INDEX: &str = "model.safetensors.index.json";

    pub fn named(name: &Path, download: bool) -> Result<PathBuf> {
        let cache = match std::env::var_os("HF_HUB_CACHE") {
            Some(folder) => Cache::new(folder.into()),
            None => Cache::from_env(),
        };
        in_cache(cache, name, download)
    }

    pub(super) fn in_cache(cache: Cache, name: &Path, download: bool) -> Result<PathBuf> {
        let absent = |reason: String| Error::NoModel { name: name.to_owned(), reason };
        let id = name.to_str().filter(|id| is_model_id(id));
        let id = id.ok_or_else(|| absent("neither a folder nor a model name like owner/name".to_owned()))?;
        let place = cache.path().display().to_string();
        let repo = cache.repo(Repo::model(id.to_owned()));
        // A snapshot with both is complete; downloads take the configuration last.
        let weights = ["model.safetensors", INDEX, "pytorch_model.bin"];
        if let Some(config) = repo.get("config.json")
            && weights.iter().any(|file| repo.get(file).is_some())
            && let Some(folder) = config.parent()
        {
            return Ok(folder.to_owned());
        }
        if !download {
            return Err(absent(format!(
                "neither a folder nor in the cache {place}, and downloads are not allowed; name a folder that there is, or \
                 allow them with --set model.download=true"
            )));
        }
        let failed = |source| Error::Hub { name: id.to_owned(), source: Box::new(source) };
        let api = ApiBuilder::from_cache(cache).build().map_err(failed)?;
        fetch(&api.model(id.to_owned())).map_err(failed)
    }

    /// `name` or `owner/name` of letters, digits, `-`, `_` and `.`, as the hub allows them.
    fn is_model_id(id: &str) -> bool {
        let part = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        id.split('/').count() <= 2 && id.split('/').all(part)
    }

    fn fetch(repo: &ApiRepo) -> std::result::Result<PathBuf, ApiError> {
        for file in Tokenizer::FILES {
            optional(repo, file)?;
        }
        if optional(repo, "model.safetensors")?.is_none() {
            match optional(repo, INDEX)? {
                Some(index) => fetch_shards(repo, &index)?,
                None => drop(repo.get("pytorch_model.bin")?),
            }
        }
        let config = repo.get("config.json")?;
        Ok(config.parent().map(Path::to_owned).unwrap_or(config))
    }

    fn fetch_shards(repo: &ApiRepo, index: &Path) -> std::result::Result<(), ApiError> {
        let text = std::fs::read_to_string(index)?;
        let index: Value = serde_json::from_str(&text).map_err(std::io::Error::other)?;
        let shards =
            index.get("weight_map").and_then(Value::as_object).into_iter().flat_map(|map| map.values());
        let mut shards: Vec<&str> = shards.filter_map(Value::as_str).collect();
        shards.sort_unstable();
        shards.dedup();
        // A name that leads elsewhere is an error once the weights are opened; nothing is fetched into other folders.
        shards.into_iter().filter(|name| is_file_name(name)).try_for_each(|shard| repo.get(shard).map(drop))
    }

    /// The file, or `None` where the model has none of that name.
    fn optional(repo: &ApiRepo, file: &str) -> std::result::Result<Option<PathBuf>, ApiError> {
        match repo.get(file) {
            Err(ApiError::RequestError(error)) if error.to_string().contains("404") => Ok(None),
            other => other.map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_itself_and_anything_else_needs_the_hub() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(model_folder(folder.path(), false).unwrap(), folder.path());
        let absent = folder.path().join("absent");
        assert!(matches!(model_folder(&absent, false), Err(Error::NoModel { .. })));
    }

    #[cfg(feature = "hub")]
    #[test]
    fn a_cached_model_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let cache = || hf_hub::Cache::new(folder.path().to_owned());
        let find = |name: &str| online::in_cache(cache(), Path::new(name), false);
        let model = folder.path().join("models--owner--small");
        let snapshot = model.join("snapshots/0123abc");
        std::fs::create_dir_all(&snapshot).unwrap();
        std::fs::create_dir_all(model.join("refs")).unwrap();
        std::fs::write(model.join("refs/main"), "0123abc").unwrap();
        std::fs::write(snapshot.join("config.json"), "{}").unwrap();
        let partial = find("owner/small").unwrap_err().to_string();
        assert!(partial.contains("downloads are not allowed"), "{partial}");
        std::fs::write(snapshot.join("model.safetensors"), "").unwrap();
        assert_eq!(find("owner/small").unwrap(), snapshot);
        for bad in ["other", "a/b/c", "../small", "owner/../small", ""] {
            assert!(matches!(find(bad), Err(Error::NoModel { .. })), "{bad}");
        }
    }
}
