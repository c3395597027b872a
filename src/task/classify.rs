//! Classification, tagging and embedding of a text.

use super::{NO_TOKENIZER, TaskError, encode, text_room};
use crate::arena::ArenaParts;
use crate::config::{Head, Problem};
use crate::encoder::Encoder;
use crate::error::RunError;
use crate::kernels::Native;
use crate::model::Model;
use crate::probability::log_probability;
use crate::progress::Progress;
use crate::sampler::greedy;
use crate::slices::{at, part};
use crate::target::{self, Build};
use crate::tokenizer::{Token, Tokenizer};

/// A label of a text, and how likely it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Answer<'m> {
    /// Its index.
    pub label: usize,
    /// Its name; empty if the model has none.
    pub name: &'m str,
    /// The natural logarithm of its probability, Q15.16: of the softmax over all labels, or, where
    /// each is right or not on its own ([`Problem::MultiLabel`]), of its sigmoid. `probability`
    /// (feature `libm` or `micromath`) returns a float.
    pub log_probability: i32,
    /// False: the input is none of the labels, and `label` is the nearest. Always true of a model that does
    /// not say which inputs are none, see [`Scope`](crate::scope::Scope).
    pub in_scope: bool,
}

impl Answer<'_> {
    /// The probability, for display.
    #[cfg(any(feature = "libm", feature = "micromath"))]
    pub fn probability(&self) -> f32 {
        crate::float::probability(self.log_probability.into())
    }
}

/// An encoder with its tokenizer: labels of texts or of their tokens, embeddings.
#[derive(Debug)]
pub struct Classifier<'m, 'a, B: Build = Native> {
    pub(super) encoder: Encoder<'m, 'a, B>,
    pub(super) tokenizer: Tokenizer<'m>,
    pub(super) tokens: &'a mut [Token],
    /// The encoder's input that these tokens are.
    pub(super) input: u32,
}

impl<'m, 'a> Classifier<'m, 'a> {
    /// A classifier on the kernels that this crate was built with.
    ///
    /// # Errors
    /// [`RunError::WrongModel`] (also without a tokenizer), [`RunError::UnsupportedPacking`],
    /// [`RunError::ArenaTooSmall`].
    pub fn new(model: &'m Model<'m>, arena: impl Into<ArenaParts<'a>>) -> Result<Self, RunError> {
        Self::new_for(model, arena)
    }
}

impl<'m, 'a, B: Build> Classifier<'m, 'a, B> {
    /// A classifier of a chosen [`Build`]: its kernels and, if it names one, its only model.
    ///
    /// # Errors
    /// As [`Classifier::new`].
    pub fn new_for(
        model: &'m Model<'m>,
        arena: impl Into<ArenaParts<'a>>,
    ) -> Result<Self, RunError> {
        let tokenizer = model.tokenizer().ok_or(NO_TOKENIZER)?;
        let mut arena = arena.into();
        let tokens = text_room::<B>(model, &mut arena)?;
        Ok(Self { encoder: Encoder::new_for(model, arena)?, tokenizer, tokens, input: 0 })
    }

    /// The encoder, for its steps, its hidden rows, and inputs of tokens instead of a text.
    pub fn encoder(&mut self) -> &mut Encoder<'m, 'a, B> {
        &mut self.encoder
    }

    /// What the labels are: one of several, each on its own, or no labels but values.
    pub fn problem(&self) -> Problem {
        target::problem::<B>(self.encoder.model().problem())
    }

    /// Takes a text; returns its tokens, special tokens included. Then [`Classifier::step`] until done,
    /// and [`Classifier::answer`] or what the encoder gives. There are no outputs before, also not
    /// those of the text before.
    ///
    /// # Errors
    /// Those of the tokenizer and of [`Encoder::begin`].
    pub fn begin(&mut self, text: &str) -> Result<&[Token], TaskError> {
        self.encoder.abandon();
        let tokens = encode::<B>(&self.tokenizer, text, self.tokens)?;
        self.encoder.begin(tokens)?;
        self.input = self.encoder.input();
        Ok(tokens)
    }

    /// One piece of the work for a text, see [`Encoder::step`].
    pub fn step(&mut self) -> Progress {
        self.encoder.step()
    }

