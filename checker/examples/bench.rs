//! Measures the checker on generated histories and prints a table, with floors measured in the same run:
//! sorting as many numbers as there are operations, inserting as many into a hash set, reading the same file.
//!
//! ```text
//! cargo run --profile dist -p whitewater-checker --example bench            # everything, some minutes
//! cargo run --profile dist -p whitewater-checker --example bench -- quick   # without the million
//! cargo run --profile dist -p whitewater-checker --example bench -- one-hot # rows whose name holds this
//! cargo run --profile dist -p whitewater-checker --example bench -- memory  # 10 million operations, bytes for each
//! ```

use std::collections::HashSet;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use whitewater_checker::generate::{Generate, Plant, Random, generate};
use whitewater_checker::{HistoryReport, Options, check_history, check_source};

/// Runs of each measurement; the median counts.
const RUNS: usize = 3;

/// A row of the table.
struct Row {
    name: &'static str,
    settings: Generate,
}

fn rows() -> Vec<Row> {
    let many = Generate { operations: 1_000_000, keys: 10_000, ..Generate::default() };
    let tells = Generate { cas_tells: true, ..many };
    let hot = Generate { keys: 1, clients: 10, ..tells };
    let register = Generate { operations: 5_000, keys: 1, ..tells };
    let append = Generate { operations: 2_000, clients: 10, appends: true, ..register };
    let info = |operations, info_percent, settings: Generate| Generate {
        operations,
        info_percent,
        clients: 10,
        ..settings
    };
    let stale = |settings| Generate { plant: Plant::StaleRead, ..settings };
    let row = |name, settings| Row { name, settings };
    vec![
        row("million-keys-unique", tells),
        row("million-keys-unique-silent-cas", many),
        row("million-keys-5-values", Generate { values: 5, ..tells }),
        row("million-keys-info-5%", Generate { info_percent: 5, ..tells }),
        row("one-hot-10k", Generate { operations: 10_000, ..hot }),
        row("one-hot-10k-stale", stale(Generate { operations: 10_000, ..hot })),
        row("one-hot-100k", Generate { operations: 100_000, ..hot }),
        row("one-hot-100k-silent-cas", Generate { operations: 100_000, cas_tells: false, ..hot }),
        row("one-hot-100k-silent-cas-info-5%", {
            let silent = Generate { operations: 100_000, cas_tells: false, ..hot };
            Generate { info_percent: 5, ..silent }
        }),
        row("million-one-hot", hot),
        row("million-one-hot-silent-cas", Generate { cas_tells: false, ..hot }),
        row("register-20-clients", Generate { clients: 20, ..register }),
        row("register-20-clients-stale", stale(Generate { clients: 20, ..register })),
        row("register-50-clients", Generate { clients: 50, ..register }),
        row("register-50-clients-stale", stale(Generate { clients: 50, ..register })),
        row("register-10-clients-5-values", Generate { clients: 10, values: 5, ..register }),
        row("register-20-clients-5-values", Generate { clients: 20, values: 5, ..register }),
        row(
            "register-20-clients-5-values-stale",
            stale(Generate { clients: 20, values: 5, ..register }),
        ),
        row("append-2000", append),
        row("append-2000-lost", Generate { plant: Plant::LostWrite, ..append }),
        row("info-1k-5%-stale", stale(info(1_000, 5, register))),
        row("info-1k-10%-stale", stale(info(1_000, 10, register))),
        row("info-5k-10%", info(5_000, 10, register)),
        row("info-1k-5%-5-values", Generate { values: 5, ..info(1_000, 5, register) }),
        row("info-5k-10%-5-values", Generate { values: 5, ..info(5_000, 10, register) }),
    ]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let is_quick = wanted == "quick";
    let mut out = std::io::stdout().lock();
    if wanted == "memory" {
        return memory(&mut out);
    }
    writeln!(
        out,
        "{:<34} {:>8} {:>6} {:>9} {:>7} {:>9} {:>9} {:>7} {:>7} {:>10} {:>10}  decided by",
        "history",
        "ops",
        "keys",
        "parse ms",
        "MB/s",
        "check 1t",
        "check 2t",
        "/sort",
        "/hash",
        "configs",
        "verdict",
    )?;
    let path = std::env::temp_dir().join(format!("whitewater-bench-{}.jsonl", std::process::id()));
    for row in rows() {
        let is_wanted = if is_quick {
            row.settings.operations <= 100_000
        } else {
            row.name.contains(wanted.as_str())
        };
        if is_wanted {
            measure(&row, &path, &mut out)?;
        }
    }
    writeln!(out, "peak memory {} MiB", peak_mib())?;
    Ok(())
}

