//! What every layer of the shipped models computes: a hash per layer, the same for every size of the tiles in
//! which rows go through it. The rows before an activation is quantised, after every rounding: a difference
//! that no logit shows is seen here.

use core::fmt::Write;

use picoformer::arena::{Lengths, RunState};
use picoformer::config::{Architecture, Config, Input, Side};
use picoformer::kernels::Native;
use picoformer::model::Weights;
use picoformer::nn::attention::Prefix;
use picoformer::nn::input;
use picoformer::nn::layer::Layer;
use picoformer::nn::residual::{Tile, normalize};
use picoformer::tokenizer::Token;
use picoformer::{Arena, ArenaSize, Model};

use crate::hash::Hash;
use crate::lend::Lend;
use crate::{Failure, Probe, Summary, classify, digits, g2p, generate, motion, text, wake};

/// From one row to the most that a configuration may ask for.
const TILES: [usize; 4] = [1, 2, 7, 64];
/// Rows of every input: several tiles of each size but the largest.
const ROWS: usize = 30;
/// Layers that are told apart on each side.
const LAYERS: usize = 8;

static MODELS: &[(&str, &Model<'static>)] = &[
    ("intent", &classify::MODEL),
    ("g2p", &g2p::GREEDY),
    ("tales", &generate::MODEL),
    ("digits", &digits::MODEL),
    ("motion", &motion::MODEL),
    ("wake", &wake::MODEL),
    #[cfg(has_slots)]
    ("slots", &crate::slots::MODEL),
];
/// Features of a frame at most.
const FRAME: usize = 256;

/// Room for each of the models with the largest tile.
const SIZE: ArenaSize = {
    let [a, b, c] = [classify::MODEL, g2p::GREEDY, generate::MODEL];
    let [d, e, f] = [digits::MODEL, motion::MODEL, wake::MODEL];
    let sizes = [
        size(a.config()),
        size(b.config()),
        size(c.config()),
        size(d.config()),
        size(e.config()),
        size(f.config()),
        #[cfg(has_slots)]
        size(crate::slots::MODEL.config()),
    ];
    let mut most = sizes[0];
    let mut i = 1;
    while i < sizes.len() {
        most.bytes = max(most.bytes, sizes[i].bytes);
        most.halves = max(most.halves, sizes[i].halves);
        most.words = max(most.words, sizes[i].words);
        i += 1;
    }
    most
};

const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

const fn size(config: &Config) -> ArenaSize {
    ArenaSize::new(&Config { tile_rows: TILES[TILES.len() - 1], ..*config })
}

type Ram = Arena<{ SIZE.bytes }, { SIZE.halves }, { SIZE.words }>;
static RAM: Lend<Ram> = Lend::new(Arena::new());

/// The hashes of the layers of both sides.
type Hashes = [[Hash; LAYERS]; 2];

/// Writes a line for every layer of every model.
///
/// # Errors
/// Names what failed; also a model whose layers depend on the size of the tiles.
pub fn layers(out: &mut dyn Write, _: &mut dyn Probe) -> Result<Summary, Failure> {
    let ram = RAM.take().ok_or(Failure("the arena is in use"))?;
    for &(name, model) in MODELS {
        let mut known: Option<Hashes> = None;
        for tile_rows in TILES {
            let hashes = hashes(model, tile_rows, ram)?;
            if *known.get_or_insert(hashes) != hashes {
                return Err(Failure("a layer depends on the size of the tiles"));
            }
        }
        let hashes = known.unwrap_or_default();
        for (side, hashes) in [" encoder ", " decoder "].into_iter().zip(hashes) {
            let used = hashes.into_iter().filter(|hash| *hash != Hash::new());
            for (layer, hash) in used.enumerate() {
                out.write_str(name)?;
                out.write_str(side)?;
                text::decimal(out, layer as u64)?;
                out.write_str(" ")?;
                text::hexadecimal(out, hash.value())?;
                out.write_str("\n")?;
            }
        }
    }
    Ok(Summary { arena_bytes: size_of::<Ram>(), blob_bytes: 0 })
}

/// A model about to run on tiles of any size.
struct Run<'m, 'a> {
    weights: Weights<'m, Native>,
    state: RunState<'a>,
    tile_rows: usize,
    /// The unit of features.
    unit: i32,
    hashes: Hashes,
}

/// The hashes of all layers for some tokens.
#[inline(never)]
fn hashes(
    model: &'static Model<'static>,
    tile_rows: usize,
    ram: &mut Ram,
) -> Result<Hashes, Failure> {
    let c = model.config();
    let lengths = Lengths::new(&Config { tile_rows, ..*c });
    let state =
        RunState::new(&lengths, ram.parts()).map_err(|_| Failure("the arena is too small"))?;
    let hashes = [[Hash::new(); LAYERS]; 2];
    let unit = model.header().frame_exponent.into();
    let mut run = Run { weights: model.weights(), state, tile_rows, unit, hashes };
    // Every vocabulary here has these tokens.
    let mut tokens: [Token; ROWS] = [0; ROWS];
    tokens.iter_mut().zip(3..).for_each(|(to, token)| *to = token);
    let of = |context: usize| tokens.get(..context).unwrap_or(&tokens);
    let (source, target) = (of(c.context), of(c.target_context));
    match c.architecture {
        Architecture::Encoder => match c.input {
            Input::Tokens => run.encoder(source),
            Input::Frames => run.frames(source.len())?,
        },
        Architecture::Decoder => run.decoder(source, None),
        Architecture::EncoderDecoder => {
            run.encoder(source);
            run.source(source.len());
            run.decoder(target, Some(source.len()));
        }
    }
    Ok(run.hashes)
}

impl Run<'_, '_> {
    /// All rows through one layer after the other.
    fn encoder(&mut self, tokens: &[Token]) {
        let weights = self.weights;
        input::tokens::<Native>(&weights, Side::Encoder, &mut self.state, tokens, 0, 0);
        self.encode(tokens.len());
    }

    /// The same for frames of features, loud and soft.
    fn frames(&mut self, rows: usize) -> Result<(), Failure> {
        let weights = self.weights;
        let mut features = [0; FRAME];
        let len = weights.config().frame_len;
        let features = features.get_mut(..len).ok_or(Failure("a frame is too long"))?;
        let mut x = 1u32;
        for row in 0..rows {
            for feature in features.iter_mut() {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *feature = (x >> 16) as i16 >> (row % 9);
            }
            input::frame::<Native>(&weights, &mut self.state, features, self.unit, row);
        }
        self.encode(rows);
        Ok(())
    }

    /// Embedded rows through the encoder's layers.
    fn encode(&mut self, rows: usize) {
        let (weights, side) = (self.weights, Side::Encoder);
        for index in 0..weights.config().n_layers {
            let layer = Layer::<Native>::new(&weights, side, index);
            for tile in tiles(rows, self.tile_rows) {
                input::rotations::<Native>(&weights, &mut self.state, tile.first_row, tile.rows);
                layer.keys_and_values(&mut self.state, tile);
            }
            for tile in tiles(rows, self.tile_rows) {
                input::rotations::<Native>(&weights, &mut self.state, tile.first_row, tile.rows);
                layer.attend(&mut self.state, tile, Prefix::ALL, rows);
                layer.feed_forward(&mut self.state, tile);
            }
            self.add(0, index, rows);
        }
    }

    /// The keys and values of the source, for every layer of the decoder.
    fn source(&mut self, rows: usize) {
        let weights = self.weights;
        if let Some(norm) = weights.final_norm(Side::Encoder) {
            normalize::<Native>(&weights, &norm, &mut self.state, 0..rows);
        }
        for index in 0..weights.config().decoder_layers {
            let layer = Layer::<Native>::new(&weights, Side::Decoder, index);
            for tile in tiles(rows, self.tile_rows) {
                layer.source_keys_and_values(&mut self.state, tile);
            }
        }
    }

    /// Tile after tile through all layers, beside a source of some rows if there is one.
    fn decoder(&mut self, tokens: &[Token], source: Option<usize>) {
        let (weights, side) = (self.weights, Side::Decoder);
        let c = weights.config();
        let layers = if source.is_some() { c.decoder_layers } else { c.n_layers };
        for tile in tiles(tokens.len(), self.tile_rows) {
            let (first, rows) = (tile.first_position, tile.rows);
            let given = tokens.get(first..first + rows).unwrap_or_default();
            input::tokens::<Native>(&weights, side, &mut self.state, given, 0, first);
            input::rotations::<Native>(&weights, &mut self.state, first, rows);
            let tile = Tile { first_row: 0, ..tile };
            for index in 0..layers {
                let layer = Layer::<Native>::new(&weights, side, index);
                layer.attend(&mut self.state, tile, Prefix::NONE, first + rows);
                if let Some(source) = source {
                    layer.attend_source(&mut self.state, tile, source);
                }
                layer.feed_forward(&mut self.state, tile);
                self.add(1, index, rows);
            }
        }
    }

    /// Adds the first rows of the residual stream, mantissas and exponents, to the hash of a layer.
    fn add(&mut self, side: usize, layer: usize, rows: usize) {
        let d = self.weights.config().d_model;
        let Some(hash) = self.hashes.get_mut(side).and_then(|hashes| hashes.get_mut(layer)) else {
            return;
        };
        for row in 0..rows {
            let (mantissas, exponent) = self.state.residual.row(row, d);
            mantissas.iter().for_each(|&x| hash.add(&[x.into()]));
            hash.add(&[exponent]);
        }
    }
}

/// The tiles of some rows.
fn tiles(rows: usize, tile_rows: usize) -> impl Iterator<Item = Tile> {
    let mut first = 0;
    core::iter::from_fn(move || {
        let rows = tile_rows.min(rows - first);
        let tile = Tile { first_row: first, first_position: first, rows, beams: false };
        first += rows;
        (rows > 0).then_some(tile)
    })
}
