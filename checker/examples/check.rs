//! Checks any history file and says in a sentence what is wrong with it:
//!
//! ```text
//! cargo run --release -p whitewater-checker --example check -- history.edn
//! ```

use std::io::Write;
use std::path::Path;

use whitewater_checker::{Options, check_history};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("usage: check HISTORY")?;
    let (analysis, report) = check_history(Path::new(&file), &Options::default())?;
    let mut out = std::io::stdout().lock();
    for check in &analysis.checks {
        writeln!(out, "{}: {} ({})", check.name, check.state.word(), check.summary)?;
        for finding in &check.findings {
            writeln!(
                out,
                "  {}: {}\n  {}",
                finding.anomaly, finding.headline, finding.explanation
            )?;
            for operation in finding.witness.iter().flat_map(|witness| &witness.operations) {
                writeln!(
                    out,
                    "    {} client {}: {}",
                    operation.label, operation.process, operation.text
                )?;
            }
        }
    }
    writeln!(out, "{:.1} ms to read, {:.1} ms to check", report.parse_ms, report.check_ms)?;
    Ok(())
}