fn measure(row: &Row, path: &Path, out: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
    let mut file = BufWriter::new(File::create(path)?);
    generate(row.settings, &mut file)?;
    file.flush()?;
    drop(file);
    let one = checked(path, 1)?;
    let two = checked(path, 2)?;
    std::fs::remove_file(path)?;
    let (sort, hash) = floors(row.settings.operations as usize);
    let methods: Vec<&str> = one.0.keys_by_method.keys().map(String::as_str).collect();
    writeln!(
        out,
        "{:<34} {:>8} {:>6} {:>9.1} {:>7.0} {:>9.2} {:>9.2} {:>7.2} {:>7.2} {:>10} {:>10}  {}",
        row.name,
        one.0.operations,
        one.0.keys,
        two.0.parse_ms,
        two.0.bytes as f64 / 1e3 / two.0.parse_ms,
        one.0.check_ms,
        two.0.check_ms,
        one.0.check_ms / sort,
        one.0.check_ms / hash,
        one.0.configurations,
        one.1,
        methods.join(" "),
    )?;
    Ok(())
}

/// The median run.
fn checked(
    path: &Path,
    threads: usize,
) -> Result<(HistoryReport, &'static str), Box<dyn std::error::Error>> {
    let options = Options { threads, budget: Duration::from_secs(20), ..Options::default() };
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        let (analysis, report) = check_history(path, &options)?;
        runs.push((report, analysis.verdict.word()));
    }
    runs.sort_by(|one, two| one.0.check_ms.total_cmp(&two.0.check_ms));
    Ok(runs.swap_remove(RUNS / 2))
}

/// Milliseconds to sort, and to put into a hash set, that many numbers.
fn floors(count: usize) -> (f64, f64) {
    let mut random = Random::new(1);
    let numbers: Vec<u64> = (0..count).map(|_| random.below(u64::MAX)).collect();
    let mut sorted = numbers.clone();
    let begun = Instant::now();
    sorted.sort_unstable();
    black_box(&sorted);
    let sort = begun.elapsed();
    let begun = Instant::now();
    let set: HashSet<u64> = numbers.into_iter().collect();
    black_box(&set);
    (sort.as_secs_f64() * 1e3, begun.elapsed().as_secs_f64() * 1e3)
}

/// Bytes that a check needs for each operation beside the history in memory.
fn memory(out: &mut impl Write) -> Result<(), Box<dyn std::error::Error>> {
    writeln!(
        out,
        "{:<28} {:>9} {:>12} {:>12}  decided by",
        "history", "ops", "history B/op", "check B/op"
    )?;
    let operations = 10_000_000;
    let path = std::env::temp_dir().join(format!("whitewater-bench-{}.jsonl", std::process::id()));
    for (name, keys, cas_tells) in [
        ("10M, 100,000 keys", 100_000, true),
        ("10M, one hot key", 1, true),
        ("10M, one hot key, silent cas", 1, false),
    ] {
        let settings = Generate { operations, keys, cas_tells, clients: 10, ..Generate::default() };
        let mut file = BufWriter::new(File::create(&path)?);
        generate(settings, &mut file)?;
        drop(file);
        let options = Options::default();
        let source = whitewater_checker::history::read(&path, &options)?;
        std::fs::remove_file(&path)?;
        // The peak counts from here on.
        std::fs::write("/proc/self/clear_refs", "5")?;
        let before = kib("VmRSS:");
        let (_, report) = check_source(name, &source, &options)?;
        let peak = kib("VmHWM:");
        let bytes_each = |kib: u64| kib as f64 * 1024.0 / operations as f64;
        let history = size_of_val(source.history.operations.as_slice()) as u64 / 1024;
        let methods: Vec<&str> = report.keys_by_method.keys().map(String::as_str).collect();
        writeln!(
            out,
            "{name:<28} {:>9} {:>12.1} {:>12.1}  {}",
            report.operations,
            bytes_each(history),
            bytes_each(peak.saturating_sub(before)),
            methods.join(" "),
        )?;
    }
    Ok(())
}

/// The most memory this process ever had, MiB; 0 where the system does not tell.
fn peak_mib() -> u64 {
    kib("VmHWM:") / 1024
}

/// A line of this process's status, KiB; 0 where the system does not tell.
fn kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0)
}
