//! Pages for a person's check: ten failures of bugs drawn at random, with the bug's name taken out of all that
//! the page is drawn from. What is wrong is to be read from the banner; the key is in a file of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use whitewater_checker::run_folder::{LATEST, REPORT};
use whitewater_server::mutants::CATALOGUE;

const PAGES: usize = 10;
/// Draws that may find nothing before it is given up.
const DRAWS_MAX: usize = 200;
/// A simulated run that ended in a violation.
const EXIT_VIOLATION: i32 = 1;

/// Draws ten pages into this folder, `01/report.html` to `10/report.html`, and `key.txt`.
pub(crate) fn draw(program: &Path, folder: &Path, seed: u64) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let mut draws = ChaCha8Rng::seed_from_u64(seed);
    let mut key = String::new();
    let mut drawn = 0;
    for _ in 0..DRAWS_MAX {
        if drawn == PAGES {
            break;
        }
        let card = &CATALOGUE[draws.random_range(0..CATALOGUE.len())];
        let number = draws.random_range(1..=1000);
        let runs = folder.join("runs");
        let status = Command::new(program)
            .args(["sim", "--mutant", card.name, "--seeds", &format!("{number}..{number}")])
            .arg("--runs-dir")
            .arg(&runs)
            .output()?
            .status;
        if status.code() == Some(EXIT_VIOLATION) {
            drawn += 1;
            let page = folder.join(format!("{drawn:02}"));
            fs::rename(runs.join(LATEST).canonicalize()?, &page)?;
            forget(&page, card.name)?;
            let output = Command::new(program).arg("report").arg(&page).output()?;
            if !output.status.success() {
                bail!("{}: {}", page.display(), String::from_utf8_lossy(&output.stderr));
            }
            let left = fs::read_to_string(page.join(REPORT))?;
            if left.contains(card.name) {
                bail!("{} still names its bug", page.display());
            }
            key += &format!("{drawn:02}  {}, seed {number}: {}\n", card.name, card.broken);
        }
        if runs.exists() {
            fs::remove_dir_all(&runs)?;
        }
    }
    fs::write(folder.join("key.txt"), key)?;
    anstream::println!(
        "{drawn} pages in {}; say what is wrong in each before you open key.txt",
        folder.display()
    );
    Ok(())
}

/// Takes the name of a bug out of every file of a run, also where a command or a log tells it.
fn forget(folder: &Path, name: &str) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            forget(&path, name)?;
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let nameless = text
            .replace(&format!(" --mutant {name}"), "")
            .replace(&format!("\"mutant\":\"{name}\""), "\"mutant\":null")
            .replace(&format!("\"mutant\": \"{name}\""), "\"mutant\": null")
            .replace(&format!("\\\"mutant\\\":\\\"{name}\\\""), "\\\"mutant\\\":null")
            .replace(name, "none");
        if nameless != text {
            fs::write(&path, nameless).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}
