use super::*;

/// A folder of files that are named as images are; nothing here opens them.
fn tree(files: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    root
}

/// Classes with the names of their images, relative to the folder.
fn found(root: &Path) -> Result<Vec<(String, Vec<String>)>, DataError> {
    let names = |files: Vec<PathBuf>| {
        let relative = files.iter().map(|file| file.strip_prefix(root).unwrap());
        relative.map(|file| file.display().to_string()).collect()
    };
    let classes = classes(root, Empty::Refused)?;
    Ok(classes.into_iter().map(|(name, files)| (name, names(files))).collect())
}

fn refused(root: &Path) -> DataError {
    classes(root, Empty::Refused).unwrap_err()
}

#[test]
fn a_class_without_an_image_that_is_read_is_an_error_that_names_its_files() {
    for (files, told) in [
        (&["b/1.txt", "b/2.txt"][..], "1.txt, 2.txt"),
        (&["b/1.heic", "b/x.json"], "1.heic, x.json"),
        (&["b/more/1.svg"], "1.svg"),
        (&["b/1.db", "b/2.db", "b/3.db", "b/4.db", "b/5.db"], "1.db, 2.db, 3.db and 2 more"),
        (&["b/README"], "README"),
    ] {
        let root = tree(&[&["a/1.png", "c/1.png"], files].concat());
        for empty in [Empty::Refused, Empty::PassedOver] {
            let error = classes(root.path(), empty).unwrap_err();
            assert!(
                matches!(&error, DataError::NoImage { path, names, .. } if path.ends_with("b") && names == told),
                "{error}"
            );
            assert!(error.to_string().contains("jfif"), "the formats that are read");
        }
    }
}

