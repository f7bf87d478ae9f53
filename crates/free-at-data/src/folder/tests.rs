use super::*;

use std::fs;

use burn::tensor::Device;
use image::{GrayAlphaImage, GrayImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba, RgbaImage};

fn class(root: &Path, name: &str) -> PathBuf {
    let folder = root.join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Two classes, one image each, in `train` and `val`.
fn layout() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for part in ["train", "val"] {
        for (name, level) in [("cat", 10), ("dog", 200)] {
            let folder = class(root.path(), &format!("{part}/{name}"));
            RgbImage::from_pixel(12, 9, Rgb([level; 3])).save(folder.join("1.png")).unwrap();
        }
    }
    root
}

#[test]
fn images_of_every_kind_become_three_channels_of_one_size() {
    let root = tempfile::tempdir().unwrap();
    let (a, b) = (class(root.path(), "a"), class(root.path(), "b"));
    RgbImage::from_pixel(20, 10, Rgb([10, 20, 30])).save(a.join("colour.png")).unwrap();
    GrayImage::from_pixel(9, 9, Luma([40])).save(a.join("grey.png")).unwrap();
    RgbaImage::from_pixel(8, 30, Rgba([10, 20, 30, 0])).save(a.join("transparent.png")).unwrap();
    GrayAlphaImage::from_pixel(9, 9, LumaA([40, 9])).save(b.join("grey-alpha.png")).unwrap();
    let deep: ImageBuffer<Rgb<u16>, Vec<u16>> =
        ImageBuffer::from_pixel(9, 9, Rgb([257 * 10, 257 * 20, 257 * 30]));
    deep.save(b.join("sixteen-bits.png")).unwrap();
    fs::create_dir(b.join("more")).unwrap();
    RgbImage::from_pixel(9, 9, Rgb([10, 20, 30])).save(b.join("more/1.BMP")).unwrap();
    fs::write(b.join("notes.txt"), "no image").unwrap();
    fs::write(b.join("._more.png"), "a desktop's").unwrap();
    GrayImage::new(9, 9).save(class(root.path(), ".thumbnails").join("1.png")).unwrap();

    let set = ImageFolder::new(root.path()).with_size(8).all().unwrap();
    assert_eq!(
        (set.len(), set.shape(), set.class_names()),
        (6, [3, 8, 8], &["a".into(), "b".into()][..])
    );
    let colour: Vec<f32> =
        [10.0, 20.0, 30.0].iter().flat_map(|v: &f32| vec![v / 255.0; 64]).collect();
    let grey = vec![40.0 / 255.0; 192];
    let expected = [&colour, &grey, &colour, &grey, &colour, &colour];
    // In the order of their names: more/1.BMP comes before sixteen-bits.png.
    for (at, expected) in expected.into_iter().enumerate() {
        assert_eq!(&set.image(at).unwrap().pixels, expected, "image {at}");
    }
    let grey = ImageFolder::new(root.path()).with_size(8).grey().all().unwrap();
    assert_eq!(grey.image(1).unwrap().pixels, vec![40.0 / 255.0; 64]);
}

#[test]
fn sixteen_bits_of_grey_become_eight() {
    let root = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        let deep: ImageBuffer<Luma<u16>, Vec<u16>> =
            ImageBuffer::from_pixel(9, 9, Luma([257 * 40]));
        deep.save(class(root.path(), name).join("1.png")).unwrap();
        deep.save(class(root.path(), name).join("2.tif")).unwrap();
    }
    let folder = ImageFolder::new(root.path()).with_size(8);
    for (set, channels) in [(folder.all(), 3), (folder.clone().grey().all(), 1)] {
        let set = set.unwrap();
        assert_eq!(set.len(), 4);
        for at in 0..4 {
            assert_eq!(set.image(at).unwrap().pixels, vec![40.0 / 255.0; 64 * channels]);
        }
    }
}

