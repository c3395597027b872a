//! Dense modules of sentence-transformers: what follows the pooled row.

use crate::account::{Document, known};
use crate::checkpoint::Checkpoint;
use crate::error::{Result, input};
use crate::float_weights::FloatLinear;
use crate::weights::read_folder;
use serde_json::Value;

/// A Dense module.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    layer: FloatLinear,
    tanh: bool,
}

/// The layers that the engine has for them.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// One with tanh that keeps the width.
    pub pooler: Option<FloatLinear>,
    /// The last one, with or without.
    pub head: Option<FloatLinear>,
    /// Whether it has tanh.
    pub head_tanh: bool,
}

impl Dense {
    /// Reads the module in a folder, behind `width` numbers.
    ///
    /// # Errors
    /// An activation or a setting that the engine does not have; tensors that do not fit.
    pub fn read(c: &Checkpoint, folder: &str, width: usize) -> Result<Self> {
        let name = format!("{folder}/config.json");
        let config = Document::open(&c.path, &name, &c.options.ignored)?;
        if config.needed("in_features")? != width {
            let supported = format!("{width}, the width of what comes before");
            return Err(config.refuse("in_features", supported));
        }
        let out_dim = config.needed("out_features")?;
        let bias = config.flag("bias")?.unwrap_or(true);
        let name = config.text("activation_function")?.unwrap_or("Tanh");
        let tanh = match name.rsplit('.').next().unwrap_or_default() {
            "Tanh" => true,
            "Identity" => false,
            _ => {
                let supported =
                    "torch.nn.modules.activation.Tanh, torch.nn.modules.linear.Identity";
                return Err(config.refuse("activation_function", supported));
            }
        };
        for key in ["module_input_name", "module_output_name"] {
            if config.text(key)?.is_some_and(|name| name != "sentence_embedding") {
                return Err(config.refuse(key, "sentence_embedding"));
            }
        }
        config.finish(&[&[known::Known::only("init_weight", &["null"], "training")]])?;
        let tensors = read_folder(&c.path.join(folder))?;
        let module = Checkpoint::from_parts(&c.path.join(folder), Value::Null, tensors)?;
        let layer = FloatLinear {
            weight: module.tensor("linear.weight", &[out_dim, width])?,
            bias: if bias { Some(module.tensor("linear.bias", &[out_dim])?) } else { None },
            out_dim,
            in_dim: width,
            ..FloatLinear::default()
        };
        module.finish()?;
        Ok(Self { layer, tanh })
    }

    /// Numbers that come out.
    pub fn width(&self) -> usize {
        self.layer.out_dim
    }

    /// Whether the direction of what comes out depends on that of what goes in alone.
    pub fn keeps_scale(&self) -> bool {
        !self.tanh && self.layer.bias.is_none()
    }
}

/// The layers of the engine for modules behind a pooled row of `width` numbers. Those without an activation
/// become one with the next.
///
/// # Errors
/// More than two with tanh; a first one of two that widens the row.
pub(super) fn layers(modules: Vec<Dense>, width: usize) -> Result<Layers> {
    let mut chain: Vec<Dense> = Vec::new();
    for next in modules {
        match chain.pop() {
            Some(last) if !last.tanh => {
                chain.push(Dense { layer: product(&next.layer, &last.layer), tanh: next.tanh });
            }
            last => chain.extend(last.into_iter().chain([next])),
        }
    }
    let too_much = |what: &str| {
        input(
            format!("modules.json: {what}"),
            "at most one Dense with tanh that does not widen the row, and one more behind it",
        )
    };
    let mut chain = chain.into_iter();
    match (chain.next(), chain.next(), chain.next()) {
        (None, ..) => Ok(Layers::default()),
        (Some(only), None, _) if only.tanh && only.width() == width => {
            Ok(Layers { pooler: Some(square(only.layer, width)), ..Layers::default() })
        }
        (Some(only), None, _) => {
            Ok(Layers { pooler: None, head: Some(only.layer), head_tanh: only.tanh })
        }
        (Some(first), Some(last), None) if first.width() <= width => {
            let narrow = first.width();
            let read = last.layer.weight.chunks(narrow);
            let zeros = std::iter::repeat_n(0.0, width - narrow);
            let weight = read.flat_map(|row| row.iter().copied().chain(zeros.clone())).collect();
            let head = FloatLinear { weight, in_dim: width, ..last.layer };
            let pooler = Some(square(first.layer, width));
            Ok(Layers { pooler, head: Some(head), head_tanh: last.tanh })
        }
        (Some(first), Some(_), None) => Err(too_much(&format!(
            "a Dense of {} numbers behind {width}, and another behind it",
            first.width()
        ))),
        _ => Err(too_much("more than two Dense modules with tanh")),
    }
}

/// A layer with a bias that gives `width` numbers, of those that it does not have zeros.
fn square(mut layer: FloatLinear, width: usize) -> FloatLinear {
    let mut bias = layer.bias.take().unwrap_or_else(|| vec![0.0; layer.out_dim]);
    bias.resize(width, 0.0);
    layer.weight.resize(width * layer.in_dim, 0.0);
    FloatLinear { bias: Some(bias), out_dim: width, ..layer }
}

/// `b` after `a`, as one layer.
fn product(b: &FloatLinear, a: &FloatLinear) -> FloatLinear {
    let rows = b.weight.chunks(b.in_dim.max(1));
    let entry = |row: &[f32], column: usize| -> f32 {
        let terms = row.iter().zip(a.weight.iter().skip(column).step_by(a.in_dim));
        terms.map(|(x, y)| *x as f64 * *y as f64).sum::<f64>() as f32
    };
    let weight = rows.flat_map(|row| (0..a.in_dim).map(move |i| entry(row, i))).collect();
    let bias = a.bias.as_ref().map(|bias| b.forward(bias)).or(b.bias.clone());
    FloatLinear { weight, bias, out_dim: b.out_dim, in_dim: a.in_dim, ..FloatLinear::default() }
}
