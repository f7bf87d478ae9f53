use super::*;

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::TableConfig;

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn all_members_of_a_packed_file_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.gz");
    let members = [packed(b"one, "), packed(b""), packed(b"two")].concat();
    fs::write(&path, &members).unwrap();
    assert_eq!(read(&path).unwrap(), b"one, two");
    // Cut inside the last.
    for length in packed(b"one, ").len() + 1..members.len() {
        if length == packed(b"one, ").len() + packed(b"").len() {
            continue; // a whole file of two members
        }
        fs::write(&path, &members[..length]).unwrap();
        assert!(matches!(read(&path), Err(DataError::Format { .. })), "cut at byte {length}");
    }
}

#[test]
fn the_content_says_whether_a_file_is_packed_and_not_its_name() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["table.CSV.GZ", "table.csv.gz", "table.csv", "table"] {
        let path = folder.path().join(name);
        for bytes in [b"".to_vec(), b"a".to_vec(), b"a,b".to_vec(), vec![0x1f], vec![0, 0, 8, 1]] {
            for stored in [packed(&bytes), bytes.clone()] {
                fs::write(&path, stored).unwrap();
                assert_eq!(read(&path).unwrap(), bytes, "{name}");
            }
        }
    }
}

#[test]
fn a_table_that_was_packed_in_parts_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("TABLE.CSV.GZ");
    let parts = [packed(b"age,bought\n1,no\n2,yes\n"), packed(b"3,no\n4,yes\n")];
    fs::write(&path, parts.concat()).unwrap();
    assert_eq!(TableConfig::new("bought").open(&path).unwrap().len(), 4);
}

#[test]
fn more_than_the_most_is_not_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zeros.gz");
    fs::write(&path, [packed(&[0; 600]), packed(&[0; 400])].concat()).unwrap();
    assert_eq!(read_at_most(&path, 1000).unwrap().len(), 1000);
    let error = read_at_most(&path, 999).unwrap_err();
    assert!(matches!(error, DataError::Unpacked { most: 999, .. }), "{error}");
    // What is not packed takes as much memory as it does of the disk.
    fs::write(&path, [0; 1001]).unwrap();
    assert_eq!(read_at_most(&path, 1000).unwrap().len(), 1001);
}
