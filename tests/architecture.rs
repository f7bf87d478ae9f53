//! `docs/architecture.md` says what may import what; here it is held to.

mod imports;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use imports::{Crate, Name};

const CRATES: [&str; 6] =
    ["free-at-nn", "free-at-core", "free-at-attacks", "free-at-models", "free-at-data", "free-at"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The floors of a crate, from the ground up: the rows of the table below the crate's heading.
fn floors(document: &str, of: &str) -> Vec<Vec<Name>> {
    let heading = format!("### `{of}`");
    let section = document.lines().skip_while(|line| *line != heading).skip(1);
    let rows =
        section.take_while(|line| !line.starts_with('#')).filter(|line| line.starts_with('|'));
    let quoted = |row: &str| -> Vec<Name> {
        let files = row.split('|').nth(2).unwrap_or_default();
        files.split('`').skip(1).step_by(2).map(Name::from).collect()
    };
    rows.skip(2).map(quoted).collect() // after the names of the columns
}

/// What is wrong with a crate that is to have these floors.
fn faults(of: &Crate, floors: &[Vec<Name>]) -> Vec<String> {
    let named: Vec<&Name> = floors.iter().flatten().collect();
    let floor: BTreeMap<&Name, usize> =
        floors.iter().enumerate().flat_map(|(at, row)| row.iter().map(move |n| (n, at))).collect();
    let files = of.files();
    let twice = named.iter().filter(|name| named.iter().filter(|n| n == name).count() > 1);
    let missing = files.iter().filter(|file| !floor.contains_key(file));
    let unknown = named.iter().filter(|name| !files.contains(**name));
    let up = |(from, to): &(Name, Name)| match (floor.get(from), floor.get(to)) {
        (Some(from_floor), Some(to_floor)) => to_floor >= from_floor,
        _ => false, // told already
    };
    let arrows = of.arrows();
    let up = arrows.iter().filter(|arrow| up(arrow));
    let named_twice: BTreeSet<String> = twice.map(|name| format!("{name} stands twice")).collect();
    named_twice
        .into_iter()
        .chain(missing.map(|name| format!("{name} stands nowhere")))
        .chain(unknown.map(|name| format!("{name} is no file")))
        .chain(up.map(|(from, to)| format!("{from} imports {to}, which is not below it")))
        .collect()
}

#[test]
fn every_file_imports_only_from_floors_below_its_own() {
    let document = std::fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    for of in CRATES {
        let found = Crate::read(&root().join("crates").join(of).join("src"));
        let arrows = found.arrows();
        assert!(arrows.len() >= found.files().len(), "{of}: imports are seen");
        let faults = faults(&found, &floors(&document, of));
        assert!(faults.is_empty(), "{of}, as docs/architecture.md has it:\n{}", faults.join("\n"));
    }
}

/// `nn` and `core` stand on none; `attacks` and `data` on `core` alone, `models` on both.
#[test]
fn crates_depend_on_those_below_them_only() {
    for (at, of) in CRATES.into_iter().enumerate() {
        let manifest = root().join("crates").join(of).join("Cargo.toml");
        let manifest = std::fs::read_to_string(manifest).unwrap();
        let below: &[&str] = match of {
            "free-at-nn" | "free-at-core" => &[],
            "free-at-models" => &CRATES[..2],
            "free-at" => &CRATES[..at],
            _ => &CRATES[1..2],
        };
        let dependencies = manifest.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
        for dependency in dependencies.filter(|name| CRATES.contains(name)) {
            assert!(below.contains(&dependency), "{of} depends on {dependency}");
        }
    }
}

#[test]
fn what_breaks_the_rule_is_found() {
    let found = |files: &[(&str, &str)], floors: &[&[&str]]| {
        let owned: Vec<Vec<Name>> =
            floors.iter().map(|row| row.iter().map(|name| Name::from(*name)).collect()).collect();
        faults(&Crate::parse(files.iter().copied()), &owned)
    };
    let lib = ("lib", "mod low; mod high; pub use low::Low; pub use high::High;");
    let low = ("low", "pub struct Low;");
    let high = ("high", "use crate::Low; pub struct High(Low);");
    let floors: &[&[&str]] = &[&["low"], &["high"], &["lib"]];
    assert_eq!(found(&[lib, low, high], floors), [""; 0]);
    // By a re-export, a path in a function, a name that is imported, a glob.
    for upward in [
        "use crate::High; pub struct Low;",
        "pub struct Low; fn make() { let _ = crate::high::High; }",
        "pub struct Low; fn make(_: super::High) {}",
        "use crate::*; pub struct Low;",
        "use crate::high::{self}; pub struct Low;",
    ] {
        let faults = found(&[lib, ("low", upward), high], floors);
        assert_eq!(faults.len(), 1, "{upward}: {faults:?}");
        assert!(faults[0].starts_with("low imports "), "{faults:?}");
    }
    let tests = "pub struct Low; #[cfg(test)] mod tests { use crate::High; }";
    assert_eq!(found(&[lib, ("low", tests), high], floors), [""; 0]);
    // Floors that are not those of the files.
    assert_eq!(found(&[lib, low, high], &[&["low"], &["lib"]]), ["high stands nowhere"]);
    let wrong = found(&[lib, low, high], &[&["low", "gone"], &["low"], &["high"], &["lib"]]);
    assert_eq!(wrong, ["low stands twice", "gone is no file"]);
    let parent = [
        ("lib", "mod a;"),
        ("a", "mod b; use b::B; pub struct A;"),
        ("a/b", "use super::A; pub struct B;"),
    ];
    assert_eq!(found(&parent, &[&["a/b"], &["a"], &["lib"]]).len(), 1, "a circle of two");
}
