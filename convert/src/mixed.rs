//! `convert --bits mixed`: which layers keep eight bits, so that a blob fits the flash or loses no more than it may.
//!
//! What a part of the layers loses with four bits is measured with that part alone rounded, in f32, on texts from
//! which the rounding did not learn. Parts lose nearly independently of each other, so the choice goes by loss per
//! byte that four bits save: a blob that must fit keeps eight bits where that is dearest, one that must not lose
//! gets four where they are cheapest, and the loss of the whole choice is measured again.

use crate::error::{Result, input};
use crate::float_model::{FloatModel, softmax};
use crate::four_bits::{own_texts, rounded, with_roles};
use crate::own_text::SEEDS;
use crate::writer::Wide;
use picoformer::blob::PROBLEM;
use picoformer::config::{Architecture, Head, Input, Role, Roles};

/// How many texts more than [`SEEDS`] a decoder writes to be measured on.
const MEASURED: u64 = 4;
/// Of given texts, each one of so many is measured on, if there are so many.
const PART: usize = 4;
/// Outputs beyond which no further text is measured on.
const MOST: usize = 1 << 25;

/// What a blob must keep to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// Its bytes.
    Flash(usize),
    /// Its loss over weights of eight bits, in nats of divergence from f32 a token or label; of embeddings and
    /// numbers: in parts of their squared length.
    Loss(f64),
}

/// A part of the layers: what four bits cost it, and what they save.
#[derive(Clone, Debug)]
pub struct Part {
    /// What it does.
    pub role: Role,
    /// The loss with it alone in four bits.
    pub loss: f64,
    /// Bytes of the blob that four bits save.
    pub bytes: usize,
}

impl Part {
    fn price(&self) -> f64 {
        self.loss / self.bytes.max(1) as f64
    }
}

/// What was chosen.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The model, rounded.
    pub model: FloatModel,
    /// All parts, the dearest first.
    pub parts: Vec<Part>,
    /// The loss of the choice.
    pub loss: f64,
    /// Bytes of its blob.
    pub bytes: usize,
}

/// Chooses what gets four bits. `texts`: token ids that the model reads in use; with none, a decoder writes its
/// own. `size` gives the bytes of a model's blob.
///
/// # Errors
/// A model without texts to be measured on; a budget that cannot be kept, with the numbers; as
/// [`write()`](crate::writer::write).
pub fn choose(
    model: &mut FloatModel,
    wide: Wide,
    texts: &[Vec<u32>],
    budget: Budget,
    size: &dyn Fn(&FloatModel) -> Result<usize>,
) -> Result<Choice> {
    let (learned, judged) = split(model, wide, texts)?;
    let whole = model.config.roles();
    let rounded = rounded(model, whole, wide, &learned)?;
    let judge = Judge::new(&with_roles(&rounded, Roles::NONE), &judged);
    let bytes = |roles: Roles| size(&with_roles(&rounded, roles));
    let (most, least) = (bytes(Roles::NONE)?, bytes(whole)?);
    if let Budget::Flash(flash) = budget
        && flash < least
    {
        let what = format!("--flash {flash}: with four bits everywhere the blob has {least} bytes");
        return Err(input(what, format!("give it {least} or more; with eight it has {most}")));
    }
    let mut parts = Vec::new();
    for role in Role::ALL.into_iter().filter(|&role| whole.contains(role)) {
        let alone = Roles::NONE.with(role);
        let loss = judge.loss(&stored(&rounded, alone));
        parts.push(Part { role, loss, bytes: most.saturating_sub(bytes(alone)?) });
    }
    parts.sort_by(|a, b| b.price().total_cmp(&a.price()));
    let roles = match budget {
        Budget::Flash(flash) => {
            let mut roles = whole;
            for part in &parts {
                let fewer = roles.without(part.role);
                roles = if bytes(fewer)? <= flash { fewer } else { roles };
            }
            roles
        }
        Budget::Loss(most) => cheapest(&parts, most, |roles| judge.loss(&stored(&rounded, roles)))?,
    };
    let loss = judge.loss(&stored(&rounded, roles));
    Ok(Choice { model: with_roles(&rounded, roles), parts, loss, bytes: bytes(roles)? })
}

/// Four bits for as many parts as lose at most `most` together, the cheapest first.
fn cheapest(parts: &[Part], most: f64, loss: impl Fn(Roles) -> f64) -> Result<Roles> {
    let mut roles = Roles::NONE;
    for part in parts.iter().rev() {
        let more = roles.with(part.role);
        roles = if loss(more) <= most { more } else { roles };
    }
    match (roles.is_empty(), parts.iter().min_by(|a, b| a.loss.total_cmp(&b.loss))) {
        (true, Some(part)) => {
            let (name, least) = (part.role.name(), part.loss);
            let what =
                format!("--loss {most}: four bits in {name} alone, the least, lose {least:.5}");
            Err(input(what, "allow more, or convert with --bits 8"))
        }
        _ => Ok(roles),
    }
}

/// The texts from which the rounding learns, and those on which the loss is measured.
type Split = (Vec<Vec<u32>>, Vec<Vec<u32>>);

