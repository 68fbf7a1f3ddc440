//! The folder of runs: making a run's folder, and finding one by what a person calls it.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use whitewater_checker::CheckError;
use whitewater_checker::run_folder::{
    HISTORY, LAST_FAILED, LATEST, LOGS, PLAN, RUN, RunRecord, TRACES, data, is_run, write_json,
};

use crate::cluster::node_name;
use crate::exit::Refusal;
use crate::invocation;

/// A folder of runs.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    root: PathBuf,
}

/// One run's folder.
#[derive(Clone, Debug)]
pub(crate) struct RunFolder {
    /// The folder's name.
    pub(crate) id: String,
    /// Where it is.
    pub(crate) path: PathBuf,
}

impl RunFolder {
    /// A file or folder in it.
    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file of one JSON value in it.
    pub(crate) fn write_json<T: Serialize>(&self, name: &str, value: &T) -> anyhow::Result<()> {
        let path = self.join(name);
        write_json(&path, value).with_context(|| format!("write {}", path.display()))
    }
}

impl Store {
    /// The runs in `root`, which need not exist yet.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the folder of a new run of `nodes` nodes and points `latest` at it.
    pub(crate) fn create(&self, started: jiff::Timestamp, nodes: u32) -> anyhow::Result<RunFolder> {
        fs::create_dir_all(&self.root)
            .with_context(|| format!("create the folder of runs {}", self.root.display()))?;
        let root = self.root.canonicalize().context("resolve the folder of runs")?;
        let time = started.strftime("%Y-%m-%dT%H-%M-%SZ");
        let mut mark = std::process::id();
        let folder = loop {
            let id = format!("{time}-{:04x}", mark & 0xffff);
            let path = root.join(&id);
            match fs::create_dir(&path) {
                Ok(()) => break RunFolder { id, path },
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => mark += 1,
                Err(error) => {
                    return Err(error).with_context(|| format!("create {}", path.display()));
                }
            }
        };
        let mut parts = vec![TRACES.to_owned(), LOGS.to_owned()];
        parts.extend((1..=nodes).map(|node| data(&node_name(node))));
        for part in parts {
            fs::create_dir_all(folder.join(&part))
                .with_context(|| format!("create {part} in {}", folder.path.display()))?;
        }
        self.link(LATEST, &folder)?;
        Ok(folder)
    }

    /// Points `latest` or `last-failed` at a run, in one step.
    fn link(&self, name: &str, folder: &RunFolder) -> anyhow::Result<()> {
        let fresh = self.root.join(format!(".{name}-{}", std::process::id()));
        let _ = fs::remove_file(&fresh);
        symlink(&folder.id, &fresh)
            .and_then(|()| fs::rename(&fresh, self.root.join(name)))
            .with_context(|| format!("point {} at {}", self.root.join(name).display(), folder.id))
    }

    /// Writes the run's record, last.
    pub(crate) fn complete(&self, folder: &RunFolder, record: &RunRecord) -> anyhow::Result<()> {
        folder.write_json(RUN, record)?;
        if record.verdict == whitewater_checker::Verdict::Violation {
            self.link(LAST_FAILED, folder)?;
        }
        Ok(())
    }

