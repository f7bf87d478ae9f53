use super::*;

fn raster(pixels: &[u8], height: usize, width: usize) -> Raster {
    let channels = pixels.len() / (height * width);
    Raster { pixels: Pixels::Bytes(pixels.to_vec()), shape: [channels, height, width] }
}

fn bytes(raster: Raster) -> Vec<u8> {
    match raster.pixels {
        Pixels::Bytes(bytes) => bytes,
        Pixels::Floats(_) => panic!("floats"),
    }
}

/// What a transform makes of an image with these draws.
fn made(transform: Transform, image: Raster, draws: &[f32]) -> Vec<u8> {
    bytes(transform.apply(image, Some(draws)).unwrap())
}

#[test]
fn a_flip_mirrors_each_channel() {
    let image = raster(&[1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60], 2, 3);
    let flipped = made(Transform::Flip, image.clone(), &[0.4]);
    assert_eq!(flipped, [3, 2, 1, 6, 5, 4, 30, 20, 10, 60, 50, 40]);
    assert_eq!(made(Transform::Flip, image.clone(), &[0.6]), bytes(image.clone()));
    assert_eq!(bytes(Transform::Flip.apply(image.clone(), None).unwrap()), bytes(image));
}

#[test]
fn pad_and_crop_moves_the_image_and_fills_with_black() {
    let image = || raster(&[1, 2, 3, 4, 5, 6, 7, 8, 9], 3, 3);
    let crop = Transform::PadCrop { pad: 1 };
    // A draw chooses one of 2 · 1 + 1 offsets.
    assert_eq!(made(crop, image(), &[0.5, 0.5]), bytes(image()));
    assert_eq!(made(crop, image(), &[0.0, 0.5]), [0, 0, 0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(made(crop, image(), &[0.9, 0.0]), [0, 4, 5, 0, 7, 8, 0, 0, 0]);
    let floats = Raster { pixels: Pixels::Floats(vec![0.1, 0.2, 0.3, 0.4]), shape: [1, 2, 2] };
    let moved = crop.apply(floats, Some(&[0.9, 0.9])).unwrap();
    assert_eq!(moved.pixels, Pixels::Floats(vec![0.4, 0.0, 0.0, 0.0]));
}

#[test]
fn draws_reach_every_offset_equally_often() {
    let image = || raster(&[1], 1, 1);
    let kept = (0..900).filter(|index| {
        let draws = draws(7, 0, *index, 1);
        made(Transform::PadCrop { pad: 1 }, image(), &draws) == [1]
    });
    // One of nine offsets keeps the only pixel: 100 expected, six standard deviations are 57.
    let kept = kept.count();
    assert!((43..157).contains(&kept), "{kept}");
}

#[test]
fn resizing_keeps_a_flat_image_and_averages_what_it_shrinks() {
    let flat = Transform::Resize { shorter: 3 }.apply(raster(&[77; 60], 6, 10), None).unwrap();
    assert_eq!((flat.shape, bytes(flat)), ([1, 3, 5], vec![77; 15]));
    // Antialiased: columns of black and white become grey.
    let columns: Vec<u8> = (0..64 * 64).map(|at| if at % 2 == 0 { 0 } else { 254 }).collect();
    let small = Transform::Resize { shorter: 8 }.apply(raster(&columns, 64, 64), None).unwrap();
    let pixels = bytes(small);
    assert!(pixels.iter().all(|pixel| (100..155).contains(pixel)), "{pixels:?}");
}

#[test]
fn random_rectangles_are_torchvisions() {
    let (mut smallest, mut largest) = (f64::MAX, 0.0f64);
    for index in 0..2_000 {
        let [top, left, height, width] = rectangle(40, 60, Some(&draws(1, 0, index, 1)));
        assert!(top + height <= 40 && left + width <= 60 && height > 0 && width > 0);
        let (area, aspect) = ((height * width) as f64 / 2_400.0, width as f64 / height as f64);
        assert!((0.06..=1.0).contains(&area) && (0.65..=1.5).contains(&aspect), "{area} {aspect}");
        (smallest, largest) = (smallest.min(area), largest.max(area));
    }
    assert!(smallest < 0.12 && largest > 0.85, "{smallest} to {largest}");
    // Where no try fits, the middle with an aspect of at most 4/3.
    assert_eq!(rectangle(10, 100, None), [0, 43, 10, 13]);
    assert_eq!(rectangle(40, 40, None), [0, 0, 40, 40]);
}

#[test]
fn transforms_that_cannot_be_are_refused() {
    let all = SourceShape::All([3, 8, 8]);
    for wrong in [
        Transform::PadCrop { pad: 0 },
        Transform::Resize { shorter: 0 },
        Transform::CentreCrop { size: 9 },
        Transform::RandomResizedCrop { size: 0 },
    ] {
        assert!(matches!(wrong.shape(all), Err(DataError::Transform { .. })), "{wrong}");
    }
    let small = Transform::CentreCrop { size: 9 }.apply(raster(&[0; 64], 8, 8), None);
    assert!(small.unwrap_err().to_string().contains("smaller"));
    let floats = Raster { pixels: Pixels::Floats(vec![0.0; 64]), shape: [1, 8, 8] };
    assert!(Transform::Resize { shorter: 4 }.apply(floats, None).is_err());
    let cropped =
        Transform::CentreCrop { size: 2 }.apply(raster(&(0..16).collect::<Vec<_>>(), 4, 4), None);
    assert_eq!(bytes(cropped.unwrap()), [5, 6, 9, 10]);
}
