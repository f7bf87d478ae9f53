//! Tables as people really have them: one test for each kind of oddity.

use std::io::Write;

use super::*;

fn read(config: &TableConfig, csv: &str) -> Result<Table, DataError> {
    config.read(csv.as_bytes(), "odd")
}

fn refusal(config: &TableConfig, csv: &str) -> TableError {
    match read(config, csv) {
        Err(DataError::Table(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// A column `value`, of these values, and two classes in turn.
fn column<T: std::fmt::Display>(values: impl IntoIterator<Item = T>) -> String {
    let rows = values.into_iter().enumerate().map(|(at, value)| format!("{value},{}\n", at % 2));
    "value,class\n".to_string() + &rows.collect::<String>()
}

fn numbers() -> TableConfig {
    TableConfig::new("class")
}

fn whole_numbers() -> TableConfig {
    numbers().with_integers(["value"])
}

/// Seconds since 1970, years apart.
fn times() -> Vec<i64> {
    (0..40).map(|at| 1_500_000_000 + at * 7_654_321 + at * at % 13).collect()
}

#[test]
fn whole_numbers_that_single_precision_does_not_carry_are_refused_by_line() {
    let refused = refusal(&whole_numbers(), &column(times()));
    let TableError::WholeNumbersTooFar { line, column: name, value, .. } = &refused else {
        panic!("{refused}")
    };
    assert_eq!((*line, name.as_str(), *value), (2, "value", 1_500_000_000.0));
    assert!(refused.to_string().contains("days in place of seconds"), "{refused}");
    let days = column(times().iter().map(|time| time / 86_400));
    assert!(read(&whole_numbers(), &days).is_ok());
}

#[test]
fn every_value_of_a_file_decodes_to_itself() {
    let values = |table: &Table, at: usize| table.decode(table.row(at).unwrap().0).unwrap();
    let check = |config: &TableConfig, csv: &str, expected: &dyn Fn(usize) -> Value| {
        let table = read(config, csv).unwrap();
        let (train, test) = table.split(table.len() / 3, 0).unwrap();
        for at in 0..table.len() {
            assert_eq!(values(&table, at)[0], expected(at));
        }
        for part in [train, test] {
            let batch = part.batch(&Device::flex()).unwrap();
            for (at, place) in batch.indices().unwrap().iter().enumerate() {
                assert_eq!(values(&part, at)[0], expected(*place));
                assert_eq!(part.values(at).unwrap()[0], expected(*place));
            }
        }
    };
    check(&numbers(), &column(times()), &|at| Value::Number(times()[at] as f64));
    let whole = |at: usize| (at as i64 * 48_271 % 2_000_003) - 1_000_001;
    check(&whole_numbers(), &column((0..999).map(whole)), &|at| Value::Integer(whole(at)));
    // More digits than single precision has.
    let long = |at: usize| 1e6 + (at as f64).sin() / 3.0;
    check(&numbers(), &column((0..99).map(long)), &|at| Value::Number(long(at)));
}

#[test]
fn a_feature_of_no_row_is_the_number_with_the_fewest_digits() {
    let table = read(&numbers(), &column([0.5, 10.25, 99.75, 31.0])).unwrap();
    let feature = |value| table.columns()[0].standardized(value).unwrap();
    for value in [0.0, 95.0, 12.3, -7.125, 1e-3] {
        let decoded = table.decode(&[feature(value)]).unwrap();
        assert_eq!(decoded, [Value::Number(value)]);
    }
}

#[test]
fn limits_hold_in_the_unit_of_the_column() {
    const EPSILON: f64 = 0.7;
    let table =
        read(&numbers(), &column((0..200).map(|at| f64::from(at * 37 % 200) * 0.1))).unwrap();
    let number = |feature| match table.decode(&[feature]).unwrap()[..] {
        [Value::Number(number)] => number,
        _ => panic!(),
    };
    for (low, high) in [(0.1, 17.3), (0.3, 19.9), (1.0 / 3.0, 6.7), (-0.7, 2.0 / 3.0)] {
        let threat = table.threat(ThreatModel::linf(Epsilon::unit(EPSILON)));
        let threat = threat.within("value", low, high).build().unwrap();
        let (lowest, highest) = threat.bounds().of_feature(0);
        assert!(number(lowest) >= low && number(highest) <= high);
        // And no tighter than that.
        assert!(number(lowest.next_down()) < low && number(highest.next_up()) > high);
    }
    for reach in [0.1, 0.5, 3.0, 7.7] {
        let threat = table.threat(ThreatModel::linf(Epsilon::unit(EPSILON)));
        let threat = threat.with_reach("value", reach).build().unwrap();
        let moved = threat.scale().unwrap()[0] * EPSILON as f32;
        for at in 0..table.len() {
            let (from, value) = (table.row(at).unwrap().0[0], table.values(at).unwrap());
            let [Value::Number(value)] = value[..] else { panic!() };
            for to in [number(from + moved), number(from - moved)] {
                let by = (to - value).abs();
                assert!(by <= reach && by > 0.999 * reach, "{value} to {to}");
            }
        }
    }
}

#[test]
fn a_reach_of_whole_numbers_is_that_many() {
    const EPSILON: f64 = 0.5;
    // The finest that is carried: whole numbers a million from their mean.
    let table =
        read(&whole_numbers(), &column((0..64).map(|at| at * 32_000 + at * at % 7))).unwrap();
    for reach in 1..7 {
        let threat = table.threat(ThreatModel::linf(Epsilon::unit(EPSILON)));
        let threat = threat.with_reach("value", f64::from(reach)).build().unwrap();
        let inputs = table.batch(&Device::flex()).unwrap().inputs();
        let set = threat.around(&inputs).unwrap();
        for sign in [1.0, -1.0] {
            let far = set.project(&inputs, inputs.ones_like().mul_scalar(sign));
            let moved = set.snap(&inputs, inputs.clone() + far);
            let moved: Vec<f32> = moved.try_into_vec_as().unwrap();
            for (at, feature) in moved.iter().enumerate() {
                let (before, after) =
                    (table.values(at).unwrap(), table.decode(&[*feature]).unwrap());
                let ([Value::Integer(before)], [Value::Integer(after)]) = (&before[..], &after[..])
                else {
                    panic!()
                };
                assert_eq!((after - before).abs(), i64::from(reach), "{before} to {after}");
            }
        }
    }
}

#[test]
fn a_reach_that_single_precision_does_not_carry_is_refused() {
    let table = read(&numbers(), &column(times())).unwrap();
    let threat = || table.threat(ThreatModel::linf(Epsilon::unit(0.5)));
    let refused = threat().with_reach("value", 5.0).build().unwrap_err();
    assert!(
        matches!(&refused, DataError::Table(TableError::ReachTooFine { step, .. }) if *step > 5.0),
        "{refused}"
    );
    assert!(threat().with_reach("value", 86_400.0).build().is_ok());
}

#[test]
fn identifiers_are_no_numbers() {
    let ids = column((0..8).map(|at| 1_234_567_890_123_456_789i64 + at));
    for config in [numbers(), whole_numbers()] {
        let refused = refusal(&config, &ids);
        assert!(matches!(&refused, TableError::TooManyDigits { line: 2, .. }), "{refused}");
    }
    assert!(read(&numbers(), &column(["1152921504606846976", "0"])).is_ok()); // 2⁶⁰, to the last digit
}

#[test]
fn values_beyond_single_precision_are_refused_by_line() {
    for huge in ["1e308", "-1e200", "1e39", "1e999"] {
        let refused = refusal(&numbers(), &column(["1", "2", huge, "3"]));
        assert!(
            matches!(&refused, TableError::OutOfRange { line: 4, text, .. } if text == huge),
            "{refused}"
        );
    }
    // Their spread squares to 0 in double precision.
    let refused = refusal(&numbers(), &column(["1e-200", "2e-200", "3e-200"]));
    assert!(matches!(&refused, TableError::FarOut { line: 2, .. }), "{refused}");
    // Or is so small that another row is out of reach.
    let small = column(["1e-30", "2e-30", "1e-30", "2e-30"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("more.csv");
    std::fs::write(&path, column(["1e-30", "1e30"])).unwrap();
    let table = read(&numbers(), &small).unwrap();
    let refused = numbers().open_like(&path, &table).unwrap_err();
    assert!(matches!(&refused, DataError::Table(TableError::FarOut { line: 3, .. })), "{refused}");
    let table = read(&numbers(), &column(["3.4e38", "-3.4e38", "1", "2"])).unwrap();
    assert!(table.row(0).unwrap().0[0].is_finite());
}

#[test]
fn a_column_whose_outliers_blur_the_others_is_refused() {
    let blurred = (0..500).map(|at| f64::from(at) / 500.0).chain([1e12]);
    let refused = refusal(&numbers(), &column(blurred));
    assert!(
        matches!(&refused, TableError::Blurred { distinct: 501, kept, .. } if *kept < 100),
        "{refused}"
    );
    let fine = (0..500).map(|at| f64::from(at) / 500.0).chain([1e3]);
    assert!(read(&numbers(), &column(fine)).is_ok());
}

#[test]
fn one_class_that_is_written_in_two_ways_is_refused() {
    let labelled = |labels: &[&str]| {
        let rows = labels.iter().enumerate().map(|(at, label)| format!("{at},{label}\n"));
        "value,class\n".to_string() + &rows.collect::<String>()
    };
    let pairs = [["0", "0.0"], ["1", "01"], ["Yes", "yes"], ["1e1", "10"], ["-0", "0"]];
    for [one, other] in pairs {
        let refused = refusal(&numbers(), &labelled(&[one, "no", other, "no"]));
        assert!(matches!(&refused, TableError::SameTexts { column, .. } if column == "class"));
        assert!(refused.to_string().contains(one) && refused.to_string().contains(other));
        let taken = read(&numbers().with_texts_as_written(), &labelled(&[one, "no", other, "no"]));
        assert_eq!(taken.unwrap().classes(), 3);
        // Categories likewise.
        let csv = format!("value,class\n{one},a\n{other},b\nx,a\n");
        let categories = numbers().with_categories(["value"]);
        let refused = refusal(&categories, &csv);
        assert!(matches!(&refused, TableError::SameTexts { column, .. } if column == "value"));
        assert!(read(&categories.with_texts_as_written(), &csv).is_ok());
    }
    // Another file may write them its own way.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("more.csv");
    std::fs::write(&path, labelled(&["1.0", "NO", "no"])).unwrap();
    let table = read(&numbers(), &labelled(&["1", "no", "no", "1"])).unwrap();
    let other = numbers().open_like(&path, &table).unwrap();
    assert_eq!([0, 1, 2].map(|at| other.row(at).unwrap().1), [0, 1, 1]);
    assert_eq!(other.class_names(), ["1", "no"]);
    // But not where they are taken as they are.
    let as_written = numbers().with_texts_as_written();
    let refused = as_written.open_like(&path, &table).unwrap_err();
    assert!(
        matches!(&refused, DataError::Table(TableError::UnknownCategory { value, .. }) if value == "1.0")
    );
    // Long identifiers are no numbers of double precision.
    let long = labelled(&["12345678901234567", "12345678901234568", "12345678901234567"]);
    assert_eq!(read(&numbers(), &long).unwrap().classes(), 2);
}

#[test]
fn a_class_for_each_row_is_no_classification() {
    let prices: String = (0..30).map(|at| format!("{at},{}.5\n", 100 + at * 7)).collect();
    let refused = refusal(&TableConfig::new("price"), &format!("rooms,price\n{prices}"));
    let expected = TableError::TooManyClasses { column: "price".into(), classes: 30, rows: 30 };
    assert_eq!(refused, expected);
    assert!(refused.to_string().contains("Batch::of_numbers"));
}

#[test]
fn a_category_for_each_row_is_no_category() {
    let names: String = (0..5_000).map(|at| format!("customer {at},{}\n", at % 2)).collect();
    let refused = refusal(&numbers().with_categories(["value"]), &format!("value,class\n{names}"));
    assert!(
        matches!(&refused, TableError::TooManyCategories { categories: 5_000, .. }),
        "{refused}"
    );
}

#[test]
fn a_split_that_leaves_nothing_to_learn_says_so() {
    let table = read(&numbers(), &column([1, 2, 3])).unwrap();
    let refused = |held_out| match table.split(held_out, 0) {
        Err(DataError::Table(error)) => error,
        other => panic!("{:?}", other.map(|(train, _)| train)),
    };
    assert_eq!(refused(3), TableError::NothingLeft { rows: 3, held_out: 3 });
    assert_eq!(refused(9), TableError::NothingLeft { rows: 3, held_out: 9 });
    assert!(matches!(refused(2), TableError::OneClassLeft { rows: 1, .. }));
}

#[test]
fn another_file_may_have_its_columns_in_another_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("more.csv");
    let table = read(&numbers(), "a,b,class\n1,10,x\n2,40,y\n3,20,x\n").unwrap();
    std::fs::write(&path, "b,class,a\n40,y,2\n").unwrap();
    let other = numbers().open_like(&path, &table).unwrap();
    assert_eq!(other.row(0), table.row(1));
    std::fs::write(&path, "b,class\n40,y\n").unwrap();
    let refused = numbers().open_like(&path, &table).unwrap_err();
    assert!(
        matches!(&refused, DataError::Table(TableError::NoSuchColumn { column, .. }) if column == "a")
    );
    std::fs::write(&path, "b,class,a,c\n40,y,2,1\n").unwrap();
    let refused = numbers().open_like(&path, &table).unwrap_err();
    assert!(
        matches!(&refused, DataError::Table(TableError::UnknownColumns { columns, .. }) if columns == &["c"])
    );
    assert!(numbers().ignoring(["c"]).open_like(&path, &table).is_ok());
}

#[test]
fn columns_without_a_name_are_refused_or_left_out() {
    let pandas = ",a,class\n0,1.5,x\n1,2.5,y\n";
    let refused = refusal(&numbers(), pandas);
    assert!(matches!(refused, TableError::NoName { number: 1, columns: 3, .. }));
    let table = read(&numbers().ignoring([""]), pandas).unwrap();
    assert_eq!(table.feature_names(), ["a"]);
    let again = pandas.replacen(',', "Unnamed: 0,", 1);
    assert!(matches!(refusal(&numbers(), &again), TableError::NoName { number: 1, .. }));
    assert!(read(&numbers().ignoring(["Unnamed: 0"]), &again).is_ok());
    assert_eq!(read(&numbers().ignoring([""]), &again).unwrap().feature_names(), ["a"]);
    let trailing = "a,class,\n1,x,\n2,y,\n";
    assert!(matches!(refusal(&numbers(), trailing), TableError::NoName { number: 3, .. }));
    let table = read(&numbers().ignoring([""]), "a,,class,\n1,5,x,\n2,6,y,\n").unwrap();
    assert_eq!(table.feature_names(), ["a"]);
}

#[test]
fn what_is_no_table_is_called_what_it_looks_like() {
    let utf16: Vec<u8> = "a,class\n1,x\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&[0xff, 0xfe], utf16.as_slice()].concat();
    let cases: [(&[u8], &str); 9] = [
        (b"", "empty file"),
        (b"\n \n", "empty file"),
        (b"# made by hand\na,class\n1,x\n", "`# made by hand`"),
        (&marked, "UTF-16"),
        (&utf16, "UTF-16"),
        (b"PK\x03\x04\x14\x00", "spreadsheet"),
        (b"<!DOCTYPE html>\n<p>404", "HTML"),
        (b"a;class\n1;x\n", "with_delimiter(b';')"),
        (b"a\tclass\n1\tx\n", "with_delimiter(b'\\t')"),
    ];
    for (bytes, expected) in cases {
        let refused = numbers().read(bytes, "odd").unwrap_err();
        assert!(matches!(refused, DataError::Table(TableError::NotATable { .. })), "{refused}");
        assert!(refused.to_string().contains(expected), "{refused}");
    }
    let latin = b"a,class\n1,caf\xe9\n2,x\n";
    let refused = numbers().read(&latin[..], "odd").unwrap_err();
    assert!(matches!(refused, DataError::Table(TableError::NotUtf8 { line: 2, .. })), "{refused}");
    let marked = "\u{feff}a,class\n1,x\n2,y\n"; // UTF-8 with a mark, as Excel writes it
    assert_eq!(read(&numbers(), marked).unwrap().feature_names(), ["a"]);
}

#[test]
fn truths_are_two_categories() {
    let table = read(&numbers(), "member,class\nTrue,x\nfalse,y\nTRUE,x\n").unwrap();
    assert_eq!(table.feature_names(), ["member = False", "member = True"]);
    assert_eq!(table.row(0).unwrap().0, [0.0, 1.0]);
    assert_eq!(table.row(1).unwrap().0, [1.0, 0.0]);
    let refused = refusal(&numbers(), "member,class\nTrue,x\n0,y\n");
    assert!(matches!(&refused, TableError::TruthsAndNumbers { line: 3, .. }), "{refused}");
    // As pandas' `get_dummies` writes them.
    let config = numbers().with_one_hot("job", ["clerk", "nurse"]);
    let table = read(&config, "clerk,nurse,class\nTrue,False,x\nFalse,True,y\n").unwrap();
    assert_eq!(table.row(1).unwrap().0, [0.0, 1.0]);
    let refused = refusal(&config, "clerk,nurse,class\nTrue,True,x\nFalse,True,y\n");
    assert!(matches!(refused, TableError::NotOneHot { line: 2, .. }));
}

#[test]
fn decimal_commas_are_read_where_they_are_said_to_be() {
    let csv = "a;class\n3,5;x\n-1,25;y\n";
    let config = numbers().with_delimiter(b';');
    let refused = refusal(&config, csv);
    assert!(refused.to_string().contains("with_decimal_comma"), "{refused}");
    let table = read(&config.clone().with_decimal_comma(), csv).unwrap();
    assert_eq!(table.values(1).unwrap(), [Value::Number(-1.25)]);
    // A point would separate thousands.
    let refused = refusal(&config.with_decimal_comma(), "a;class\n1.500;x\n2,5;y\n");
    assert!(matches!(refused, TableError::NotANumber { line: 2, .. }));
}

#[test]
fn packed_files_are_read_whatever_they_are_called() {
    let folder = tempfile::tempdir().unwrap();
    let csv = column([1, 2, 3]);
    let pack = |text: &str| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap()
    };
    let (first, second) = csv.split_at(csv.len() / 2);
    let several = [pack(first), pack(second)].concat();
    for (name, bytes) in
        [("DATA.CSV.GZ", pack(&csv)), ("packed.csv", pack(&csv)), ("parts.csv.gz", several)]
    {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(numbers().open(&path).unwrap().len(), 3, "{name}");
    }
}