    /// The runs, oldest first.
    pub(crate) fn list(&self) -> anyhow::Result<Vec<RunFolder>> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("read {}", self.root.display()));
            }
        };
        let mut runs = Vec::new();
        for entry in entries {
            let entry = entry.with_context(|| format!("read {}", self.root.display()))?;
            let id = entry.file_name().to_string_lossy().into_owned();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && id.starts_with("20") {
                runs.push(RunFolder { id, path: entry.path() });
            }
        }
        runs.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(runs)
    }

    /// Finds a run by folder, `latest`, `last-failed`, or the beginning of its id or of the id's
    /// last part.
    pub(crate) fn find(&self, name: &str) -> anyhow::Result<RunFolder> {
        let as_folder = Path::new(name);
        if as_folder.is_dir() {
            return run_at(as_folder);
        }
        if name == LATEST || name == LAST_FAILED {
            let link = self.root.join(name);
            if link.is_dir() {
                return run_at(&link);
            }
            let none = format!("there is no {name} run in {} yet", self.root.display());
            return Err(Refusal::Usage(none).into());
        }
        let matches = |run: &RunFolder| {
            let mark = run.id.rsplit('-').next().unwrap_or_default();
            run.id.starts_with(name) || mark.starts_with(name)
        };
        let mut found: Vec<RunFolder> = self.list()?.into_iter().filter(matches).collect();
        match (found.len(), name.is_empty()) {
            (1, false) => Ok(found.remove(0)),
            (0, _) | (_, true) => Err(Refusal::Usage(format!(
                "no run `{name}` in {}: give a folder, the beginning of an id (see `{}`), {LATEST} or \
                 {LAST_FAILED}",
                self.root.display(),
                invocation::command(["ls"])
            ))
            .into()),
            _ => {
                let ids: Vec<&str> = found.iter().map(|run| run.id.as_str()).collect();
                let many = format!("`{name}` is the beginning of several runs: {}", ids.join(", "));
                Err(Refusal::Usage(many).into())
            }
        }
    }
}

/// The run in a folder; a folder of another kind is refused, so that nothing is written into it.
fn run_at(path: &Path) -> anyhow::Result<RunFolder> {
    if is_run(path) {
        return folder_of(path);
    }
    let inside = Store::new(path.to_owned()).list().unwrap_or_default();
    let what = match inside.iter().rev().find(|run| is_run(&run.path)) {
        Some(run) => format!(
            "it holds runs, the newest of which is {}; or name one with --runs-dir {}",
            run.path.display(),
            invocation::quoted(&path.display().to_string())
        ),
        None => format!(
            "it has none of {RUN}, {PLAN}, {HISTORY} and {TRACES}/; `{}` lists the runs",
            invocation::command(["ls"])
        ),
    };
    Err(Refusal::Usage(format!("{} is not a run: {what}", path.display())).into())
}

fn folder_of(path: &Path) -> anyhow::Result<RunFolder> {
    let path = path.canonicalize().with_context(|| format!("resolve {}", path.display()))?;
    let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(RunFolder { id, path })
}

/// Reads a run's record; `None` where the run is incomplete.
pub(crate) fn read_record(folder: &RunFolder) -> anyhow::Result<Option<RunRecord>> {
    RunRecord::read(&folder.path).map_err(|error| refused(folder, error))
}

/// Reads a run's record, or puts one together from what a run without one left.
pub(crate) fn any_record(folder: &RunFolder) -> anyhow::Result<RunRecord> {
    whitewater_reports::record(&folder.path).map_err(|error| refused(folder, error))
}

