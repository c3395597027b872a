//! RAM: the [`Arena`] that the user owns, its exact size, and [`RunState`], the named buffers in
//! it.

use crate::config::*;
use crate::error::RunError;
use crate::kernels::room;
use crate::matrix::Packing;
use crate::slices;
use crate::tokenizer::Token;

/// The exact amount of RAM that a model needs, in elements of the arena's four parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ArenaSize {
    /// Keys, values and their scales; a multiple of 16.
    pub bytes: usize,
    /// Residual stream and tile buffers, 16 bits each; a multiple of 8.
    pub halves: usize,
    /// Sums and logits, 32 bits each; a multiple of 4.
    pub words: usize,
    /// The tokens of a text, 32 bits each; a multiple of 4. Only the types of [`task`](crate::task)
    /// need them; an [`Encoder`](crate::Encoder) or a [`Decoder`](crate::Decoder) does not.
    pub tokens: usize,
}

/// One line of the RAM bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Buffer {
    /// Its name in [`RunState`].
    pub name: &'static str,
    /// Bytes of one element: 1, 2 or 4.
    pub width: usize,
    /// Elements.
    pub len: usize,
}

impl Buffer {
    /// A buffer of `len` elements or a few more: whole units of 16 bytes, so that every buffer is
    /// aligned for the widest load.
    pub(crate) const fn whole(name: &'static str, width: usize, len: usize) -> Self {
        Self { name, width, len: round_up(len, 16 / width) }
    }

    /// Bytes of the buffer.
    pub const fn bytes(&self) -> usize {
        self.width * self.len
    }
}

/// Number of buffers in a [`RunState`].
pub const BUFFERS: usize = 17;
/// The buffer that is the part `tokens`; the other buffers of 4-byte elements belong to `words`.
const TOKENS: usize = BUFFERS - 1;
/// Room beyond the context for the characters of a word before they are merged into tokens.
const UNMERGED: usize = 32;

/// Every buffer of a model, in the order in which the arena is carved. The single source of RAM
/// sizes.
pub const fn buffers(c: &Config) -> [Buffer; BUFFERS] {
    // A wider beam is refused where the model is run; no size may wrap before.
    let beams = min(c.beams, MAX_BEAMS);
    let (rows, keys, sources) = (c.rows(), c.keys(beams), c.source_keys());
    let widest = max(c.tile_width(), c.frame_len);
    let lanes = max(min(round_up(widest, 4), SEGMENT), c.head_dim);
    let lanes = match c.four_bits.is_empty() {
        true => 2 * lanes,
        false => room(round_up(lanes, 8), Packing::Nibbles),
    };
    let rotary = if matches!(c.position, Position::Rotary) { c.head_dim } else { 0 };
    let outputs = match c.head {
        Head::None => 0,
        Head::TokenLabels => c.n_labels,
        _ => c.n_outputs(),
    };
    macro_rules! buffer {
        ($name:literal, $width:literal, $len:expr) => {
            Buffer::whole($name, $width, $len)
        };
    }
    [
        buffer!("keys", 1, keys * c.kv_dim()),
        buffer!("values", 1, keys * c.kv_dim()),
        buffer!("key_scales", 1, keys * c.n_kv_heads),
        buffer!("value_scales", 1, keys * c.n_kv_heads),
        buffer!("source_keys", 1, sources * c.kv_dim()),
        buffer!("source_values", 1, sources * c.kv_dim()),
        buffer!("source_key_scales", 1, sources * c.n_kv_heads),
        buffer!("source_value_scales", 1, sources * c.n_kv_heads),
        buffer!("residual", 2, rows * c.d_model),
        buffer!("exponents", 2, rows),
        buffer!("tile", 2, c.tile_rows * c.tile_width()),
        buffer!("lanes", 2, lanes),
        buffer!("rotary", 2, c.tile_rows * rotary),
        buffer!("sums", 4, max(2 * c.d_model, 2 * c.head_dim)),
        buffer!("outputs", 4, outputs),
        buffer!("history", 4, beams * c.target_context),
        buffer!("tokens", 4, text_tokens(c)),
    ]
}

