//! Whole linear layers of a backend against those of [`Portable`].

use super::{Random, any_layout, input, same};
use crate::Aligned;
use crate::kernels::{self, Kernels, Portable, Product, RowScale, lanes_per_input};

/// Whole layers, some longer than a chunk.
pub fn layers<K: Kernels>(random: &mut Random) -> Result<(), &'static str> {
    const WORDS: usize = 4;
    const OUTPUTS: usize = 68;
    let bits = if random.below(4) == 0 { 12 } else { 8 };
    let rows = 1 + random.below(2);
    let layout = any_layout::<K>(random);
    let (words, outputs) = (1 + random.below(WORDS), 1 + random.below(OUTPUTS));
    let mut lanes = [[0i16; 8 * WORDS]; 2].map(Aligned);
    let [Aligned(found), Aligned(expected)] = &mut lanes;
    let found = found.get_mut(..4 * words * lanes_per_input::<K>(rows)).unwrap_or_default();
    let expected = expected.get_mut(..4 * words * rows).unwrap_or_default();
    for row in 0..rows {
        let mut x = [0i16; 4 * WORDS];
        let x = x.get_mut(..4 * words).unwrap_or_default();
        let by = input(random, x, bits);
        kernels::quantize::<K>(layout)(x, &by, rows, row, found);
        Portable::quantize(x, &by, rows, row, expected);
    }
    let Aligned(weights) = &mut Aligned([0u8; 4 * WORDS * OUTPUTS]);
    let Aligned(multipliers) = &mut Aligned([0u8; 2 * OUTPUTS]);
    let Aligned(biases) = &mut Aligned([0u8; 2 * OUTPUTS]);
    random.bytes(multipliers);
    multipliers.iter_mut().skip(1).step_by(2).for_each(|high| *high &= 0x7f);
    random.bytes(biases);
    let biases = if random.below(2) == 0 { &[][..] } else { &biases[..] };
    let surplus = if bits == 8 { Portable::PRODUCT_SHIFT - K::PRODUCT_SHIFT } else { 0 } as u32;
    let shift = 1 + surplus + random.below(62 - surplus as usize) as u32;
    let mut by = [0, 1].map(|_| RowScale {
        scale: random.next() as u16 & 0x7fff,
        shift,
        bias_shift: random.below(24) as i32,
    });
    // In 16 bits both rows have the same unit.
    if random.below(4) > 0 {
        by[1].bias_shift = by[0].bias_shift;
    }
    let own = by.map(|by| RowScale { shift: by.shift - surplus, ..by });
    random.bytes(weights);
    for word in weights.as_chunks_mut::<4>().0 {
        *word = layout.pack(word.map(|w| (w as i8).max(-127))).to_le_bytes();
    }
    let weights = &weights[..];
    let group_bytes = 16 * words;
    let wide = bits == 12;
    let lanes: &[i16] = found;
    let product =
        Product { lanes, rows, wide, packing: layout, weights, group_bytes, multipliers, biases };
    let (mut a, mut b) = ([[1i16; OUTPUTS]; 2], [[1i16; OUTPUTS]; 2]);
    let part = |out: &mut [[i16; OUTPUTS]; 2], run: &dyn Fn([&mut [i16]; 2])| {
        let [p, q] = out.each_mut().map(|out| out.get_mut(..outputs).unwrap_or_default());
        run([p, if rows == 2 { q } else { &mut [] }]);
    };
    part(&mut a, &|out| K::linear(&product, own, out));
    part(&mut b, &|out| Portable::linear(&Product { lanes: expected, ..product }, by, out));
    same(a.as_flattened(), b.as_flattened(), "linear")?;
    let (mut a, mut b) = ([[1i32; OUTPUTS]; 2], [[1i32; OUTPUTS]; 2]);
    let part = |out: &mut [[i32; OUTPUTS]; 2], run: &dyn Fn([&mut [i32]; 2])| {
        let [p, q] = out.each_mut().map(|out| out.get_mut(..outputs).unwrap_or_default());
        run([p, if rows == 2 { q } else { &mut [] }]);
    };
    part(&mut a, &|out| K::linear_32(&product, own, out));
    part(&mut b, &|out| Portable::linear_32(&Product { lanes: expected, ..product }, by, out));
    same(a.as_flattened(), b.as_flattened(), "linear_32")?;
    Ok(())
}
