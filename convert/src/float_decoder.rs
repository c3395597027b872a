//! The decoder of an encoder-decoder in f32, with cached keys and values: the reference of
//! `picoformer::Seq2Seq`. It shares the engine's search, so only the logits can differ.

pub use crate::float_weights::{FloatCross, FloatDecoder};

use crate::float_model::{relative, softmax};
use crate::float_weights::{FloatLinear, FloatModel, FloatNorm, dot};
use picoformer::RunError;
use picoformer::config::{Head, NormOrder};
use picoformer::kernels::Native;
use picoformer::seq2seq::Search;

/// Keys and values, a row a position.
#[derive(Clone, Debug, Default)]
struct Cached {
    keys: Vec<Vec<f32>>,
    values: Vec<Vec<f32>>,
}

/// One hypothesis: its keys and values by layer.
#[derive(Clone, Debug, Default)]
struct Slot(Vec<Cached>);

/// A source that was read, and what is written for it.
#[derive(Debug)]
pub struct FloatTarget<'m> {
    model: &'m FloatModel,
    decoder: &'m FloatDecoder,
    source: Vec<Cached>,
}

impl FloatModel {
    /// Reads a source; `None` if the model has no decoder.
    pub fn read(&self, source: &[u32]) -> Option<FloatTarget<'_>> {
        let decoder = self.decoder.as_ref()?;
        let hidden = self.hidden(source);
        let project = |l: &FloatLinear| hidden.iter().map(|row| l.forward(row)).collect();
        let cached = |c: &FloatCross| Cached { keys: project(&c.k), values: project(&c.v) };
        let source = decoder.cross.iter().map(cached).collect();
        Some(FloatTarget { model: self, decoder, source })
    }
}

impl FloatTarget<'_> {
    /// The logits after each token of a target, teacher-forced. The first token is the start token.
    pub fn forward(&self, target: &[u32]) -> Vec<Vec<f32>> {
        let mut slot = Slot(vec![Cached::default(); self.decoder.layers.len()]);
        target.iter().enumerate().map(|(i, &token)| self.logits(&mut slot, token, i)).collect()
    }

    /// The best target of at most `limit` tokens by the engine's search with `beams` hypotheses, without
    /// start and end token.
    ///
    /// # Errors
    /// Those of [`Search::new`].
    pub fn search(&self, beams: usize, limit: usize) -> Result<Vec<u32>, RunError> {
        let mut config = self.model.config;
        config.beams = beams;
        let rules = self.model.rules();
        let mut search = Search::new(&config, limit)?;
        let mut history = vec![0; beams * config.target_context];
        let mut slots = vec![Slot(vec![Cached::default(); self.decoder.layers.len()]); beams];
        while !search.is_done() {
            let len = search.len();
            for (i, slot) in slots.iter_mut().enumerate().take(search.live()) {
                let token = search.token(&config, &history, i);
                let logits = self.logits(slot, token, len);
                let mut fixed: Vec<i32> =
                    logits.iter().map(|x| (x * 65536.0).round() as i32).collect();
                // In order, hence never refused.
                let _ = search.add::<Native>(&config, rules, &history, &mut fixed);
            }
            let copy = |from: usize, to: usize| slots[to] = slots[from].clone();
            if search.advance::<Native>(&config, rules, &mut history, copy).is_err() {
                break;
            }
        }
        let mut tokens = vec![0; config.target_context];
        let len = search.tokens(&history, &mut tokens);
        tokens.truncate(len);
        Ok(tokens)
    }

    /// Feeds a token at a position; the logits of what follows.
    fn logits(&self, slot: &mut Slot, token: u32, position: usize) -> Vec<f32> {
        let (model, decoder) = (self.model, self.decoder);
        let d = model.config.d_model;
        let table = decoder.embedding.as_ref().unwrap_or(&model.embedding);
        let mut x = table.weight[token as usize * d..][..d].to_vec();
        model.add_position(&mut x, position, decoder.positions.as_deref());
        if let Some(norm) = &decoder.embedding_norm {
            x = model.norm(&x, norm);
        }
        let layers = decoder.layers.iter().zip(&decoder.cross).zip(&mut slot.0).zip(&self.source);
        for (((layer, cross), cached), source) in layers {
            self.sublayer(&mut x, &layer.norm_1, |row| {
                cached.keys.push(layer.k.forward(row));
                cached.values.push(layer.v.forward(row));
                let q = layer.q.forward(row);
                let bias =
                    |head, key| relative(&decoder.relative, &model.config, head, position, key);
                layer.o.forward(&self.attend(&q, cached, layer.score_scale, bias))
            });
            self.sublayer(&mut x, &cross.norm, |row| {
                let q = cross.q.forward(row);
                cross.o.forward(&self.attend(&q, source, cross.score_scale, |_, _| 0.0))
            });
            self.sublayer(&mut x, &layer.norm_2, |row| model.feed_forward(layer, row));
        }
        if let Some(norm) = &decoder.final_norm {
            x = model.norm(&x, norm);
        }
        let mut logits = match (model.config.head, &model.head) {
            (Head::Vocabulary, Some(head)) => head.forward(&x),
            _ => table.forward(&x),
        };
        if let Some(bias) = &decoder.head_bias {
            logits.iter_mut().zip(bias).for_each(|(x, b)| *x += b);
        }
        logits
    }

    /// Norm, part and residual, in the model's order.
    fn sublayer(&self, x: &mut Vec<f32>, norm: &FloatNorm, part: impl FnOnce(&[f32]) -> Vec<f32>) {
        let pre = self.model.config.norm_order == NormOrder::Pre;
        let y = if pre { part(&self.model.norm(x, norm)) } else { part(x) };
        x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
        if !pre {
            *x = self.model.norm(x, norm);
        }
    }

    /// One query row over all cached keys.
    fn attend(
        &self,
        q: &[f32],
        cached: &Cached,
        scale: f32,
        bias: impl Fn(usize, usize) -> f32,
    ) -> Vec<f32> {
        let c = &self.model.config;
        let (d, group) = (c.head_dim, c.n_heads / c.n_kv_heads);
        let mut out = Vec::with_capacity(c.q_dim());
        for (head, q) in q.chunks_exact(d).enumerate() {
            let kv = head / group * d;
            let score = |(i, k): (usize, &Vec<f32>)| dot(q, &k[kv..][..d]) * scale + bias(head, i);
            let mut p: Vec<f32> = cached.keys.iter().enumerate().map(score).collect();
            softmax(&mut p);
            let mut sum = vec![0f32; d];
            for (p, v) in p.iter().zip(&cached.values) {
                sum.iter_mut().zip(&v[kv..][..d]).for_each(|(s, v)| *s += p * v);
            }
            out.extend(sum);
        }
        out
    }
}