fn refused(folder: &RunFolder, error: CheckError) -> anyhow::Error {
    match error {
        CheckError::Malformed { .. } => {
            let again = invocation::command(["check", &folder.id]);
            Refusal::Usage(format!("{error}; `{again}` judges the run anew")).into()
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (Store, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Store::new(folder.path().join("runs")), folder)
    }

    #[test]
    fn a_run_is_found_by_every_name_it_has() {
        let (store, _folder) = store();
        let time: jiff::Timestamp = "2026-11-24T06:40:00Z".parse().unwrap();
        let run = store.create(time, 3).unwrap();
        fs::write(run.join("plan.json"), "{}").unwrap();
        assert!(run.id.starts_with("2026-11-24T06-40-00Z-"));
        let mark = run.id.rsplit('-').next().unwrap();
        let path = run.path.to_str().unwrap();
        for name in [path, "latest", mark, &run.id[..20], &run.id] {
            assert_eq!(store.find(name).unwrap().id, run.id, "{name}");
        }
        assert!(run.join("data/n3").is_dir());
        let other = store.create(time, 3).unwrap();
        assert_ne!(other.id, run.id);
        fs::write(other.join("plan.json"), "{}").unwrap();
        assert_eq!(store.find("latest").unwrap().id, other.id);
        let error = store.find("2026").unwrap_err().to_string();
        assert!(error.contains("several runs"), "{error}");
    }

    #[test]
    fn last_failed_is_the_newest_violation_whatever_came_after() {
        use whitewater_checker::Verdict;
        let (store, _folder) = store();
        let complete = |minute: i64, verdict| {
            let time = jiff::Timestamp::from_second(minute * 60).unwrap();
            let run = store.create(time, 1).unwrap();
            fs::write(run.join("plan.json"), "{}").unwrap();
            let record = RunRecord { id: run.id.clone(), verdict, ..RunRecord::default() };
            store.complete(&run, &record).unwrap();
            run.id
        };
        complete(1, Verdict::Pass);
        for verdict in [Verdict::Undecided, Verdict::Error] {
            complete(2, verdict);
            assert!(store.find("last-failed").is_err(), "{verdict:?} is no violation");
        }
        let first = complete(3, Verdict::Violation);
        for verdict in [Verdict::Undecided, Verdict::Error, Verdict::Pass] {
            let newest = complete(4, verdict);
            assert_eq!(store.find("last-failed").unwrap().id, first, "{verdict:?}");
            assert_eq!(store.find("latest").unwrap().id, newest);
        }
        let second = complete(5, Verdict::Violation);
        assert_eq!(store.find("last-failed").unwrap().id, second);
    }

    #[test]
    fn a_folder_that_is_no_run_is_refused_with_what_it_is() {
        let (store, folder) = store();
        let path = folder.path().to_str().unwrap();
        let told = |path: &str| {
            let error = store.find(path).unwrap_err();
            assert_eq!(crate::exit::Exit::of_error(&error), crate::exit::Exit::Usage);
            error.to_string()
        };
        assert!(told(path).contains("is not a run: it has none of run.json"), "{}", told(path));
        let run = store.create(jiff::Timestamp::UNIX_EPOCH, 1).unwrap();
        let root = store.root().to_str().unwrap().to_owned();
        assert!(told(&root).contains("is not a run"), "an empty folder of a run is none either");
        for file in ["history.jsonl", "trace/n1.jsonl", "plan.json", RUN] {
            fs::write(run.join(file), "").unwrap();
            assert_eq!(store.find(run.path.to_str().unwrap()).unwrap().id, run.id, "{file}");
            fs::remove_file(run.join(file)).unwrap();
        }
    }

    #[test]
    fn names_of_no_run_are_refused_with_what_to_do() {
        let (store, _folder) = store();
        for name in ["latest", "last-failed", "7f3a", ""] {
            let error = store.find(name).unwrap_err();
            assert!(error.is::<Refusal>(), "{name}: {error}");
        }
    }

    #[test]
    fn a_record_that_is_no_json_names_the_file_and_the_place() {
        let (store, _folder) = store();
        let run = store.create(jiff::Timestamp::UNIX_EPOCH, 1).unwrap();
        assert!(read_record(&run).unwrap().is_none(), "an incomplete run");
        fs::write(run.join(RUN), "{\"schema_version\": 1,").unwrap();
        let error = read_record(&run).unwrap_err().to_string();
        assert!(error.contains("run.json:1:"), "{error}");
        let schema_version = whitewater_checker::run_folder::SCHEMA_VERSION + 1;
        let newer = RunRecord { schema_version, ..RunRecord::default() };
        run.write_json(RUN, &newer).unwrap();
        let error = read_record(&run).unwrap_err().to_string();
        assert!(error.contains("newer whitewater"), "{error}");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let store = Store::new(folder.path().join("file/runs"));
        let error = format!("{:#}", store.create(jiff::Timestamp::UNIX_EPOCH, 1).unwrap_err());
        assert!(
            error.contains("create the folder of runs") && error.contains("file/runs"),
            "{error}"
        );
    }
}
