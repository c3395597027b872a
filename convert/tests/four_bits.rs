//! Weights of four bits: what is stored is what the rounding says, in every layer of every architecture, and
//! what it costs.

mod common;

use common::every::models;
use common::synthetic::{Random, bert, gpt2, llama, random};
use picoformer::blob::{AttentionLayout, Layout, LinearLayout};
use picoformer::config::{Architecture, Config, Head, Role, Roles};
use picoformer::matrix::Packing;
use picoformer::{FormatError, Model};
use picoformer_convert::float_model::FloatModel;
use picoformer_convert::four_bits::fit;
use picoformer_convert::host::Blob;
use picoformer_convert::writer::{Wide, write};

/// The model whose weights are those that a blob stores: of four bits where they were rounded.
fn stored(model: &FloatModel) -> FloatModel {
    let mut exact = model.clone();
    exact.config.four_bits = Roles::NONE;
    for (_, layer) in exact.linears_mut() {
        let Some(rounded) = layer.rounded.take() else { continue };
        let steps =
            rounded.multipliers.iter().map(|&m| m as f32 * 2f32.powi(rounded.exponent as i32));
        let steps = steps.flat_map(|step| std::iter::repeat_n(step, layer.in_dim));
        let codes = rounded.codes.iter().map(|&code| code as f32);
        layer.weight = codes.zip(steps).map(|(code, step)| code * step).collect();
    }
    exact
}

/// The layers of a blob with these roles, in the order of [`FloatModel::linears_mut`].
fn placed(c: &Config, l: &Layout) -> Vec<(Role, usize, LinearLayout)> {
    let mut all = vec![(Role::Embedding, l.embedding.offset, l.embedding.layout)];
    let own = &l.layer;
    if c.separate_embedding {
        all.push((Role::DecoderEmbedding, l.decoder.embedding.offset, l.decoder.embedding.layout));
    }
    let attention = |base: usize, at: &AttentionLayout, roles: [Role; 4]| {
        let parts = roles.into_iter().zip([at.q, at.k, at.v, at.o]);
        parts.map(move |(role, part)| (role, base + part.offset, part.layout))
    };
    let first = (0..c.n_layers).map(|i| l.layers + i * own.bytes);
    let bases = |i| l.decoder.layers + i * l.decoder.layer_bytes;
    for base in first.chain((0..c.decoder_layers).map(bases)) {
        let roles = [Role::Query, Role::Key, Role::Value, Role::Output];
        all.extend(attention(base, &own.attention, roles));
        all.push((Role::Up, base + own.up.offset, own.up.layout));
        all.push((Role::Down, base + own.down.offset, own.down.layout));
        all.extend(c.gated.then_some((Role::Gate, base + own.gate.offset, own.gate.layout)));
    }
    for base in (0..c.decoder_layers).map(bases) {
        let roles = [Role::CrossQuery, Role::CrossKey, Role::CrossValue, Role::CrossOutput];
        all.extend(attention(base, &l.decoder.cross, roles));
    }
    all.extend(c.pooler.then_some((Role::Pooler, l.pooler.offset, l.pooler.layout)));
    all.extend(c.has_head().then_some((Role::Head, l.head.offset, l.head.layout)));
    all
}

/// Every architecture, all its layers of four bits and a part of them: the blob's weights are the rounded ones.
#[test]
fn every_layer_is_stored_as_it_was_rounded() {
    for (index, model) in models().iter().enumerate() {
        let roles = model.config.roles();
        let part = Roles(roles.0 & 0x5a5a_u16.rotate_left(index as u32));
        for roles in [roles, part] {
            let mut rounded = model.clone();
            fit(&mut rounded, roles, Wide::Never, &[]).unwrap();
            let bytes = write(&rounded, Wide::Never).unwrap();
            let blob = Blob::new(&bytes);
            let parsed = blob.parse().unwrap();
            assert_eq!(parsed.config().four_bits, roles, "{index}");
            let places = placed(parsed.config(), parsed.layout());
            let layers = rounded.linears_mut();
            assert_eq!(places.len(), layers.len());
            for ((role, offset, layout), (own, layer)) in places.into_iter().zip(layers) {
                assert_eq!(role, own);
                let four = layout.packing == Packing::Nibbles;
                assert_eq!(four, roles.contains(role));
                let Some(codes) = layer.rounded.as_ref().filter(|_| four) else { continue };
                let matrix = &bytes[offset + layout.weights()..];
                let word = |at: usize| u16::from_le_bytes([matrix[at], matrix[at + 1]]);
                for (o, row) in codes.codes.chunks(layer.in_dim).enumerate() {
                    for (i, code) in row.iter().enumerate() {
                        let at = Packing::Nibbles.word_offset(o, i / 4, layout.padded_in());
                        let found = Packing::Nibbles.unpack(word(at) as u32)[i % 4];
                        assert_eq!(found, *code as i16, "{index} {role:?} {o} {i}");
                    }
                }
            }
        }
    }
}

/// The engine computes with the weights that are stored: it is as near to them in f32 as with eight bits.
#[test]
fn the_engine_follows_the_stored_weights() {
    for config in [llama(), gpt2(), bert()] {
        let (classifier, tokens) =
            (config.architecture == Architecture::Encoder, config.vocab_size);
        let config = match classifier {
            true => Config { head: Head::Classifier, n_labels: 5, pooler: true, ..config },
            false => Config { d_ff: 1100, ..config },
        };
        let mut model = random(config, 77);
        fit(&mut model, config.roles(), Wide::Never, &[]).unwrap();
        let ids = Random(5).tokens(21, tokens);
        let expected = stored(&model).forward(&ids).outputs;
        let blob = Blob::new(&write(&model, Wide::Never).unwrap());
        let parsed = blob.parse().unwrap();
        let found = match classifier {
            true => common::encode(&parsed, &ids),
            false => common::decode(&parsed, &ids),
        };
        let error = common::relative_error(&found, &expected);
        println!("{:?}: {error:.4}", config.architecture);
        assert!(error < 0.04, "{error}");
    }
}

/// A header that gives four bits to layers that the model does not have is refused, and so are 12-bit rows for
/// weights of four bits.
#[test]
fn what_cannot_be_is_refused() {
    let model = &models()[0];
    let none = Role::ALL.into_iter().find(|&role| !model.config.roles().contains(role)).unwrap();
    let config = Config { four_bits: Roles::NONE.with(none), ..model.config };
    assert_eq!(config.validate().unwrap_err().0, "four_bits");
    let config = Config { four_bits: Roles(1 << 15), ..model.config };
    assert_eq!(config.validate().unwrap_err().0, "four_bits");

    let mut model = model.clone();
    fit(&mut model, Roles::NONE.with(Role::Down), Wide::Never, &[]).unwrap();
    let mut bytes = write(&model, Wide::Never).unwrap();
    let layout = *Model::parse(&bytes).unwrap().layout();
    let at = layout.layers + layout.layer.down.offset + 6;
    bytes[at] = 12;
    assert_eq!(
        Model::parse(&bytes).unwrap_err(),
        FormatError::BadSection { section: "down", offset: at }
    );
}

/// Layers that read a norm keep 12-bit rows where weights have eight bits, and only there.
#[test]
fn wide_rows_stay_with_weights_of_eight_bits() {
    for model in models() {
        let mut model = model.clone();
        let four = model.config.roles().without(Role::Key);
        fit(&mut model, four, Wide::All, &[]).unwrap();
        let blob = Blob::new(&write(&model, Wide::All).unwrap());
        blob.parse().unwrap();
    }
}
