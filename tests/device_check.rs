//! A device that computes something else is not believed.

use burn::tensor::{Device, Tensor};
use free_at::check_device;
use free_at::prelude::*;

#[test]
fn a_device_that_computes_is_trusted_in_every_shape() {
    let device = Device::flex();
    for autodiff in [device.clone(), device.clone().autodiff()] {
        check_device(&Tensor::<4>::ones([3, 2, 5, 7], &autodiff)).unwrap();
        check_device(&Tensor::<2>::zeros([1, 1], &autodiff)).unwrap();
        check_device(&Tensor::<3>::zeros([65, 4, 300], &autodiff)).unwrap();
    }
}

#[test]
fn the_error_says_what_to_do() {
    let error = Error::Miscomputes { what: "a gradient", apart: 0.25 };
    let text = error.to_string();
    assert!(text.contains("a gradient") && text.contains("2.5e-1"), "{text}");
    assert!(text.contains("another backend"), "{text}");
}