fn split(model: &mut FloatModel, wide: Wide, texts: &[Vec<u32>]) -> Result<Split> {
    if model.config.input == Input::Frames {
        let what = "--bits mixed measures on texts, and this model reads frames";
        return Err(input(what, "say --bits 4, and by --eight what keeps eight bits"));
    }
    if texts.is_empty() {
        if model.config.architecture != Architecture::Decoder {
            let what = "--bits mixed measures on texts, and only a decoder writes its own";
            return Err(input(what, "--calibration TEXT, a line each, as the device will read"));
        }
        let mut own = own_texts(model, wide, SEEDS.start..SEEDS.end + MEASURED)?;
        let learned = own.len().saturating_sub(MEASURED as usize).max(1);
        let judged = own.split_off(learned.min(own.len() - 1));
        return Ok((own, judged));
    }
    let judged = |i: &usize| i % PART == PART - 1;
    if texts.len() < PART {
        return Ok((texts.to_vec(), texts.to_vec()));
    }
    let (judged, learned): (Vec<usize>, Vec<usize>) = (0..texts.len()).partition(judged);
    let these = |numbers: Vec<usize>| numbers.into_iter().map(|i| texts[i].clone()).collect();
    Ok((these(learned), these(judged)))
}

/// The model whose weights are those that a blob stores, of four bits in these roles.
fn stored(rounded: &FloatModel, roles: Roles) -> FloatModel {
    let mut model = with_roles(rounded, roles);
    for (_, layer) in model.linears_mut() {
        let Some(four) = layer.rounded.take() else { continue };
        let unit = 2f64.powi(four.exponent as i32);
        let rows = layer.weight.chunks_exact_mut(layer.in_dim).zip(&four.multipliers);
        for ((row, &multiplier), codes) in rows.zip(four.codes.chunks_exact(layer.in_dim)) {
            let step = multiplier as f64 * unit;
            row.iter_mut().zip(codes).for_each(|(w, &code)| *w = (step * code as f64) as f32);
        }
    }
    model
}

/// Texts and what the model in f32 says to them.
struct Judge<'t> {
    texts: Vec<(&'t [u32], Vec<u32>)>,
    expected: Vec<Vec<Vec<f32>>>,
    /// Whether outputs are logits of which one is right.
    exclusive: bool,
}

impl<'t> Judge<'t> {
    fn new(model: &FloatModel, texts: &'t [Vec<u32>]) -> Self {
        let several = model.section(PROBLEM).is_some_and(|code| code.iter().any(|&byte| byte != 0));
        let exclusive = model.config.head != Head::Embedding && !several;
        let mut judge = Self { texts: Vec::new(), expected: Vec::new(), exclusive };
        let mut outputs = 0;
        for text in texts {
            let text = &text[..text.len().min(model.config.context)];
            let target = match model.read(text) {
                Some(read) => {
                    let most = model.config.target_context.saturating_sub(1);
                    read.search(1, most).unwrap_or_default() // of a context of one, the start alone
                }
                None => Vec::new(),
            };
            let start = model.config.start_token as u32;
            let target: Vec<u32> = std::iter::once(start).chain(target).collect();
            let mut answers = answers(model, text, &target);
            if exclusive {
                answers.iter_mut().for_each(|row| softmax(row));
            }
            outputs += answers.iter().map(Vec::len).sum::<usize>();
            judge.texts.push((text, target));
            judge.expected.push(answers);
            if outputs > MOST {
                break;
            }
        }
        judge
    }

    /// The mean loss of a row of outputs.
    fn loss(&self, model: &FloatModel) -> f64 {
        let (mut sum, mut rows) = (0.0, 0);
        for ((text, target), expected) in self.texts.iter().zip(&self.expected) {
            for (mut found, expected) in answers(model, text, target).into_iter().zip(expected) {
                if self.exclusive {
                    softmax(&mut found);
                }
                sum += self.lost(expected, &found);
                rows += 1;
            }
        }
        sum / rows.max(1) as f64
    }

    fn lost(&self, expected: &[f32], found: &[f32]) -> f64 {
        let pairs = expected.iter().zip(found).map(|(&p, &q)| (p as f64, q as f64));
        if self.exclusive {
            // With q − p, which sums to 0 but for rounding, no term is below 0.
            let log = |p: f64, q: f64| p * (p / q.max(f64::MIN_POSITIVE)).ln();
            return pairs.map(|(p, q)| if p > 0.0 { log(p, q) + q - p } else { q }).sum();
        }
        let (error, length) =
            pairs.fold((0.0, 0.0), |(e, l), (p, q)| (e + (p - q).powi(2), l + p.powi(2)));
        error / length.max(f64::MIN_POSITIVE)
    }
}

/// The rows of outputs for a text, of an encoder-decoder for a target of it.
fn answers(model: &FloatModel, text: &[u32], target: &[u32]) -> Vec<Vec<f32>> {
    match model.read(text) {
        Some(read) => read.forward(target),
        None => model.forward(text).outputs,
    }
}
