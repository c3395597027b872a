//! Code and stack of the demos' images, as `cargo xtask qemu` recorded them.

use serde::Deserialize;
use std::sync::LazyLock;

/// A demo's image.
#[derive(Deserialize)]
struct Image {
    core: String,
    text_bytes: usize,
    stack_bytes: usize,
}

static IMAGES: LazyLock<Vec<Image>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../records/images.json")).unwrap_or_default()
});

/// Code and stack, bytes: the largest of all demos on a core, or on any core if it was not counted.
pub fn largest(core: &str) -> (usize, usize) {
    // Cortex-M7 runs Cortex-M4's code.
    let core = if core == "Cortex-M7" { "Cortex-M4" } else { core };
    let known = IMAGES.iter().any(|image| image.core == core);
    let own = || IMAGES.iter().filter(|image| !known || image.core == core);
    let largest = |field: fn(&Image) -> usize| own().map(field).max().unwrap_or(0);
    (largest(|image| image.text_bytes), largest(|image| image.stack_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_was_not_counted_gets_the_largest() {
        let (code, stack) = largest("Cortex-M4");
        assert!(code > 30_000 && stack > 2_000);
        let (any_code, any_stack) = largest("any");
        assert!(any_code > code && any_stack >= stack);
        assert_eq!(largest("Cortex-M7"), (code, stack));
    }
}
