use super::*;

/// An archive of two empty files, with the ends that PyTorch writes, whose first file's name has so many letters.
fn archive(letters: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut list = Vec::new();
    for name in ["a".repeat(letters), "b".into()] {
        let length = (name.len() as u16).to_le_bytes();
        let at = (bytes.len() as u32).to_le_bytes();
        bytes.extend([b"PK\x03\x04", &[0; 22][..], &length, &[0; 2], name.as_bytes()].concat());
        list.extend(
            [b"PK\x01\x02", &[0; 24][..], &length, &[0; 12], &at, name.as_bytes()].concat(),
        );
    }
    let (offset, size) = (bytes.len() as u32, list.len() as u32);
    let wide = |value: u32| u64::from(value).to_le_bytes();
    let record = bytes.len() + list.len();
    bytes.extend(list);
    bytes.extend([b"PK\x06\x06", &wide(44)[..], &[0; 12], &wide(2), &wide(2)].concat());
    bytes.extend([wide(size), wide(offset)].concat());
    bytes.extend([b"PK\x06\x07", &[0; 4][..], &wide(record as u32), &[1, 0, 0, 0]].concat());
    bytes.extend([b"PK\x05\x06", &[0; 4][..], &[2, 0, 2, 0]].concat());
    bytes.extend([size.to_le_bytes(), offset.to_le_bytes()].concat());
    bytes.extend([0; 2]);
    bytes
}

fn mended_copy(bytes: &[u8]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive.zip");
    std::fs::write(&path, bytes).unwrap();
    let copy = mended(&path).unwrap()?;
    Some(std::fs::read(copy.path()).unwrap())
}

#[test]
fn only_a_first_name_of_30_letters_needs_a_copy() {
    for letters in 1..=80 {
        assert_eq!(mended_copy(&archive(letters)).is_some(), letters == 30, "{letters}");
    }
}

#[test]
fn the_copy_differs_in_one_field() {
    let bytes = archive(30);
    assert_eq!(bytes.len(), 312); // the smallest: docs/models.md
    let copy = mended_copy(&bytes).unwrap();
    let differ: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != copy[*at]).collect();
    assert_eq!((bytes.len(), differ), (copy.len(), vec![306, 307, 308, 309]));
}

#[test]
fn what_is_no_such_archive_is_left_alone() {
    let whole = archive(30);
    for cut in 0..whole.len() {
        assert_eq!(mended_copy(&whole[..cut]), None, "{cut}");
    }
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] = 0xff;
        mended_copy(&damaged); // comes back
    }
}
