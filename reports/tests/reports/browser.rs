//! The page in a real browser, where one is found: the script must be ready, without an error.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use whitewater_checker::statistics::Statistics;

use crate::sample::Shape;
use crate::{OPERATIONS, Reported};

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// A loaded machine may take long to start a browser; a page that hangs must still end the test.
const DEADLINE: Duration = Duration::from_secs(120);

fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path)
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .find(|candidate| candidate.is_file());
    if found.is_none() {
        eprintln!("skipped: none of {NAMES:?} is on PATH");
    }
    found
}

/// The page's DOM after its script ran, and what the browser's console said.
fn open(browser: &Path, page: &Path, fragment: &str) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let log = profile.path().join("console.txt");
    let dom = profile.path().join("dom.html");
    let mut child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=10000", "--window-size=1280,2400"])
        .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
        .arg("--dump-dom")
        .arg(format!("file://{}{fragment}", page.display()))
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&dom).unwrap())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > DEADLINE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{} did not end within {DEADLINE:?}", browser.display());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let console: String = crate::read(&log)
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .map(|line| format!("{line}\n"))
        .collect();
    (crate::read(&dom), console)
}

fn attribute(dom: &str, name: &str) -> Option<u64> {
    let html = &dom[dom.find("<html")?..];
    let tag = &html[..html.find('>')?];
    tag.split_once(&format!(" {name}=\""))?.1.split_once('"')?.0.parse().ok()
}

#[test]
fn the_explorer_is_ready_with_every_operation() {
    let Some(browser) = browser() else { return };
    for (shape, fragment) in
        [(Shape::StaleRead, "#theme=dark&zoom=34-38"), (Shape::Environment, "")]
    {
        let reported = Reported::new(shape, OPERATIONS);
        let statistics = Statistics::of_run(&reported.folder).unwrap();
        let (dom, console) = open(&browser, &reported.folder.join("report.html"), fragment);
        assert_eq!(console, "", "the console is not empty");
        assert_eq!(attribute(&dom, "data-ops"), Some(statistics.operations.total()));
        assert!(attribute(&dom, "data-ready").is_some(), "the script never finished");
        assert!(!dom.contains("id=\"explorer\" hidden"), "the explorer is still hidden");
    }
}

#[test]
fn the_explorer_draws_a_run_without_operations() {
    let Some(browser) = browser() else { return };
    let root = tempfile::tempdir().unwrap();
    whitewater_reports::write_all(root.path()).unwrap();
    let (dom, console) = open(&browser, &root.path().join("report.html"), "");
    assert_eq!(console, "");
    assert_eq!(attribute(&dom, "data-ops"), Some(0));
}

#[test]
fn the_index_runs_without_an_error() {
    let Some(browser) = browser() else { return };
    let reported = Reported::new(Shape::Pass, OPERATIONS);
    whitewater_reports::write_index(reported.root.path()).unwrap();
    let (dom, console) = open(&browser, &reported.root.path().join("index.html"), "");
    assert_eq!(console, "");
    assert!(dom.contains("class=\"live\""), "the script did not run");
}
