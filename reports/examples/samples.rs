//! Writes the invented runs that the tests draw, with their reports: for looking at pages while
//! working on them. `cargo run -p whitewater-reports --example samples -- FOLDER [OPERATIONS]`

#[path = "../tests/reports/sample/mod.rs"]
#[expect(clippy::unwrap_used, reason = "shared with the tests, which fail by panicking")]
mod sample;

use std::path::PathBuf;

use whitewater_checker::run_folder::REPORT;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let root = PathBuf::from(arguments.next().ok_or("usage: samples FOLDER [OPERATIONS]")?);
    let operations = arguments.next().map_or(Ok(30_000), |text| text.parse())?;
    for (shape, name) in sample::SHAPES {
        let folder = root.join(name);
        std::fs::create_dir_all(&folder)?;
        sample::write_run(&folder, shape, operations);
        let began = std::time::Instant::now();
        whitewater_reports::write_all(&folder)?;
        eprintln!("{} in {:?}", folder.join(REPORT).display(), began.elapsed());
    }
    Ok(whitewater_reports::write_index(&root)?)
}