    /// The tokens of the text begun last, one for each row; empty without one, and if the encoder was given
    /// another input since.
    pub fn tokens(&self) -> &[Token] {
        let own = self.input == self.encoder.input();
        part(self.tokens, 0, if own { self.encoder.rows() } else { 0 })
    }

    /// The likeliest label of the text begun last, once its steps are done; [`Classifier::label`] gives
    /// the others.
    ///
    /// # Errors
    /// As [`Classifier::label`].
    pub fn answer(&self) -> Result<Answer<'m>, RunError> {
        let problem = self.labels()?;
        Ok(best::<B>(self.encoder.model(), problem, self.answered(0)?))
    }

    /// A label of the text begun last, once its steps are done.
    ///
    /// # Errors
    /// [`RunError::WrongModel`] without labels for a text, [`RunError::EmptyInput`] before a text,
    /// [`RunError::InFlight`] before its last step, [`RunError::NoSuchLabel`].
    pub fn label(&self, label: usize) -> Result<Answer<'m>, RunError> {
        let (model, problem) = (self.encoder.model(), self.labels()?);
        let logits = self.answered(label)?;
        let in_scope = best::<B>(model, problem, logits).in_scope;
        Ok(Answer { in_scope, ..answer(model, problem, logits, label) })
    }

    /// The logits of all labels, `label` among them, once all steps are done.
    fn answered(&self, label: usize) -> Result<&[i32], RunError> {
        let logits = self.encoder.outputs();
        match (self.encoder.rows(), logits.len()) {
            (0, _) => Err(RunError::EmptyInput),
            (_, 0) => Err(RunError::InFlight),
            (_, labels) if label >= labels => Err(RunError::NoSuchLabel { labels, given: label }),
            _ => Ok(logits),
        }
    }

    /// The outputs for a text: logits of the labels (or the values of a regression) in Q15.16, or an
    /// embedding, in units of `2^` [`Config::output_exponent`](crate::Config::output_exponent). A text longer than the context is an error, and so is an empty one; the encoder then
    /// has no outputs, also not those of the text before.
    ///
    /// # Errors
    /// Those of the tokenizer and of the encoder; [`RunError::WrongModel`] for a model without one
    /// answer for the whole text.
    pub fn outputs(&mut self, text: &str) -> Result<&[i32], TaskError> {
        if !matches!(self.head(), Head::Classifier | Head::Embedding) {
            return Err(wrong("a model with one answer for a text"));
        }
        self.begin(text)?;
        while self.step() == Progress::Working {}
        Ok(self.encoder.outputs())
    }

    /// The likeliest label of a text.
    ///
    /// # Errors
    /// As [`Classifier::outputs`]; [`RunError::WrongModel`] without labels for a text: a regression
    /// has values instead, its [`Classifier::outputs`].
    pub fn classify(&mut self, text: &str) -> Result<Answer<'m>, TaskError> {
        let (model, problem) = (self.encoder.model(), self.labels()?);
        Ok(best::<B>(model, problem, self.outputs(text)?))
    }

    /// Every label of a text in order: calls `each`. With [`Problem::MultiLabel`] those more likely
    /// than not (`log_probability` above −45426, ln ½) are right.
    ///
    /// # Errors
    /// As [`Classifier::classify`].
    pub fn scores(
        &mut self,
        text: &str,
        mut each: impl FnMut(Answer<'m>),
    ) -> Result<(), TaskError> {
        let (model, problem) = (self.encoder.model(), self.labels()?);
        let logits = self.outputs(text)?;
        let in_scope = best::<B>(model, problem, logits).in_scope;
        for label in 0..logits.len() {
            each(Answer { in_scope, ..answer(model, problem, logits, label) });
        }
        Ok(())
    }

    /// What the labels are, if there are some.
    fn labels(&self) -> Result<Problem, RunError> {
        match (self.head(), self.problem()) {
            (Head::Classifier, problem) if problem != Problem::Regression => Ok(problem),
            _ => Err(RunError::WrongModel { needed: "a model with labels for a text" }),
        }
    }

    /// The embedding of a text, a vector of length one in Q1.30: the cosine similarity of two texts
    /// is the dot product of their embeddings. With [`Config::own_length`](crate::Config::own_length) it is one of
    /// any length in Q15.16, as the checkpoint has no normalisation.
    ///
    /// # Errors
    /// As [`Classifier::outputs`]; [`RunError::WrongModel`] for a model without embeddings.
    pub fn embed(&mut self, text: &str) -> Result<&[i32], TaskError> {
        if !matches!(self.head(), Head::Embedding) {
            return Err(wrong("a model that embeds texts"));
        }
        self.outputs(text)
    }

    /// Labels every token of a text, special tokens included: calls
    /// `each(token, label index, label name)`. In a model with labels of the whole text
    /// ([`Model::text_labels`]) the first token has one of those, the others have none of them.
    /// [`Classifier::words`] labels words, [`Classifier::entities`] joins them.
    ///
    /// # Errors
    /// As [`Classifier::outputs`]; [`RunError::WrongModel`] without per-token labels.
    pub fn tag(
        &mut self,
        text: &str,
        mut each: impl FnMut(Token, usize, &'m str),
    ) -> Result<(), TaskError> {
        if !matches!(self.head(), Head::TokenLabels) {
            return Err(wrong("a model with per-token labels"));
        }
        self.encoder.abandon();
        let model = self.encoder.model();
        let tokens = encode::<B>(&self.tokenizer, text, self.tokens)?;
        self.encoder.run(tokens)?;
        self.input = self.encoder.input();
        for (row, &token) in tokens.iter().enumerate() {
            let of_text = target::text_labels::<B>(model.text_labels());
            let label = row_label(self.encoder.label_logits(row)?, row, of_text);
            each(token, label, model.label(label).unwrap_or(""));
        }
        Ok(())
    }

    /// The label of row `row` of the text begun last, once its steps are done: of its token in
    /// [`Classifier::tokens`]. In a model with labels of the whole text ([`Model::text_labels`]) row 0 has one of
    /// those.
    ///
    /// # Errors
    /// As [`Encoder::label_logits`].
    pub fn tag_of(&mut self, row: usize) -> Result<Answer<'m>, RunError> {
        let model = self.encoder.model();
        let of_text = target::text_labels::<B>(model.text_labels());
        let logits = self.encoder.label_logits(row)?;
        Ok(answer(model, Problem::SingleLabel, logits, row_label(logits, row, of_text)))
    }

    pub(super) fn head(&self) -> Head {
        target::config::<B>(self.encoder.model().config()).head
    }
}

