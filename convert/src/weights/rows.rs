//! Which elements of a tensor are read: all, or those of the pieces that a vocabulary keeps.

/// A choice of a tensor's elements.
#[derive(Clone, Copy, Debug)]
pub enum Rows<'a> {
    /// All of them.
    All,
    /// The tensor is as many equal rows as the second number says; of these the ones listed, in ascending
    /// order.
    Of(&'a [u32], usize),
}

impl Rows<'_> {
    /// The runs of elements, from and to, in a tensor of `len` elements. Rows that follow each other are
    /// one run.
    pub fn runs(&self, len: usize) -> Vec<(usize, usize)> {
        let Self::Of(rows, all) = *self else { return vec![(0, len)] };
        let width = len / all.max(1);
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for &row in rows {
            let from = row as usize * width;
            match runs.last_mut() {
                Some((_, to)) if *to == from => *to += width,
                _ => runs.push((from, from + width)),
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_run() {
        assert_eq!(Rows::All.runs(6), [(0, 6)]);
        assert_eq!(Rows::Of(&[0, 1, 4], 5).runs(15), [(0, 6), (12, 15)]);
        assert_eq!(Rows::Of(&[], 5).runs(15), []);
    }
}