#[test]
fn a_class_without_a_file_is_an_error_where_it_would_change_the_labels() {
    let root = tree(&["a/1.png", "b/.hidden.png", "c/1.png"]);
    let error = refused(root.path());
    assert!(matches!(&error, DataError::EmptyClass { path } if path.ends_with("b")), "{error}");
    let kept = classes(root.path(), Empty::PassedOver).unwrap();
    assert_eq!(kept.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
}

#[test]
fn images_of_every_ending_are_found_and_what_systems_leave_is_not() {
    let root = tree(&[
        "a/1.JPG",
        "a/2.jfif",
        "a/3.gif",
        "a/4.Tif",
        "a/5.heic",
        "a/6.txt",
        "a/Thumbs.db",
        "a/@eaDir/1.jpg/small.jpg",
        "b/1.jpe",
        "b/2/3/4.png",
        "__MACOSX/a/1.png",
        "notes.txt",
    ]);
    let expected = [
        ("a", vec!["a/1.JPG", "a/2.jfif", "a/3.gif", "a/4.Tif", "a/5.heic"]),
        ("b", vec!["b/1.jpe", "b/2/3/4.png"]),
    ];
    let expected = expected.map(|(class, files)| {
        (class.to_string(), files.into_iter().map(String::from).collect::<Vec<_>>())
    });
    assert_eq!(found(root.path()).unwrap(), expected);
}

#[cfg(unix)]
mod links {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Two classes with one image each, and this link.
    fn with_link(link: &str, target: impl AsRef<Path>) -> tempfile::TempDir {
        let root = tree(&["cat/1.png", "cat/more/2.png", "dog/1.png"]);
        symlink(target, root.path().join(link)).unwrap();
        root
    }

    /// The images of the class `cat`.
    fn cats(root: &Path) -> Vec<String> {
        found(root).unwrap().swap_remove(0).1
    }

    #[test]
    fn what_is_in_a_class_is_read_once_whatever_links_there_are() {
        for (link, target) in [
            ("cat/self", "."),
            ("cat/more/up", ".."),
            ("cat/also", "more"),
            ("cat/0.png", "1.png"),
            ("cat/more/0.png", "2.png"),
        ] {
            let root = with_link(link, target);
            assert_eq!(cats(root.path()), ["cat/1.png", "cat/more/2.png"], "{link}");
            symlink("../cat/more", root.path().join("cat/too")).unwrap();
            symlink(root.path().join("cat"), root.path().join("cat/more/whole")).unwrap();
            assert_eq!(cats(root.path()), ["cat/1.png", "cat/more/2.png"], "{link}");
        }
    }

    #[test]
    fn a_link_to_what_has_other_classes_is_an_error_that_names_both_ends() {
        for (link, target) in [("cat/up", ".."), ("cat/more/up", "../.."), ("cat/root", "/")] {
            let root = with_link(link, target);
            let error = refused(root.path());
            assert!(
                matches!(&error, DataError::LinkAbove { path, .. } if path.ends_with(link)),
                "{error}"
            );
            let leads_to = fs::canonicalize(root.path().join(link)).unwrap();
            assert!(error.to_string().contains(&format!("leads to {},", leads_to.display())));
        }
        for (link, target) in [("cat/dogs", "../dog"), ("cat/3.png", "../dog/1.png")] {
            let root = with_link(link, target);
            let error = refused(root.path());
            let DataError::LinkToClass { path, target, class } = &error else { panic!("{error}") };
            assert!(path.ends_with(link) && target.contains("/dog") && class == "dog", "{error}");
        }
    }

    #[test]
    fn a_link_that_leads_nowhere_is_an_error() {
        for (link, target) in
            [("cat/0.png", "gone.png"), ("cat/circle", "circle"), ("wolf", "/gone/wolf")]
        {
            let error = refused(with_link(link, target).path());
            assert!(
                matches!(&error, DataError::BrokenLink { path, target: to, .. } if path.ends_with(link) && to == target),
                "{error}"
            );
        }
    }

    #[test]
    fn folders_of_a_pool_are_read_once_and_its_files_for_each_link() {
        let pool = tree(&["x/1.png", "x/2.png", "y/3.png", "blob", "readme.txt"]);
        let root = tree(&["cat/0.png", "dog/0.png"]);
        let link = |target: &str, link: &str| {
            symlink(pool.path().join(target), root.path().join(link)).unwrap();
        };
        link("x", "cat/x");
        link("x/1.png", "cat/one.png");
        link("", "cat/whole");
        link("blob", "cat/blob.png");
        link("blob", "cat/blob-again.png");
        link("readme.txt", "cat/readme.txt");
        link("readme.txt", "dog/readme.txt");
        // The pool's own links.
        symlink("..", pool.path().join("x/up")).unwrap();
        symlink(root.path().join("cat"), pool.path().join("x/cat")).unwrap();
        let read: Vec<String> = cats(root.path());
        let real = |file: &String| fs::canonicalize(root.path().join(file)).unwrap();
        let mut files: Vec<PathBuf> = read.iter().map(real).collect();
        files.sort();
        let mut expected: Vec<PathBuf> =
            ["x/1.png", "x/1.png", "x/2.png", "y/3.png", "blob", "blob"]
                .map(|file| fs::canonicalize(pool.path().join(file)).unwrap())
                .to_vec();
        expected.push(fs::canonicalize(root.path().join("cat/0.png")).unwrap());
        expected.sort();
        assert_eq!(files, expected, "{read:?}");

        link("y", "dog/y");
        let error = refused(root.path());
        let DataError::LinkToClass { path, class, .. } = &error else { panic!("{error}") };
        assert!(path.ends_with("dog/y") && class == "cat", "{error}");
    }

    #[test]
    fn what_a_class_has_but_does_not_show_is_read_over_links() {
        let root = tree(&["cat/.store/a.png", "cat/.store/b", "cat/plain", "dog/1.png"]);
        for (target, link) in
            [(".store/b", "cat/b.png"), ("plain", "cat/c.png"), (".store", "cat/store")]
        {
            symlink(target, root.path().join(link)).unwrap();
        }
        assert_eq!(cats(root.path()), ["cat/b.png", "cat/c.png", "cat/store/a.png"]);
    }

    #[test]
    fn classes_may_be_links_but_not_to_the_same_images() {
        let elsewhere = tree(&["wolf/1.png", "wolf/young/2.png"]);
        let root = with_link("wolf", elsewhere.path().join("wolf"));
        assert_eq!(found(root.path()).unwrap()[2].1, ["wolf/1.png", "wolf/young/2.png"]);
        for (link, target) in [
            ("hound", root.path().join("dog")),
            ("kitten", root.path().join("cat/more")),
            ("all", root.path().to_path_buf()),
            ("puppy", elsewhere.path().join("wolf/young")),
        ] {
            symlink(target, root.path().join(link)).unwrap();
            let error = refused(root.path());
            assert!(
                matches!(&error, DataError::ClassesOverlap { first, second, .. } if first.ends_with(link) || second.ends_with(link)),
                "{error}"
            );
            fs::remove_file(root.path().join(link)).unwrap();
        }
    }

    #[test]
    fn names_that_are_no_unicode_stay_two_classes() {
        let root = tempfile::tempdir().unwrap();
        for name in [b"caf\xe8", b"caf\xe9"] {
            let folder = root.path().join(OsStr::from_bytes(name));
            // Some file systems have no such names.
            if fs::create_dir(&folder).is_err() {
                return;
            }
            fs::write(folder.join("1.png"), "").unwrap();
        }
        let names: Vec<String> = found(root.path()).unwrap().into_iter().map(|c| c.0).collect();
        assert_eq!(names, ["caf\\xe8", "caf\\xe9"]);
    }

    #[test]
    fn a_pipe_with_the_name_of_an_image_is_no_image() {
        let root = tree(&["cat/1.png", "dog/1.png"]);
        let socket = root.path().join("cat/0.png");
        let _open = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        symlink("0.png", root.path().join("cat/2.png")).unwrap();
        assert_eq!(cats(root.path()), ["cat/1.png"]);
    }
}
