mod odd_files;

use burn::tensor::Device;
use free_at_core::{Bounds, Epsilon, Error, RuleError, ThreatModel};

use super::*;
use crate::{breast_cancer, wine_quality};

const CSV: &str = "\
id,age,income,job,red,green,bought
1,31,40.5,clerk,1,0,no
2,45,51,smith,0,1,yes
3,28,39,clerk,0,1,no
4,60,48.25,nurse,1,0,yes
";

fn config() -> TableConfig {
    TableConfig::new("bought")
        .ignoring(["id"])
        .with_integers(["age"])
        .with_categories(["job"])
        .with_one_hot("colour", ["red", "green"])
}

fn read(config: TableConfig, csv: &str) -> Result<Table, DataError> {
    config.read(csv.as_bytes(), "people")
}

fn refusal(config: TableConfig, csv: &str) -> TableError {
    match read(config, csv) {
        Err(DataError::Table(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn columns_become_features_and_back() {
    let table = read(config(), CSV).unwrap();
    let names = table.feature_names();
    let expected = [
        "age",
        "income",
        "job = clerk",
        "job = nurse",
        "job = smith",
        "colour = red",
        "colour = green",
    ];
    assert_eq!(names, expected);
    assert_eq!(table.class_names(), ["no", "yes"]);
    let (row, class) = table.row(3).unwrap();
    assert_eq!((row.len(), class), (7, 1));
    assert_eq!(row[2..], [0.0, 1.0, 0.0, 1.0, 0.0]);
    let values = table.decode(row).unwrap();
    assert_eq!(values[0], Value::Integer(60));
    assert_eq!(values[2..], [Value::Category("nurse".into()), Value::Category("red".into())]);
    let Value::Number(income) = values[1] else { panic!() };
    assert!((income - 48.25).abs() < 1e-5);
}

#[test]
fn numbers_are_standardised_by_the_training_rows_alone() {
    const ROUNDING: f32 = 1e-5; // a mean of 455 numbers of order 1 in single precision
    let (train, test) = breast_cancer::table().unwrap().split(114, 3).unwrap();
    assert_eq!((train.len(), test.len()), (455, 114));
    for feature in 0..30 {
        let values: Vec<f32> = (0..455).map(|at| train.row(at).unwrap().0[feature]).collect();
        let mean = values.iter().sum::<f32>() / 455.0;
        let var = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 455.0;
        assert!(mean.abs() < ROUNDING && (var - 1.0).abs() < 10.0 * ROUNDING);
    }
    // The same raw row, whichever of the two it is in.
    let whole = breast_cancer::table().unwrap();
    let held = test.batch(&Device::flex()).unwrap();
    let place = held.indices().unwrap()[5];
    let (there, _) = whole.row(place).unwrap();
    let (here, _) = test.row(5).unwrap();
    for (a, b) in whole.decode(there).unwrap().iter().zip(test.decode(here).unwrap()) {
        assert_eq!(a.to_string(), b.to_string());
    }
}

#[test]
fn the_embedded_tables_have_their_rows_and_classes() {
    let counts = |table: &Table| {
        let mut counts = vec![0; table.classes()];
        (0..table.len()).for_each(|at| counts[table.row(at).unwrap().1] += 1);
        counts
    };
    assert_eq!(counts(&breast_cancer::table().unwrap()), [357, 212]);
    let wines = wine_quality::table().unwrap();
    assert_eq!(wines.class_names(), ["3", "4", "5", "6", "7", "8"]);
    assert_eq!(counts(&wines), [10, 53, 681, 638, 199, 18]);
}

#[test]
fn the_loader_gives_every_row_once_with_its_place() {
    let (train, _) = wine_quality::table().unwrap().split(320, 0).unwrap();
    let loader = train.loader(100, Some(1), &Device::flex()).unwrap();
    let mut places = Vec::new();
    for batch in loader.iter() {
        let batch = batch.unwrap();
        assert_eq!(batch.inputs().dims(), [batch.len(), 11]);
        places.extend_from_slice(batch.indices().unwrap());
    }
    assert_eq!(places.len(), 1_279);
    let again: Vec<usize> = train
        .loader(100, Some(1), &Device::flex())
        .unwrap()
        .iter()
        .flat_map(|batch| batch.unwrap().indices().unwrap().to_vec())
        .collect();
    assert_eq!(places, again);
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), 1_279);
}

#[test]
fn files_that_are_no_table_are_refused_with_line_and_column() {
    let replaced = |from: &str, to: &str| CSV.replace(from, to);
    let missing = refusal(TableConfig::new("colour"), CSV);
    assert!(matches!(&missing, TableError::NoSuchColumn { column, .. } if column == "colour"));
    let missing = refusal(config().with_integers(["height"]), CSV);
    assert!(matches!(&missing, TableError::NoSuchColumn { column, .. } if column == "height"));

    let text = refusal(config(), &replaced("48.25", "much"));
    let shown = "people, line 5: column `income` holds `much`, a number expected";
    assert!(text.to_string().starts_with(shown), "{text}");
    let fraction = refusal(config(), &replaced("28", "28.5"));
    assert!(matches!(fraction, TableError::NotANumber { line: 4, expected: "a whole number", .. }));
    let infinite = refusal(config(), &replaced("39", "inf"));
    assert!(matches!(infinite, TableError::NotANumber { line: 4, .. }));

    let constant =
        CSV.replace("40.5", "1").replace("51", "1").replace("39", "1").replace("48.25", "1");
    let constant = refusal(config(), &constant);
    assert_eq!(constant, TableError::Constant { column: "income".into(), value: "1".into() });
    let one_job = CSV.replace("smith", "clerk").replace("nurse", "clerk");
    assert!(matches!(refusal(config(), &one_job), TableError::Constant { .. }));
    let one_class = refusal(config(), &CSV.replace("yes", "no"));
    assert_eq!(one_class, TableError::OneClass { column: "bought".into(), found: 1 });

    let overlap = config().with_one_hot("other", ["green", "income"]);
    assert_eq!(refusal(overlap, CSV), TableError::Overlap { column: "green".into() });
    assert!(matches!(refusal(config().ignoring(["age"]), CSV), TableError::Overlap { .. }));
    let both = refusal(config(), &replaced("smith,0,1", "smith,1,1"));
    assert_eq!(
        both,
        TableError::NotOneHot { table: "people".into(), line: 3, group: "colour".into() }
    );
    let ragged = refusal(config(), &replaced("smith,0,1", "smith,0"));
    assert!(matches!(ragged, TableError::Ragged { line: 3, expected: 7, found: 6, .. }));
    let twice = refusal(config(), &replaced("red,green", "red,red"));
    assert!(matches!(twice, TableError::DuplicateColumn { .. }));
    let group =
        TableConfig::new("bought").ignoring(["id", "job"]).with_one_hot("age", ["red", "green"]);
    let named = refusal(group, CSV);
    assert_eq!(named, TableError::DuplicateColumn { table: "people".into(), column: "age".into() });
    let nothing =
        TableConfig::new("bought").ignoring(["id", "age", "income", "job", "red", "green"]);
    assert!(matches!(refusal(nothing, CSV), TableError::NoColumns { .. }));
    let empty = read(config(), CSV.lines().next().unwrap());
    assert_eq!(empty.unwrap_err(), DataError::Core(Error::EmptyBatch));
    assert!(matches!(config().open("no-such-file.csv"), Err(DataError::File { .. })));
    let not_text = config().read(&[0xff, 0xfe, 0x00, b'\n'][..], "bytes");
    assert!(not_text.is_err());
}

#[test]
fn values_that_are_not_there_are_handled_as_asked() {
    let gaps = CSV.replace("45,51", "?,51").replace("3,28,39,clerk", "3,28,39,NA");
    let refused = refusal(config(), &gaps);
    assert_eq!(
        refused,
        TableError::Missing { table: "people".into(), line: 3, column: "age".into() }
    );
    let green = gaps.replace("nurse,1,0", "nurse,0,1"); // or both that are left are red
    let dropped = read(config().with_missing(Missing::DropRows), &green).unwrap();
    assert_eq!(dropped.len(), 2);
    let filled = read(config().with_missing(Missing::Fill), &gaps).unwrap();
    assert_eq!(filled.len(), 4);
    // (31 + 28 + 60) / 3 is 39.67, and clerk and smith and nurse are one each: the first by name.
    let values = filled.decode(filled.row(1).unwrap().0).unwrap();
    assert_eq!(values[0], Value::Integer(40));
    let values = filled.decode(filled.row(2).unwrap().0).unwrap();
    assert_eq!(values[2], Value::Category("clerk".into()));
    let label = CSV.replace("clerk,1,0,no", "clerk,1,0,");
    assert!(matches!(refusal(config(), &label), TableError::Missing { line: 2, .. }));
    assert_eq!(read(config().with_missing(Missing::Fill), &label).unwrap().len(), 3);
}

#[test]
fn another_file_gets_the_training_tables_encoding() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("more.csv");
    let table = read(config(), CSV).unwrap();
    std::fs::write(&path, CSV.lines().take(2).collect::<Vec<_>>().join("\n")).unwrap();
    let other = config().open_like(&path, &table).unwrap();
    assert_eq!(other.row(0), table.row(0));
    let codes = CSV.replace("clerk", "1").replace("smith", "2").replace("nurse", "3");
    let (as_categories, as_numbers) =
        (config(), TableConfig { categories: Vec::new(), ..config() });
    let coded = read(as_categories, &codes).unwrap();
    std::fs::write(&path, &codes).unwrap();
    let refused = as_numbers.open_like(&path, &coded).unwrap_err();
    assert!(matches!(
        refused,
        DataError::Table(TableError::OtherKind { column, .. }) if column == "job"
    ));
    std::fs::write(&path, CSV.replace("nurse", "baker")).unwrap();
    let unknown = config().open_like(&path, &table).unwrap_err();
    assert!(matches!(
        unknown,
        DataError::Table(TableError::UnknownCategory { line: 5, value, .. }) if value == "baker"
    ));
}

#[test]
fn changes_are_said_in_the_columns_own_units() {
    let table = read(config(), CSV).unwrap();
    let before = table.row(0).unwrap().0.to_vec();
    let mut after = before.clone();
    after[0] += 2.0 / table.columns()[0].std().unwrap() as f32;
    after[1] -= 0.0625 / table.columns()[1].std().unwrap() as f32;
    after[2..5].copy_from_slice(&[0.0, 0.0, 1.0]);
    let changes = table.changes(&before, &after).unwrap();
    let shown: Vec<String> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["age 31 → 33", "income 40.5 → 40.44", "job clerk → smith"]);
    assert!(table.changes(&before, &before).unwrap().is_empty());
    let wrong = Error::FeatureCount { what: "the row", expected: 7, found: 3 };
    assert_eq!(table.decode(&before[..3]), Err(wrong));
}

