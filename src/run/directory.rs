//! The run directory: making it, and replacing whole files in it.

use std::fs;
use std::path::Path;

use openload_contract::Manifest;
use openload_contract::manifest::FILE_NAME;

use super::RunError;

/// Makes the run directory; refuses one that holds a run.
pub(super) fn create(run_dir: &Path) -> Result<(), RunError> {
    if run_dir.join(FILE_NAME).exists() {
        return Err(RunError::Occupied { path: run_dir.to_owned() });
    }
    fs::create_dir_all(run_dir).map_err(RunError::io(run_dir))
}

/// Writes `run.json` under a partial name and renames it: a reader sees the old one or the
/// new one.
pub(super) fn write_manifest(run_dir: &Path, manifest: &Manifest) -> Result<(), RunError> {
    let path = run_dir.join(FILE_NAME);
    let partial = run_dir.join("run.json.partial");
    let mut text = serde_json::to_string_pretty(manifest).expect("a manifest has only string keys");
    text.push('\n');
    fs::write(&partial, text).map_err(RunError::io(&partial))?;
    fs::rename(&partial, &path).map_err(RunError::io(&path))
}
