use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::UnixListener;

use super::*;

/// A folder of the test's own.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("free-at-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_full_disk_leaves_the_old_contents() {
    let folder = folder("full");
    let file = folder.join("report.json");
    write(&file, b"old").unwrap();
    symlink("/dev/full", partial(&file)).unwrap();
    assert!(matches!(write(&file, b"new"), Err(Error::File { .. })));
    assert_eq!(fs::read(&file).unwrap(), b"old");
    write(&file, b"new").unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"new");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_is_no_file_is_refused_and_stays() {
    let folder = folder("special");
    let [socket, device, inner] = ["socket", "device", "folder"].map(|name| folder.join(name));
    let _listener = UnixListener::bind(&socket).unwrap();
    symlink("/dev/full", &device).unwrap();
    fs::create_dir(&inner).unwrap();
    for (path, what) in [(&socket, "a socket"), (&device, "a device"), (&inner, "a folder")] {
        let said = format!("{}: expected a file, found ", path.display());
        for refused in [write(path, b"new"), can_be_written(path)] {
            let error = refused.unwrap_err().to_string();
            assert!(error.starts_with(&said) && error.contains(what), "{error}");
        }
        assert!(!partial(path).exists());
    }
    assert!(fs::symlink_metadata(&socket).unwrap().file_type().is_socket());
    assert!(fs::metadata(&device).unwrap().file_type().is_char_device());
    assert!(inner.is_dir());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_link_to_a_file_stays_a_link() {
    let folder = folder("link");
    let [file, link, broken] = ["file", "link", "broken"].map(|name| folder.join(name));
    write(&file, b"old").unwrap();
    symlink(&file, &link).unwrap();
    can_be_written(&link).unwrap();
    write(&link, b"new").unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"new");
    assert!(link.is_symlink());
    symlink(folder.join("nowhere"), &broken).unwrap();
    write(&broken, b"new").unwrap();
    assert_eq!(fs::read(&broken).unwrap(), b"new");
    fs::remove_dir_all(folder).unwrap();
}
