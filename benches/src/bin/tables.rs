//! The tables of docs/benchmarks.md, from the records that benches wrote.
//!
//! `FREE_AT_RECORD=DIR cargo bench -p free-at-benches`, then `cargo run -p free-at-benches --bin tables -- DIR`

use std::error::Error;

use free_at_benches::record::Record;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: tables DIR")?;
    let mut records = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        // Beside the records of benches there may be that of the comparison with PyTorch.
        let is_bench = path.extension().is_some_and(|extension| extension == "json");
        if is_bench
            && path.file_stem().is_some_and(|name| !name.to_string_lossy().starts_with("pytorch"))
        {
            let bytes = std::fs::read(&path)?;
            let record: Record = serde_json::from_slice(&bytes)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            records.push(record);
        }
    }
    records.sort_by(|one, other| one.bench.cmp(&other.bench));
    let machine = &records.first().ok_or("there is no record in the folder")?.machine;
    println!(
        "{}; {}; {}; {}; profile {}\n",
        machine.processor, machine.device, machine.rust, machine.versions, machine.profile
    );
    for record in &records {
        if record.machine != *machine {
            return Err(format!("{} is of another machine or version", record.bench).into());
        }
        println!("{}", record.table());
    }
    Ok(())
}
