//! The second moments of a layer's inputs and the factor of their inverse.

/// Inputs beyond which moments are left out: their inverse takes time with the third power.
const MOST: usize = 1536;
/// What is added to the diagonal, of its mean: directions that no text has still count a little, and the
/// inverse exists. (Frantar et al. 2022, §3.3.)
const DAMPING: f64 = 0.01;

/// `H`, and the upper triangular `U` with `Uᵀ U = H⁻¹`; the identity without moments.
pub struct Moments {
    n: usize,
    /// `(n, n)`; empty: the identity.
    h: Vec<f64>,
    /// `(n, n)`, row-major.
    u: Vec<f64>,
}

impl Moments {
    /// Of `n` inputs; none if there are too few or too many numbers, or not a number.
    pub fn new(moments: &[f64], n: usize) -> Self {
        let mean =
            (0..n).map(|i| moments.get(i * n + i).copied().unwrap_or(0.0)).sum::<f64>() / n as f64;
        if moments.len() != n * n || n > MOST || !mean.is_finite() || mean <= 0.0 {
            return Self { n, h: Vec::new(), u: Vec::new() };
        }
        let mut h: Vec<f64> = moments.iter().map(|x| x / mean).collect();
        (0..n).for_each(|i| h[i * n + i] += DAMPING);
        match inverse(&h, n).and_then(|inverse| lower(inverse, n)) {
            // The factor of the inverse in reverse order would be lower triangular: the transposed one.
            Some(l) => Self { n, u: transposed(&l, n), h },
            None => Self { n, h: Vec::new(), u: Vec::new() },
        }
    }

    /// Whether inputs are told apart at all.
    pub fn is_identity(&self) -> bool {
        self.h.is_empty()
    }

    /// Row `i` of `H`.
    pub fn h(&self, i: usize) -> &[f64] {
        &self.h[i * self.n..][..self.n]
    }

    /// Row `i` of `U`; the numbers before the diagonal are 0.
    pub fn u(&self, i: usize) -> &[f64] {
        &self.u[i * self.n..][..self.n]
    }
}

/// Cholesky: `L` with `L Lᵀ = a`; `None` if `a` is not positive definite.
fn lower(mut a: Vec<f64>, n: usize) -> Option<Vec<f64>> {
    for i in 0..n {
        for j in 0..=i {
            let (before, own) = a.split_at(i * n);
            let other = if j < i { &before[j * n..][..j] } else { &own[..j] };
            let sum = own[j] - own[..j].iter().zip(other).map(|(x, y)| x * y).sum::<f64>();
            a[i * n + j] = match i == j {
                true if sum > 0.0 => sum.sqrt(),
                true => return None,
                false => sum / a[j * n + j],
            };
        }
        a[i * n + i + 1..][..n - i - 1].fill(0.0);
    }
    Some(a)
}

/// The inverse of a positive definite matrix by its Cholesky factor.
fn inverse(a: &[f64], n: usize) -> Option<Vec<f64>> {
    let l = lower(a.to_vec(), n)?;
    // Row j of `columns` is column j of the inverse of L.
    let mut columns = vec![0.0; n * n];
    for j in 0..n {
        let column = &mut columns[j * n..][..n];
        for i in j..n {
            let sum: f64 =
                l[i * n + j..][..i - j].iter().zip(&column[j..i]).map(|(x, y)| x * y).sum();
            column[i] = ((i == j) as u8 as f64 - sum) / l[i * n + i];
        }
    }
    // L⁻ᵀ L⁻¹: the products of these columns.
    let mut inverse = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let (a, b) = (&columns[i * n + i..][..n - i], &columns[j * n + i..][..n - i]);
            let sum = a.iter().zip(b).map(|(x, y)| x * y).sum();
            (inverse[i * n + j], inverse[j * n + i]) = (sum, sum);
        }
    }
    Some(inverse)
}

fn transposed(a: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|at| a[at % n * n + at / n]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_is_that_of_the_inverse() {
        let n = 5;
        let rows: Vec<Vec<f64>> =
            (0..9).map(|r| (0..n).map(|i| ((r * 7 + i * 3) % 11) as f64 - 4.0).collect()).collect();
        let moment = |i: usize, j: usize| rows.iter().map(|row| row[i] * row[j]).sum::<f64>();
        let h: Vec<f64> = (0..n * n).map(|at| moment(at / n, at % n)).collect();
        let m = Moments::new(&h, n);
        for i in 0..n {
            for j in 0..n {
                // (Uᵀ U H)[i][j]
                let inverse = |k: usize| (0..n).map(|l| m.u(l)[i] * m.u(l)[k]).sum::<f64>();
                let product: f64 = (0..n).map(|k| inverse(k) * m.h(k)[j]).sum();
                assert!((product - (i == j) as u8 as f64).abs() < 1e-8, "{i} {j} {product}");
            }
        }
    }

    #[test]
    fn useless_moments_are_none() {
        assert!(Moments::new(&[], 4).is_identity());
        assert!(Moments::new(&[0.0; 16], 4).is_identity());
        assert!(Moments::new(&[f64::NAN; 16], 4).is_identity());
    }
}
