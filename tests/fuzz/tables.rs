//! Tables from CSV: numbers, whole numbers, categories, columns that are the categories already, gaps.

use std::path::Path;

use burn::tensor::Device;
use free_at::data::{Missing, TableConfig};

use crate::inside::{gzip, of_gzip};
use crate::limits::{Limit, MIB, PATIENCE};
use crate::target::{Target, fuzz};

/// A cell for two bytes, and of a small file a feature for each two rows: its categories may all differ.
const LIMIT: Limit = Limit { floor: 8 * MIB, of_each: 64 };

const CSV: &str = "id,age,job,income,north,south,bought
1,31,clerk,40.5,1,0,no
2,45,smith,51,0,1,yes
3,,clerk,39,1,0,no
4,60,\"nurse, old\",48.2,0,1,yes
5,28,?,-1e3,1,0,no
6,33,smith,12,0,1,yes
";

const QUOTED: &str = "\"id\",\"age\",\"job\",\"income\",\"north\",\"south\",\"bought\"\r
\"a\",\"1\",\"x\"\"y\",\"0.25\",\"1\",\"0\",\"1\"\r
\"b\",\"2\",\"z\",\"1e-3\",\"0\",\"1\",\"2\"\r
";

fn config() -> TableConfig {
    TableConfig::new("bought")
        .with_integers(["age"])
        .with_categories(["job"])
        .with_one_hot("region", ["north", "south"])
        .ignoring(["id"])
        .with_missing(Missing::Fill)
}

/// The table, and the same file as one of new rows for a model of another.
fn read(folder: &Path) -> Result<(), String> {
    let path = ["table.csv.gz", "table.csv"].map(|name| folder.join(name));
    let path = path.iter().find(|path| path.exists()).ok_or("no table")?;
    let known = config().read(CSV.as_bytes(), "known").map_err(|error| error.to_string())?;
    let like = config().open_like(path, &known).map(|table| table.len());
    let table = config().open(path).map_err(|error| error.to_string())?;
    for at in 0..table.len() {
        let (row, class) = table.row(at).ok_or("a row is missing")?;
        let values = table.decode(row).map_err(|error| error.to_string())?;
        let first = table.row(0).ok_or("a row is missing")?.0;
        let changes = table.changes(first, row).map_err(|error| error.to_string())?;
        let shown: usize = values.iter().map(|value| value.to_string().len()).sum();
        let changed: usize = changes.iter().map(|change| change.to_string().len()).sum();
        std::hint::black_box((class, shown, changed, &like));
    }
    // A part may well have a column of one value only.
    std::hint::black_box(table.split(1, 0).map(|(train, test)| (train.len(), test.len())).ok());
    table.batch(&Device::flex()).map(drop).map_err(|error| error.to_string())
}

#[test]
fn tables() {
    fuzz(|| Target {
        name: "tables",
        inputs: 400,
        limit: LIMIT,
        patience: PATIENCE,
        seeds: vec![
            vec![("table.csv".into(), CSV.into())],
            vec![("table.csv.gz".into(), gzip(CSV.as_bytes()))],
            vec![("table.csv".into(), [QUOTED, "\"c\",3,z,2,1,0,1\n"].concat().into())],
        ],
        inside: of_gzip,
        read,
    });
}
