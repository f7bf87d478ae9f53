//! The guide's steps, tried on data of one's own with the guide's own programs.

mod images;
mod table;

use std::fs;
use std::path::Path;

use free_at::prelude::*;
use free_at::train::EpochMetrics;
use image::{DynamicImage, Rgb, RgbImage};

const GUIDE: &str = include_str!("../docs/guide.md");
const SOURCES: [&str; 2] = [include_str!("guide/images.rs"), include_str!("guide/table.rs")];

/// The programs that are tried, as the guide has them: without the line above, and visible to nobody else.
fn programs() -> [String; 2] {
    SOURCES.map(|source| {
        let (_, program) = source.split_once("\n\n").unwrap();
        program.replace("pub(crate) fn", "fn")
    })
}

/// The guide's blocks of Rust: what stands behind the fence, and the lines that readers see.
fn blocks() -> Vec<(&'static str, String)> {
    let mut blocks = Vec::new();
    let mut lines = GUIDE.lines();
    while let Some(line) = lines.next() {
        let Some(words) = line.strip_prefix("```").filter(|words| !words.is_empty()) else {
            continue;
        };
        let code = lines.by_ref().take_while(|line| *line != "```");
        let seen = code.filter(|line| *line != "#" && !line.starts_with("# "));
        let seen: String = seen.flat_map(|line| [line, "\n"]).collect();
        if words.starts_with("rust") {
            blocks.push((words, seen));
        }
    }
    blocks
}

#[test]
fn the_programs_that_are_tried_here_stand_in_the_guide() {
    let blocks = blocks();
    for program in programs() {
        let found = blocks.iter().filter(|(_, block)| *block == program).count();
        assert_eq!(found, 1, "the guide is to have this program:\n{program}");
    }
}

#[test]
fn code_that_the_guide_shows_without_running_it_is_part_of_a_program_that_is_tried_here() {
    let programs = programs();
    let known: Vec<&str> = programs.iter().flat_map(|of| of.lines()).map(str::trim).collect();
    let blocks = blocks();
    let only_shown: Vec<_> = blocks.iter().filter(|(words, _)| *words != "rust").collect();
    assert!(only_shown.len() > programs.len());
    for (words, block) in only_shown {
        for line in block.lines().map(str::trim) {
            assert!(line.is_empty() || known.contains(&line), "`{line}`, in a block of `{words}`");
        }
    }
}

/// A picture of which one channel is bright, with some noise.
fn picture(class: usize, at: usize, (width, height): (u32, u32)) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let noise = (31 * x + 17 * y + 13 * at as u32) % 41;
        let level = |channel: usize| noise as u8 + if channel == class { 180 } else { 40 };
        Rgb([level(0), level(1), level(2)])
    })
}

/// Pictures of every size, as PNG with and without transparency and as JPEG, `each` of every class.
fn write_images(folder: &Path, each: usize) {
    for (class, name) in ["red", "green", "blue"].into_iter().enumerate() {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        for at in 0..each {
            let image = picture(class, at, (14 + 7 * at as u32 % 23, 12 + 5 * at as u32 % 19));
            let image = DynamicImage::ImageRgb8(image);
            let (image, ending) = match at % 4 {
                0 => (image, "png"),
                1 => (image, "jpg"),
                2 => (DynamicImage::ImageRgba8(image.into_rgba8()), "png"),
                _ => (image, "JPEG"),
            };
            image.save(folder.join(format!("{at:03}.{ending}"))).unwrap();
        }
    }
}

/// People of whom those with high incomes pay; the two kinds are further apart than what is allowed.
fn write_csv(path: &Path) {
    let mut csv = "age,income,job,asked_before,pays\n".to_string();
    for at in 0..150usize {
        let draw = |salt: usize, below: usize| (at * 7919 + salt * 104_729) % 9973 % below;
        let pays = draw(1, 2) == 1;
        let least = if pays { 45.0 } else { 10.0 };
        let income = least + draw(2, 60) as f64 / 4.0;
        let (age, asked) = (18 + draw(3, 50), draw(4, 4));
        let job = ["clerk", "nurse", "smith"][draw(5, 3)];
        csv += &format!("{age},{income},{job},{asked},{}\n", if pays { "yes" } else { "no" });
    }
    fs::write(path, csv).unwrap();
}

/// What every run leaves: a report, a card of it, and the metrics of each pass, for TensorBoard too. Gives the number of
/// passes.
fn check_files(out: &Path, report: &RobustnessReport) -> usize {
    assert_eq!(&RobustnessReport::load(out.join("report.json")).unwrap(), report);
    let card = fs::read_to_string(out.join("MODEL.md")).unwrap();
    assert!(card.contains(&report.hash), "{card}");
    for attack in &report.attacks {
        assert!(card.contains(&format!("\n| {} | ", attack.name)), "{card}");
    }
    let lines = EpochMetrics::read(&out.join("metrics.jsonl")).unwrap();
    let passes = lines.iter().filter(|line| line.split == "train").count();
    let events = fs::read_dir(out.join("tensorboard")).unwrap().map(|file| file.unwrap().path());
    let events: Vec<Vec<u8>> = events.map(|path| fs::read(path).unwrap()).collect();
    let [events] = &events[..] else { panic!("one process, {} event files", events.len()) };
    let count = |tag: &[u8]| events.windows(tag.len()).filter(|part| *part == tag).count();
    assert_eq!((count(b"Loss/train"), count(b"Loss/valid")), (passes, passes));
    passes
}

#[test]
fn a_folder_of_png_and_jpeg_of_every_size_becomes_a_robust_model() {
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("my-images");
    write_images(&images.join("train"), 40);
    write_images(&images.join("val"), 4);
    let out = folder.path().join("run");
    let report = images::train_on_images(&images, 12, 32, &out).unwrap();
    // Eight passes, unless the guard takes a fall on twelve held-out images for overfitting.
    assert!((2..=8).contains(&check_files(&out, &report)));
    assert_eq!((report.samples.len(), report.attacks.len()), (12, 6));
    // One in three is right by chance; ε is a thirtieth of what tells the classes apart.
    assert!(report.clean > 0.6 && report.worst_case > 0.5, "{report}");
    assert!(out.join("best.safetensors").exists());
}

#[test]
fn a_csv_of_ones_own_becomes_a_robust_model() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("customers.csv");
    write_csv(&csv);
    let out = folder.path().join("run");
    let report = table::train_on_a_table(&csv, 40, &out).unwrap();
    assert_eq!(check_files(&out, &report), 10);
    assert_eq!((report.samples.len(), report.attacks.len()), (30, 2));
    assert!(report.clean > 0.8 && report.worst_case > 0.6, "{report}");
    assert!(out.join("model.safetensors").exists());
}
