//! How many bytes of weights are loaded from flash: kernels that count the weights given to them.
//! That is the engine's doing, the same on every core.

use core::sync::atomic::{AtomicUsize, Ordering};

use picoformer::kernels::{Attend, Kernels, Product, portable};

/// The portable kernels, counting weights.
#[derive(Debug)]
pub struct CountWeights;

static LOADED: AtomicUsize = AtomicUsize::new(0);

/// Bytes of weights that the kernels were given since the last call.
pub(crate) fn loaded() -> usize {
    let bytes = LOADED.load(Ordering::Relaxed);
    LOADED.store(0, Ordering::Relaxed);
    bytes
}

// What has a default body gives the same integers. The products of attention are not counted: its keys are
// no weights.
impl Kernels for CountWeights {
    const NAME: &'static str = "counting";

    fn matmul(product: &Product<Self>, sums: &mut [i32]) {
        // A byte per weight, however many rows share it. One hart, no interrupt that multiplies: a plain
        // addition will do.
        let weights = product.products(sums.len()) / product.rows().get();
        LOADED.store(LOADED.load(Ordering::Relaxed) + weights, Ordering::Relaxed);
        portable::matmul(product, sums);
    }

    fn attend(attend: Attend<Self>) {
        let before = LOADED.load(Ordering::Relaxed);
        portable::attend(attend, Self::matmul);
        LOADED.store(before, Ordering::Relaxed);
    }
}
