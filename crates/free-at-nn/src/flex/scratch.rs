//! Memory that workers keep from one convolution to the next, and how work is shared out.

use std::cell::RefCell;

use rayon::prelude::*;

thread_local! {
    /// The last to be returned is the first to be lent, so those of nested loans find their own again.
    static SCRATCH: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Lends `len` floats of any value.
pub(crate) fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut scratch = SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default();
    if scratch.len() < len {
        scratch.resize(len, 0.0);
    }
    let result = work(&mut scratch[..len]);
    SCRATCH.with_borrow_mut(|kept| kept.push(scratch));
    result
}

/// Does work that is shared out more than once. A thread that is no worker would sleep and be woken each time, which
/// takes as long as `small` work: that goes to the workers as a whole. What is large stays, for memory is best
/// made and freed by the same thread.
pub(crate) fn among_workers<R: Send>(small: bool, work: impl FnOnce() -> R + Send) -> R {
    if small { rayon::scope(|_| work()) } else { work() }
}

/// Shares planes out over the workers: some images to each, at most `most`, or where there are fewer images
/// than workers, some channels of an image, in multiples of `unit`. `work` gets the first image, the first
/// channel and the planes: those of whole images, or of one in part.
pub(crate) fn for_planes(
    planes: &mut [f32],
    [images, channels, plane]: [usize; 3],
    most: usize,
    unit: usize,
    work: impl Fn(usize, usize, &mut [f32]) + Sync,
) {
    if planes.is_empty() {
        return;
    }
    let workers = rayon::current_num_threads();
    if images >= workers || channels <= unit {
        let images = most.min(images.div_ceil(workers)).max(1);
        let tasks = planes.par_chunks_mut(images * channels * plane).enumerate();
        tasks.for_each(|(task, planes)| work(task * images, 0, planes));
    } else {
        let share = channels.div_ceil(workers.div_ceil(images)).next_multiple_of(unit);
        planes.par_chunks_mut(channels * plane).enumerate().for_each(|(image, planes)| {
            let tasks = planes.par_chunks_mut(share * plane).enumerate();
            tasks.for_each(|(task, planes)| work(image, task * share, planes));
        });
    }
}