#[test]
fn the_content_says_what_an_image_is_and_the_ending_only_whether() {
    let root = tempfile::tempdir().unwrap();
    let (a, b) = (class(root.path(), "a"), class(root.path(), "b"));
    let image = RgbImage::from_pixel(9, 9, Rgb([10, 20, 30]));
    let endings = ["gif", "tif", "TIFF", "bmp", "webp", "png"];
    for (at, ending) in endings.iter().enumerate() {
        image.save(a.join(format!("{at}.{ending}"))).unwrap();
    }
    image.save(b.join("1.gif")).unwrap();
    fs::rename(b.join("1.gif"), b.join("1.png")).unwrap();
    image.save(b.join("2.jpg")).unwrap();
    fs::rename(b.join("2.jpg"), b.join("2.jfif")).unwrap();
    let set = ImageFolder::new(root.path()).with_size(8).all().unwrap();
    let labels: Vec<usize> = (0..set.len()).filter_map(|at| set.label(at)).collect();
    assert_eq!(labels, [0, 0, 0, 0, 0, 0, 1, 1]);
    let colour: Vec<f32> =
        [10.0, 20.0, 30.0].iter().flat_map(|v: &f32| vec![v / 255.0; 64]).collect();
    for at in 0..7 {
        assert_eq!(set.image(at).unwrap().pixels, colour, "image {at}");
    }
    // A JPEG loses a little.
    let jpeg = set.image(7).unwrap().pixels;
    assert!(jpeg.iter().zip(&colour).all(|(found, stored)| (found - stored).abs() < 0.02));
}

#[test]
fn a_picture_of_a_format_that_is_not_read_keeps_its_place_and_is_left_out_by_name() {
    let root = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        for at in 0..100 {
            let file = class(root.path(), name).join(format!("{at:02}.png"));
            GrayImage::from_pixel(4, 4, Luma([at])).save(file).unwrap();
        }
    }
    fs::write(root.path().join("a/photo.heic"), "unreadable").unwrap();
    // Raw data begin as TIFF does, and hold a small preview.
    GrayImage::new(4, 4).save(root.path().join("b/raw.tif")).unwrap();
    fs::rename(root.path().join("b/raw.tif"), root.path().join("b/raw.NEF")).unwrap();
    let set = ImageFolder::new(root.path()).with_size(4).all().unwrap();
    assert_eq!((set.len(), set.label(100), set.label(101)), (202, Some(0), Some(1)));
    let error = set.image(100).unwrap_err().to_string();
    assert!(error.contains("photo.heic") && error.contains("HEIF, is not read"), "{error}");
    assert_eq!(set.batch(&Device::flex()).unwrap().len(), 200);
    let skipped = set.skipped();
    assert!(skipped[0].ends_with("photo.heic") && skipped[1].ends_with("raw.NEF"), "{skipped:?}");
    for at in 0..3 {
        fs::write(root.path().join(format!("a/{at}.avif")), "unreadable").unwrap();
    }
    let set = ImageFolder::new(root.path()).with_size(4).all().unwrap();
    let error = set.batch(&Device::flex()).unwrap_err();
    assert!(matches!(error, DataError::TooManyUndecodable { images: 205, .. }), "{error}");
}

#[test]
fn half_a_jpeg_is_among_those_that_were_left_out() {
    let root = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        for at in 0..60 {
            let file = class(root.path(), name).join(format!("{at:02}.jpg"));
            GrayImage::from_pixel(32, 32, Luma([at])).save(file).unwrap();
        }
    }
    let cut = root.path().join("b/07.jpg");
    let bytes = fs::read(&cut).unwrap();
    fs::write(&cut, &bytes[..bytes.len() - 2]).unwrap();
    let set = ImageFolder::new(root.path()).with_size(32).all().unwrap();
    assert_eq!(set.batch(&Device::flex()).unwrap().len(), 119);
    assert_eq!(set.skipped(), [cut.display().to_string()]);
}

#[test]
fn images_are_upright_where_that_is_wanted() {
    // Stored as 16×8 pixels, red to the left, to be shown with that side on top.
    let exif =
        [&b"II*\0\x08\0\0\0\x01\0"[..], &[0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]];
    let root = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        let file = fs::File::create(class(root.path(), name).join("1.png")).unwrap();
        let mut encoder = image::codecs::png::PngEncoder::new(file);
        image::ImageEncoder::set_exif_metadata(&mut encoder, exif.concat()).unwrap();
        let red = RgbImage::from_fn(16, 8, |x, _| Rgb([if x < 8 { 255 } else { 0 }, 0, 0]));
        red.write_with_encoder(encoder).unwrap();
    }
    let folder = ImageFolder::new(root.path()).with_size(8);
    let middle = [Transform::CentreCrop { size: 8 }];
    let reds = |folder: &ImageFolder| {
        let set = folder.all().unwrap().with_transforms(middle.to_vec()).unwrap();
        let red = set.image(0).unwrap().pixels;
        [red[8], red[15], red[56]] // to the left, to the right, below
    };
    assert_eq!(reds(&folder), [1.0, 0.0, 1.0]);
    assert_eq!(reds(&folder.upright()), [1.0, 1.0, 0.0]);
}