/// The likeliest label, given the logits of all; that of none is never the answer.
#[inline(always)]
pub(super) fn best<'m, B: Build>(
    model: &Model<'m>,
    problem: Problem,
    logits: &[i32],
) -> Answer<'m> {
    if target::has_scope::<B>()
        && let Some(scope) = model.scope()
    {
        let in_scope = scope.contains(logits);
        return Answer { in_scope, ..answer(model, problem, logits, scope.nearest(logits)) };
    }
    answer(model, problem, logits, greedy(logits) as usize)
}

/// The likeliest label of a row, where the first `of_text` labels are of the whole text: the first row has
/// one of these, the others have one of the rest.
pub(super) fn row_label(logits: &[i32], row: usize, of_text: usize) -> usize {
    match (of_text, row) {
        (0, _) => greedy(logits) as usize,
        (_, 0) => greedy(part(logits, 0, of_text)) as usize,
        _ => of_text + greedy(part(logits, of_text, logits.len().saturating_sub(of_text))) as usize,
    }
}

/// A label, given the logits of all.
pub(super) fn answer<'m>(
    model: &Model<'m>,
    problem: Problem,
    logits: &[i32],
    label: usize,
) -> Answer<'m> {
    let log_probability = match problem {
        // σ(x) is the first of softmax(x, 0).
        Problem::MultiLabel => log_probability(&[at(logits, label), 0], 0),
        _ => log_probability(logits, label),
    };
    Answer { label, name: model.label(label).unwrap_or(""), log_probability, in_scope: true }
}

pub(super) fn wrong(needed: &'static str) -> TaskError {
    RunError::WrongModel { needed }.into()
}
