//! What a body answers with: tokens, labels, or an embedding. The same for bodies of every family.

use super::common::linear;
use super::{labels, scope, sentence};
use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::float_weights::FloatLinear;
use crate::generation;
use picoformer::blob::Tag;
use picoformer::config::{Architecture, Config, Head, Pooling};

/// A head and what belongs to it.
#[derive(Debug)]
pub(super) struct Answer {
    /// The fields of the head and of its pooling; a base for those of the body.
    pub config: Config,
    /// BERT's pooler, or the first of two dense layers of an embedding.
    pub pooler: Option<FloatLinear>,
    /// An untied vocabulary, a classifier, or the last dense layer of an embedding.
    pub head: Option<FloatLinear>,
    /// Names of the labels.
    pub labels: Vec<String>,
    /// Sections of the blob that tell what the labels mean, or how a text is written.
    pub sections: Vec<(Tag, Vec<u8>)>,
    /// Tokens at which the original cuts a text.
    pub longest: Option<usize>,
}

impl Answer {
    /// The positions of a body that has `own`: no more than the original reads of a text.
    pub fn limit(&self, own: usize) -> usize {
        self.longest.map_or(own, |longest| longest.min(own))
    }
}

/// What a causal body answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Tokens that continue a text.
    Tokens,
    /// Labels of a text.
    Classifier,
    /// Labels of its tokens.
    TokenLabels,
    /// Its embedding.
    Embedding,
}

/// What the body of a decoder is used for, by what its architecture's name says behind the family's. Where
/// there are modules of sentence-transformers, these use the body alone.
pub(super) fn use_of(c: &Checkpoint, head: &str) -> Option<Use> {
    let sentences = c.path.join("modules.json").is_file();
    match head {
        "ForCausalLM" | "LMHeadModel" | "DoubleHeadsModel" if !sentences => Some(Use::Tokens),
        "ForCausalLM" | "LMHeadModel" | "Model" if sentences => Some(Use::Embedding),
        "ForSequenceClassification" => Some(Use::Classifier),
        "ForTokenClassification" => Some(Use::TokenLabels),
        _ => None,
    }
}

/// Tokens, from the table `name` of `shape` or, untied, from `lm_head`. `tie`: what the family does by
/// default.
pub(super) fn tokens(
    c: &Checkpoint,
    name: &str,
    table: &[f32],
    shape: [usize; 2],
    tie: bool,
) -> Result<Answer> {
    let tied = c.config.flag("tie_word_embeddings")?.unwrap_or(tie)
        && !c.unties("lm_head.weight", name, table, &shape)?;
    Ok(Answer {
        config: Config {
            head: if tied { Head::TiedVocabulary } else { Head::Vocabulary },
            ..Config::base(Architecture::Decoder)
        },
        pooler: None,
        head: match tied {
            true => None,
            false => Some(linear(c, "lm_head", shape[0], shape[1], false)?),
        },
        labels: Vec::new(),
        sections: generation::decoder(c)?.rules.sections(),
        longest: None,
    })
}

/// Labels of a whole text or of its tokens, from the tensors `name.weight` and, if `bias`, `name.bias`.
pub(super) fn labelled(
    c: &Checkpoint,
    head: Head,
    name: &str,
    d: usize,
    bias: bool,
) -> Result<Answer> {
    let labels = labels::names(c, name)?;
    let mut sections = labels::sections(c, head, labels.len())?;
    sections.extend(scope::sections(c, head, &labels, sections.is_empty())?);
    Ok(Answer {
        config: Config {
            head,
            head_bias: bias,
            n_labels: labels.len(),
            ..Config::base(Architecture::Encoder)
        },
        pooler: None,
        head: Some(linear(c, name, labels.len(), d, bias)?),
        sections,
        labels,
        longest: None,
    })
}

/// Another answer than tokens from a causal body, with labels from the tensors `name`. Of a whole text the
/// labels are those of its last token; the original takes the last one that is not `pad_token_id`.
pub(super) fn causal(c: &Checkpoint, answers: Use, name: &str, d: usize) -> Result<Answer> {
    generation::none(c)?;
    // Of no use without a vocabulary's matrix.
    c.config.flag("tie_word_embeddings")?;
    let mut answer = match answers {
        Use::Classifier => labelled(c, Head::Classifier, name, d, false)?,
        Use::TokenLabels => {
            let bias = c.has(&format!("{name}.bias"));
            labelled(c, Head::TokenLabels, name, d, bias)?
        }
        Use::Embedding | Use::Tokens => {
            c.take_all("lm_head.");
            embedding(c, d)?
        }
    };
    answer.config.causal = true;
    if answers == Use::Classifier {
        answer.config.pooling = Pooling::Last;
        // Old files of Llama have −1: none.
        let none = c.config.get("pad_token_id").is_some_and(|id| id.as_i64() == Some(-1));
        let padding = if none { None } else { c.config.token("pad_token_id")? };
        answer.config.suppressed_token = padding.map_or(0, |id| id + 1);
    }
    Ok(answer)
}

/// The embedding of a text, as the folder's sentence-transformers modules say.
pub(super) fn embedding(c: &Checkpoint, d: usize) -> Result<Answer> {
    let sentence = sentence::read(c, d)?;
    // Checked, though there are no labels.
    labels::sections(c, Head::Embedding, 0)?;
    scope::sections(c, Head::Embedding, &[], true)?;
    let dense = sentence.dense;
    Ok(Answer {
        config: Config {
            head: Head::Embedding,
            pooling: sentence.pooling,
            pooler: dense.pooler.is_some(),
            head_bias: dense.head.as_ref().is_some_and(|layer| layer.bias.is_some()),
            head_tanh: dense.head_tanh,
            own_length: sentence.own_length,
            n_labels: dense.head.as_ref().map_or(0, |layer| layer.out_dim),
            ..Config::base(Architecture::Encoder)
        },
        pooler: dense.pooler,
        head: dense.head,
        labels: Vec::new(),
        sections: Vec::new(),
        longest: sentence.longest,
    })
}