#[test]
fn a_name_written_in_two_ways_is_one_class_in_training_and_validation() {
    let root = tempfile::tempdir().unwrap();
    let (composed, apart) = ("caf\u{e9}", "cafe\u{301}");
    let save = |folder: &str, name: &str| {
        let file =
            class(root.path(), &format!("{folder}/{name}")).join(format!("{}.png", name.len()));
        GrayImage::new(2, 2).save(file).unwrap();
    };
    for (folder, name) in
        [("train", composed), ("train", apart), ("train", "zoo"), ("val", apart), ("val", "zoo")]
    {
        save(folder, name);
    }
    let folder = ImageFolder::new(root.path()).with_size(2);
    let (train, val) = (folder.train().unwrap(), folder.val().unwrap());
    assert_eq!((train.class_names(), train.len()), (&[composed.into(), "zoo".into()][..], 3));
    assert_eq!((val.class_names(), val.len()), (train.class_names(), 2));
}

#[test]
fn training_images_are_cropped_at_random_and_others_in_the_middle() {
    let root = layout();
    let folder = ImageFolder::new(root.path()).with_size(4);
    let (train, val) = (folder.train().unwrap(), folder.val().unwrap());
    assert_eq!((train.len(), train.shape()), (2, [3, 4, 4]));
    assert!(train.transforms().contains(&Transform::RandomResizedCrop { size: 4 }));
    assert_eq!(val.transforms()[1], Transform::CentreCrop { size: 4 });
    assert_eq!(val.batch(&Device::flex()).unwrap().len(), 2);
}

#[test]
fn folders_that_are_wrong_are_refused() {
    let nowhere = ImageFolder::new("nowhere/at/all");
    assert!(matches!(nowhere.train(), Err(DataError::NoFolder { .. })));
    let root = layout();
    let folder = ImageFolder::new(root.path());
    let wolf = class(root.path(), "val/wolf");
    GrayImage::new(2, 2).save(wolf.join("1.png")).unwrap();
    assert!(matches!(folder.val(), Err(DataError::UnknownClass { class, .. }) if class == "wolf"));
    fs::remove_dir_all(root.path().join("train/dog")).unwrap();
    assert!(matches!(folder.train(), Err(DataError::Classes { found: 1, .. })));
    fs::remove_dir_all(root.path().join("train/cat")).unwrap();
    assert!(matches!(folder.train(), Err(DataError::Classes { found: 0, .. })));
}

#[test]
fn a_class_without_validation_images_keeps_its_number() {
    let root = layout();
    let ant = class(root.path(), "train/ant");
    GrayImage::new(2, 2).save(ant.join("1.png")).unwrap();
    let val = ImageFolder::new(root.path()).val().unwrap();
    assert_eq!(val.class_names(), ["ant", "cat", "dog"]);
    assert_eq!((val.label(0), val.label(1)), (Some(1), Some(2)));
}

#[test]
fn an_image_that_does_not_decode_is_left_out_and_many_are_an_error() {
    let root = tempfile::tempdir().unwrap();
    let (a, b) = (class(root.path(), "a"), class(root.path(), "b"));
    for at in 0..150 {
        GrayImage::from_pixel(4, 4, Luma([at])).save(a.join(format!("{at:03}.png"))).unwrap();
        GrayImage::from_pixel(4, 4, Luma([at])).save(b.join(format!("{at:03}.png"))).unwrap();
    }
    fs::write(a.join("077.png"), b"\x89PNG and no more").unwrap();
    let set = ImageFolder::new(root.path()).with_size(4).all().unwrap();
    let loader = set.loading(10).with_workers(2).build(&Device::flex()).unwrap();
    for _ in 0..2 {
        let sizes: usize = loader.iter().map(|batch| batch.unwrap().len()).sum();
        assert_eq!(sizes, 299);
    }
    let skipped = set.skipped();
    assert!(skipped.len() == 1 && skipped[0].ends_with("077.png"));

    let error = {
        let set = ImageFolder::new(root.path()).with_size(4).all().unwrap();
        fs::remove_file(b.join("149.png")).unwrap();
        set.batch(&Device::flex()).unwrap_err()
    };
    assert!(matches!(&error, DataError::File { path, .. } if path.ends_with("149.png")), "{error}");
    fs::copy(b.join("148.png"), b.join("149.png")).unwrap();

    for at in 0..4 {
        fs::write(b.join(format!("{at:03}.png")), b"nothing").unwrap();
    }
    let set = ImageFolder::new(root.path()).with_size(4).all().unwrap();
    let loader = set.loading(10).build(&Device::flex()).unwrap();
    let error = loader.iter().find_map(Result::err).unwrap().to_string();
    assert!(error.contains("of 300 images do not decode"), "{error}");
}