#[test]
fn threat_models_name_columns() {
    let table = read(config(), CSV).unwrap();
    let linf = || ThreatModel::linf(Epsilon::unit(0.5));
    let threat = table
        .threat(linf())
        .freezing("colour")
        .only_down("income")
        .with_reach("age", 3.0)
        .within("income", 30.0, 60.0)
        .build()
        .unwrap();
    let scale = threat.scale().unwrap();
    let std = table.columns()[0].std().unwrap();
    // Three years, and a quarter so that no rounding takes one.
    assert!((f64::from(scale[0]) * 0.5 * std - 3.25).abs() < 1e-5, "{scale:?}");
    assert_eq!(scale[1..], [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
    let rules = threat.rules().unwrap();
    assert_eq!(rules.step(0), Some((1.0 / std) as f32));
    assert_eq!(rules.direction(1), Some(free_at_core::Direction::Down));
    assert_eq!(rules.categories(), [vec![2, 3, 4], vec![5, 6]]);
    let Bounds::PerFeature { low, high } = threat.bounds() else { panic!() };
    assert!(low[1] < table.row(2).unwrap().0[1] && high[1] > table.row(1).unwrap().0[1]);
    assert!(low[0].is_infinite());

    let narrow = table.threat(linf()).within("income", 40.0, 50.0).within_observed();
    let within = table.threat(linf()).within("income", 40.0, 50.0).build().unwrap();
    assert_eq!(narrow.build().unwrap().bounds().of_feature(1), within.bounds().of_feature(1));
    assert_eq!(*table.threat(linf()).build().unwrap().bounds(), Bounds::None);
    let observed = table.threat(linf()).within_observed().build().unwrap();
    let batch = table.batch(&Device::flex()).unwrap();
    assert_eq!(batch.check(2, observed.bounds()), Ok(()));

    let refused = table.threat(linf()).freezing("height").build().unwrap_err();
    assert!(matches!(refused, DataError::Table(TableError::NoSuchColumn { .. })));
    let refused = table.threat(linf()).only_up("job").build().unwrap_err();
    assert!(matches!(refused, DataError::Table(TableError::Rule { .. })));
    let refused = table.threat(ThreatModel::l2(Epsilon::unit(0.5))).build().unwrap_err();
    assert!(matches!(
        refused,
        DataError::Core(Error::Rules(RuleError::CategoriesWithoutLength { .. }))
    ));
    let frozen = table.threat(ThreatModel::l2(Epsilon::unit(0.5))).freezing_categories().build();
    assert!(frozen.is_ok());
    let backwards = table.threat(linf()).within("income", 60.0, 30.0).build().unwrap_err();
    assert!(matches!(backwards, DataError::Core(Error::Bounds { feature: Some(1), .. })));
}