/// Room for the tokens of a text while it is encoded, or of the answer: as many as the cache has
/// positions, and the characters of one word that is not merged yet. Frame input has no text.
const fn text_tokens(c: &Config) -> usize {
    match c.input {
        Input::Tokens => max(c.cache_rows(), round_up(c.target_context, 4)) + UNMERGED,
        Input::Frames => 0,
    }
}

const fn min(a: usize, b: usize) -> usize {
    if a < b { a } else { b }
}

impl ArenaSize {
    /// The exact need of a model with these hyperparameters.
    pub const fn new(config: &Config) -> Self {
        Lengths::new(config).arena
    }

    /// This and room for more buffers of 2 and 4 bytes an element.
    pub(crate) const fn with(mut self, more: &[Buffer]) -> Self {
        let mut i = 0;
        while i < more.len() {
            match more[i].width {
                2 => self.halves += more[i].len,
                _ => self.words += more[i].len,
            }
            i += 1;
        }
        self
    }

    /// All parts together, in bytes.
    pub const fn total_bytes(&self) -> usize {
        self.bytes + 2 * self.halves + 4 * (self.words + self.tokens)
    }
}

/// The lengths of all buffers of a model, and of the arena that holds them.
#[derive(Clone, Copy, Debug)]
pub struct Lengths {
    pub(crate) arena: ArenaSize,
    buffers: [usize; BUFFERS],
}

impl Lengths {
    /// The arena that holds them.
    pub(crate) const fn arena(&self) -> ArenaSize {
        self.arena
    }

    /// The lengths for a configuration.
    pub const fn new(config: &Config) -> Self {
        let all = buffers(config);
        let mut arena = ArenaSize { bytes: 0, halves: 0, words: 0, tokens: 0 };
        let mut buffers = [0; BUFFERS];
        let mut i = 0;
        while i < BUFFERS {
            buffers[i] = all[i].len;
            match all[i].width {
                1 => arena.bytes += all[i].len,
                2 => arena.halves += all[i].len,
                _ if i == TOKENS => arena.tokens = all[i].len,
                _ => arena.words += all[i].len,
            }
            i += 1;
        }
        Self { arena, buffers }
    }
}

impl Config {
    /// The RAM that such a model needs; the same as [`Model::arena`](crate::Model::arena).
    pub const fn arena(&self) -> ArenaSize {
        ArenaSize::new(self)
    }
}

/// Static memory for one model. All zeros, so a `static` lies in `.bss`. [`arena!`](crate::arena!)
/// names the type for a model; without `TOKENS` it serves an encoder or a decoder, but no text.
///
/// ```
/// # use picoformer::{Arena, ArenaSize};
/// const SIZE: ArenaSize = ArenaSize { bytes: 64, halves: 32, words: 16, tokens: 8 };
/// let mut arena = Arena::<{ SIZE.bytes }, { SIZE.halves }, { SIZE.words }, { SIZE.tokens }>::new();
/// let parts = arena.parts();
/// ```
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Arena<
    const BYTES: usize,
    const HALVES: usize,
    const WORDS: usize,
    const TOKENS: usize = 0,
> {
    bytes: [u8; BYTES],
    halves: [i16; HALVES],
    words: [i32; WORDS],
    tokens: [Token; TOKENS],
}

impl<const BYTES: usize, const HALVES: usize, const WORDS: usize, const TOKENS: usize>
    Arena<BYTES, HALVES, WORDS, TOKENS>
{
    /// An arena of zeros.
    pub const fn new() -> Self {
        Self { bytes: [0; BYTES], halves: [0; HALVES], words: [0; WORDS], tokens: [0; TOKENS] }
    }

    /// Lends the memory.
    pub fn parts(&mut self) -> ArenaParts<'_> {
        let Self { bytes, halves, words, tokens } = self;
        ArenaParts { bytes, halves, words, tokens }
    }
}

