//! The ratios that a run is for, printed after it.

use std::time::SystemTime;

use criterion::Criterion;

use crate::measured;
use crate::ratio::Ratio;
use crate::record::{self, Machine, Record};

/// Runs a bench with criterion's command line, then prints its ratios. Where `FREE_AT_RECORD` names a folder,
/// the measurements go there too.
pub fn run(bench: impl FnOnce(&mut Criterion), ratios: &[Ratio]) {
    let start = SystemTime::now();
    let folder = measured::folder();
    let mut criterion = Criterion::default().output_directory(&folder).configure_from_args();
    bench(&mut criterion);
    criterion.final_summary();
    let measured = measured::since(&folder, start);
    let rows: Vec<String> = ratios
        .iter()
        .filter_map(|ratio| {
            let (medians, fastest) = ratio.of(&measured)?;
            let (of, by, bar) = (&ratio.of, &ratio.by, ratio.bar);
            Some(format!("  {of:<46} / {by:<46} {medians:7.3} ({fastest:.3})  {bar}"))
        })
        .collect();
    if !rows.is_empty() {
        println!("\nratio of medians (fastest by fastest), bar\n{}\n", rows.join("\n"));
    }
    if let Some(folder) = record::folder().filter(|_| !measured.is_empty()) {
        let record =
            Record { bench: name(), machine: Machine::here(), measured, ratios: ratios.to_vec() };
        match record.save(&folder) {
            Ok(()) => println!("recorded in {}", folder.display()),
            Err(error) => eprintln!("not recorded: {error}"),
        }
    }
}

/// The bench's own name: its program's, less the hash that cargo adds.
fn name() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let name = program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    name.rsplit_once('-').map_or(name.clone(), |(name, _)| name.to_string())
}
