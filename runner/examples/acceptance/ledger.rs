//! What has run, a line of JSON each, and the table of it.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::hash::Hasher;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::ended::{Ended, Read};
use crate::steps::Step;

/// One step that has run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    /// The name of the step.
    pub(crate) step: String,
    /// The digest of the program it ran.
    #[serde(default)]
    pub(crate) program: String,
    /// What was called, to be pasted.
    pub(crate) command: String,
    pub(crate) is_good: bool,
    pub(crate) told: String,
    pub(crate) took_s: u64,
    /// What the report of a failure run says.
    pub(crate) read: Option<Read>,
}

impl Line {
    pub(crate) fn of(step: &Step, ended: Ended, took: Duration) -> Self {
        Self {
            step: step.name.clone(),
            program: String::new(),
            command: step.line(),
            is_good: ended.is_good,
            told: ended.told,
            took_s: took.as_secs(),
            read: ended.read,
        }
    }
}

/// The file of what has run.
pub(crate) struct Ledger {
    path: PathBuf,
    program: String,
    lines: BTreeMap<String, Line>,
}

impl Ledger {
    /// Reads what has run with this program. What ran with another is not counted.
    pub(crate) fn open(path: &Path, program: &Path) -> anyhow::Result<Self> {
        let program = digest(program)?;
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let mut lines = BTreeMap::new();
        for (number, text) in text.lines().enumerate() {
            let line: Line = serde_json::from_str(text)
                .with_context(|| format!("{}:{}", path.display(), number + 1))?;
            if line.program == program {
                lines.insert(line.step.clone(), line);
            }
        }
        Ok(Self { path: path.to_path_buf(), program, lines })
    }

    pub(crate) fn has(&self, step: &str) -> bool {
        self.lines.contains_key(step)
    }

    pub(crate) fn note(&mut self, mut line: Line) -> anyhow::Result<()> {
        line.program.clone_from(&self.program);
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path)?;
        writeln!(file, "{}", serde_json::to_string(&line)?)?;
        self.lines.insert(line.step.clone(), line);
        Ok(())
    }

    /// What has run of these.
    pub(crate) fn lines(&self, steps: &[&Step]) -> Vec<&Line> {
        steps.iter().filter_map(|step| self.lines.get(&step.name)).collect()
    }

    /// Whether all of these have run and none was bad. The failure runs are judged together.
    pub(crate) fn is_good(&self, steps: &[&Step]) -> bool {
        let lines = self.lines(steps);
        let alone = lines.iter().filter(|line| line.read.is_none());
        lines.len() == steps.len()
            && alone.into_iter().all(|line| line.is_good)
            && crate::failure::is_good(lines.iter().filter_map(|line| line.read.as_ref()))
    }

    pub(crate) fn table(&self, steps: &[&Step]) -> String {
        let mut text = String::new();
        for step in steps {
            let (word, told, took) = match self.lines.get(&step.name) {
                None => ("not run", step.line(), String::new()),
                Some(line) => {
                    let word = if line.is_good { "good" } else { "BAD" };
                    (word, line.told.clone(), format!("{} s", line.took_s))
                }
            };
            text +=
                &format!("{:9} {word:8} {:34} {took:>6}  {told}\n", step.group.name(), step.name);
        }
        text
    }
}

/// Tells one build from another.
fn digest(program: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(program).with_context(|| program.display().to_string())?;
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(&bytes);
    Ok(format!("{:016x}", hasher.finish()))
}