impl<const BYTES: usize, const HALVES: usize, const WORDS: usize, const TOKENS: usize> Default
    for Arena<BYTES, HALVES, WORDS, TOKENS>
{
    fn default() -> Self {
        Self::new()
    }
}

/// Borrowed memory for one model; on a host, four vectors of the sizes in [`ArenaSize`].
/// The initial contents do not matter.
#[derive(Debug, Default)]
pub struct ArenaParts<'a> {
    /// See [`ArenaSize::bytes`].
    pub bytes: &'a mut [u8],
    /// See [`ArenaSize::halves`].
    pub halves: &'a mut [i16],
    /// See [`ArenaSize::words`].
    pub words: &'a mut [i32],
    /// See [`ArenaSize::tokens`]. May be longer, for texts with longer words.
    pub tokens: &'a mut [Token],
}

impl<'a, const BYTES: usize, const HALVES: usize, const WORDS: usize, const TOKENS: usize>
    From<&'a mut Arena<BYTES, HALVES, WORDS, TOKENS>> for ArenaParts<'a>
{
    fn from(arena: &'a mut Arena<BYTES, HALVES, WORDS, TOKENS>) -> Self {
        arena.parts()
    }
}

/// Keys and values of one or more layers, int8 with an 8-bit scale per position and head.
///
/// A *block* is [`KEY_BLOCK`] positions of one head of one layer: keys packed as weights of
/// `KEY_BLOCK` outputs and `head_dim` inputs, values transposed to `[head_dim][KEY_BLOCK]`.
#[derive(Debug)]
pub struct Cache<'a> {
    /// `(layers, blocks, n_kv_heads, KEY_BLOCK · head_dim)`.
    pub keys: &'a mut [u8],
    /// `(layers, blocks, n_kv_heads, head_dim, KEY_BLOCK)`.
    pub values: &'a mut [u8],
    /// `(layers, blocks, n_kv_heads, KEY_BLOCK)`, see [`scale_code`](crate::fixed::scale_code).
    pub key_scales: &'a mut [u8],
    /// As `key_scales`.
    pub value_scales: &'a mut [u8],
}

impl Cache<'_> {
    /// Copies the first `rows` positions of layer `from` to layer `to` of a cache of `config`'s
    /// shape.
    pub fn copy(&mut self, config: &Config, from: usize, to: usize, rows: usize) {
        let (all, used) = (config.cache_rows(), round_up(rows, KEY_BLOCK));
        for (data, width) in [
            (&mut *self.keys, config.kv_dim()),
            (&mut *self.values, config.kv_dim()),
            (&mut *self.key_scales, config.n_kv_heads),
            (&mut *self.value_scales, config.n_kv_heads),
        ] {
            let range = |layer: usize| layer * all * width..(layer * all + used) * width;
            let layers = data.get_disjoint_mut([range(to), range(from)]);
            debug_assert!(layers.is_ok(), "layers {from} and {to} are not two of the cache");
            let Ok([to, from]) = layers else { return };
            // Equal lengths, but the compiler must see it: no panic may be linked.
            let len = to.len().min(from.len());
            if let (Some(to), Some(from)) = (to.get_mut(..len), from.get(..len)) {
                to.copy_from_slice(from);
            }
        }
    }
}

/// Rows of 16-bit mantissas; each row has its own power of two.
#[derive(Debug)]
pub struct Residual<'a> {
    /// `(rows, d_model)`.
    pub mantissas: &'a mut [i16],
    /// `(rows)`.
    pub exponents: &'a mut [i16],
}

impl Residual<'_> {
    /// Row `index` of width `d` and its exponent.
    pub fn row(&self, index: usize, d: usize) -> (&[i16], i32) {
        (slices::row(self.mantissas, index, d), slices::at(self.exponents, index) as i32)
    }

    /// [`Residual::row`] for writing; `None` beyond the last row.
    pub fn row_mut(&mut self, index: usize, d: usize) -> Option<(&mut [i16], &mut i16)> {
        debug_assert!(index < self.exponents.len(), "{index} of {}", self.exponents.len());
        let row = slices::row_mut(self.mantissas, index, d);
        self.exponents.get_mut(index).map(|exponent| (row, exponent))
    }
}

/// The arena, carved into named buffers: cache, activations and outputs of one model.
#[derive(Debug)]
pub struct RunState<'a> {
    /// Keys and values. In an encoder-decoder, first those of the current encoder layer, later
    /// those of every hypothesis: `(beams · decoder_layers)` layers.
    pub cache: Cache<'a>,
    /// Encoder-decoder: the source's keys and values, `(decoder_layers)` layers.
    pub source: Cache<'a>,
    /// `(rows, d_model)`: the residual stream.
    pub residual: Residual<'a>,
    /// `(tile_rows, max(q_dim, d_ff, d_model))`: q, attention output, hidden rows.
    pub tile: &'a mut [i16],
    /// `(2 · inputs)` for the widest input, at most [`SEGMENT`] inputs: up to two quantised rows,
    /// see [`kernels`](crate::kernels).
    pub lanes: &'a mut [i16],
    /// `(tile_rows, head_dim)`: cosine and sine of each pair, Q1.14.
    pub rotary: &'a mut [i16],
    /// `(2 · max(d_model, head_dim))`: up to two rows of sums.
    pub sums: &'a mut [i32],
    /// `(n_outputs)`: logits in Q15.16, or the embedding.
    pub outputs: &'a mut [i32],
    /// Encoder-decoder: `(target_context, beams)`, see `seq2seq::search`.
    pub history: &'a mut [i32],
}

/// Takes the first `len` elements off a slice.
#[inline(never)] // sixteen calls
pub(crate) fn take<'a, T>(rest: &mut &'a mut [T], len: usize) -> &'a mut [T] {
    debug_assert!(len <= rest.len());
    let (head, tail) = core::mem::take(rest).split_at_mut_checked(len).unwrap_or_default();
    *rest = tail;
    head
}

impl<'a> RunState<'a> {
    /// Carves the buffers of a model.
    ///
    /// # Errors
    /// [`RunError::ArenaTooSmall`] with the part, the need and the given size;
    /// [`RunError::MisalignedArena`].
    pub fn new(lengths: &Lengths, arena: ArenaParts<'a>) -> Result<Self, RunError> {
        let size = lengths.arena;
        for (part, needed, given) in [
            ("bytes", size.bytes, arena.bytes.len()),
            ("halves", size.halves, arena.halves.len()),
            ("words", size.words, arena.words.len()),
        ] {
            if given < needed {
                return Err(RunError::ArenaTooSmall { part, needed, given });
            }
        }
        let (bytes, halves) = (arena.bytes.as_ptr().addr(), arena.halves.as_ptr().addr());
        for (part, address) in [("bytes", bytes), ("halves", halves)] {
            if !address.is_multiple_of(4) {
                return Err(RunError::MisalignedArena { part });
            }
        }
        let [
            keys,
            values,
            key_scales,
            value_scales,
            source_keys,
            source_values,
            source_key_scales,
            source_value_scales,
            residual,
            exponents,
            tile,
            lanes,
            rotary,
            sums,
            outputs,
            history,
            _,
        ] = lengths.buffers;
        let (mut bytes, mut halves, mut words) = (arena.bytes, arena.halves, arena.words);
        Ok(Self {
            cache: Cache {
                keys: take(&mut bytes, keys),
                values: take(&mut bytes, values),
                key_scales: take(&mut bytes, key_scales),
                value_scales: take(&mut bytes, value_scales),
            },
            source: Cache {
                keys: take(&mut bytes, source_keys),
                values: take(&mut bytes, source_values),
                key_scales: take(&mut bytes, source_key_scales),
                value_scales: take(&mut bytes, source_value_scales),
            },
            residual: Residual {
                mantissas: take(&mut halves, residual),
                exponents: take(&mut halves, exponents),
            },
            tile: take(&mut halves, tile),
            lanes: take(&mut halves, lanes),
            rotary: take(&mut halves, rotary),
            sums: take(&mut words, sums),
            outputs: take(&mut words, outputs),
            history: take(&mut words, history),
        })
    }
}
