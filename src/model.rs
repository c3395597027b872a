//! [`Model::parse`]: validated, zero-copy views of a blob in flash.
//!
//! Only `parse` and its variants accept bytes. Every view below is a slice whose length was checked
//! there, once.

mod section;
mod validate;
mod weights;

pub use section::*;
pub use weights::*;

use crate::arena::ArenaSize;
use crate::blob::{
    Expected, HEADER_BYTES, Header, IGNORED, KEY_BASE, Layout, NOTE, PROBLEM, RULES, SCOPE,
    Sections, TEXT_LABELS, Tag, checksum, is_same, part, read_u16, read_u32,
};
use crate::config::*;
use crate::error::{FormatError, RunError};
use crate::features::Features;
use crate::kernels::{Kernels, Native};
use crate::rules::Rules;
use crate::scope::Scope;
use crate::target::{self, Build, Known};
use crate::tokenizer::Tokenizer;
use validate::validate;

/// A parsed blob: hyperparameters and views of the weights. `Copy`; it borrows the flash.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    bytes: &'a [u8],
    header: Header,
    layout: Layout,
    rules: Rules<'a>,
    /// The code of its [`Problem`]; 0 without the section.
    problem: u32,
    /// The data of [`KEY_BASE`]; empty without the section.
    key_base: &'a [u8],
    scope: Option<Scope>,
    text_labels: u32,
}

impl<'a> Model<'a> {
    /// Reads a blob without its checksum: header, every length, every padding byte, every exponent.
    /// Usable in `const`, so that a bad blob fails the build.
    ///
    /// # Errors
    /// Every [`FormatError`] except `BadChecksum`, `Misaligned` and `OtherModel`.
    #[inline(never)]
    pub const fn parse(bytes: &'a [u8]) -> Result<Self, FormatError> {
        // Never taken apart, as in `parse_checked`.
        let mut read = Self::read(bytes);
        if let Ok(model) = &mut read {
            if let Err(error) = validate::<Native>(bytes, &model.header, &model.layout) {
                return Err(error);
            }
            model.find::<Native>();
        }
        read
    }

    /// Header and layout only; a function of its own, so that its stack frame is freed before the
    /// sections are validated.
    #[inline(never)]
    const fn read(bytes: &'a [u8]) -> Result<Self, FormatError> {
        match Header::parse(bytes) {
            Ok((header, layout)) => Ok(Self::of(bytes, header, layout)),
            Err(error) => Err(error),
        }
    }

    /// Before optional sections were read.
    #[inline(always)]
    const fn of(bytes: &'a [u8], header: Header, layout: Layout) -> Self {
        let (rules, key_base) = (Rules::NONE, &[] as &[u8]);
        Self { bytes, header, layout, rules, problem: 0, key_base, scope: None, text_labels: 0 }
    }

    #[inline(never)]
    fn read_as(bytes: &'a [u8], expected: &Expected) -> Result<Self, FormatError> {
        if bytes.len() < HEADER_BYTES {
            return Err(FormatError::TooShort { needed: HEADER_BYTES, given: bytes.len() });
        }
        if let Some(offset) = expected.difference(bytes) {
            return Err(FormatError::OtherModel { offset });
        }
        let header = Header::read(bytes, expected.config);
        let layout = expected.layout;
        let mut model = Self::of(bytes, header, layout);
        model.header.place(bytes.len(), &mut model.layout)?;
        Ok(model)
    }

    /// Reads a blob and verifies its CRC-32, for blobs that are flashed separately or arrive over
    /// the air. Costs about 14 instructions per byte.
    ///
    /// # Errors
    /// Every [`FormatError`] except `OtherModel`.
    pub fn parse_checked(bytes: &'a [u8]) -> Result<Self, FormatError> {
        Self::parse_for::<Native>(bytes)
    }

    /// [`Model::parse_checked`] for firmware that runs a single model whose blob is flashed
    /// separately: a blob with other hyperparameters is refused by its header, and the code that
    /// would read it is not linked.
    ///
    /// # Errors
    /// Every [`FormatError`].
    #[inline(never)]
    pub fn parse_for<B: Build>(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let parsed = Self::parse_linked_for::<B>(bytes);
        if let Ok(model) = &parsed {
            let (expected, found) = (model.header.checksum, checksum(bytes));
            if found != expected {
                return Err(FormatError::BadChecksum { expected, found });
            }
        }
        parsed
    }

    /// [`Model::parse_for`] without the checksum: for a blob that is linked into the image, or whose
    /// checksum is computed piece by piece ([`checksum_piece`](crate::blob::checksum_piece)).
    ///
    /// # Errors
    /// Every [`FormatError`] except `BadChecksum`.
    #[inline(always)] // one copy beside the checksum, or alone
    pub fn parse_linked_for<B: Build>(bytes: &'a [u8]) -> Result<Self, FormatError> {
        // The result is never taken apart: a model is large for a small core's stack.
        let mut parsed = match target::header::<B>() {
            Some(expected) => Self::read_as(bytes, expected),
            None => Self::read(bytes),
        };
        if let Ok(model) = &mut parsed {
            validate::<B>(bytes, &model.header, &model.layout)?;
            if !bytes.as_ptr().addr().is_multiple_of(4) {
                return Err(FormatError::Misaligned);
            }
            model.find::<B>();
        }
        parsed
    }

    /// The hyperparameters.
    pub const fn config(&self) -> &Config {
        &self.header.config
    }

    /// The whole header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Where every section lies.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Size of the blob in bytes.
    pub const fn flash_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// What a build for this model alone knows at compile time.
    pub const fn known(&self) -> Known {
        let (tokenizer, added_tokens) = match self.tokenizer() {
            Some(tokenizer) => (Some(tokenizer.kind()), tokenizer.vocabulary().has_added()),
            None => (None, false),
        };
        let rules = !self.rules.is_empty();
        Known {
            added_tokens,
            rules,
            problem: self.problem(),
            key_base: !self.key_base.is_empty(),
            out_of_scope: self.scope.is_some(),
            text_labels: self.text_labels(),
            ..Known::new(self.header.config, tokenizer)
        }
    }

    /// The weights, for a build that runs this model.
    pub const fn weights<B: Build>(&self) -> Weights<'_, B> {
        Weights::new(self.bytes, &self.header, &self.layout, self.key_base)
    }

    /// Refuses a model that the build is not for, or that its kernels cannot run.
    ///
    /// # Errors
    /// [`RunError::WrongModel`], [`RunError::BeamTooWide`], [`RunError::UnsupportedPacking`],
    /// [`RunError::MisalignedModel`], [`RunError::TooManyKeys`].
    pub(crate) fn check<B: Build>(&self) -> Result<(), RunError> {
        let config = target::config::<B>(self.config());
        if let Some(known) = B::MODEL {
            let same = target::header::<B>().is_some_and(|h| h.difference(self.bytes).is_none());
            let other = match config.head {
                Head::Classifier => {
                    let problem = self.problem > 0 && known.problem != self.problem();
                    problem || (!known.out_of_scope && self.scope.is_some())
                }
                Head::TokenLabels => known.text_labels != self.text_labels(),
                Head::TiedVocabulary | Head::Vocabulary => {
                    !known.rules && !self.rules.is_empty()
                        || !known.key_base && !self.key_base.is_empty()
                }
                _ => false,
            };
            let kind = self.tokenizer().map(|tokenizer| tokenizer.kind());
            let added = self.tokenizer().is_some_and(|t| t.vocabulary().has_added());
            if !same || kind != known.tokenizer || added != known.added_tokens || other {
                return Err(RunError::WrongModel { needed: "the model that this build is for" });
            }
            let (needed, given) = (self.config().beams, known.config.beams);
            if target::has_beams::<B>() && needed > given {
                return Err(RunError::BeamTooWide { needed, given });
            }
        }
        let (needed, given) = (self.config().beams, MAX_BEAMS);
        let searches = matches!(config.architecture, Architecture::EncoderDecoder);
        if target::has_beams::<B>() && searches && !(1..=given).contains(&needed) {
            return Err(RunError::BeamTooWide { needed, given });
        }
        let (layout, kernels) = (config.packing, <B::Kernels>::NAME);
        if !<B::Kernels>::PACKINGS.contains(&layout) {
            return Err(RunError::UnsupportedPacking { layout: layout.name(), kernels });
        }
        let given = self.bytes.as_ptr().addr() % 4;
        if given > 0 {
            return Err(RunError::MisalignedModel { given });
        }
        let needed = config.cache_rows().max(config.decoder_side().cache_rows());
        let given = <B::Kernels>::MAX_KEYS;
        if needed > given {
            return Err(RunError::TooManyKeys { needed, given });
        }
        Ok(())
    }

    /// The same model with another beam width, 1 … [`MAX_BEAMS`]; any other is an error where the model is run
    /// ([`RunError::BeamTooWide`]). Set it before you call [`Model::arena`]: RAM grows with it. Only
    /// encoder-decoders change.
    #[must_use]
    pub const fn with_beams(mut self, beams: usize) -> Self {
        if matches!(self.header.config.architecture, Architecture::EncoderDecoder) {
            self.header.config.beams = beams;
        }
        self
    }

    /// The exact amount of RAM that running the model needs, its front end included.
    pub const fn arena(&self) -> ArenaSize {
        let config = &self.header.config;
        match config.input {
            Input::Tokens => ArenaSize::new(config),
            Input::Frames => ArenaSize::new(config).with(&self.features().buffers(config)),
        }
    }

    /// Front end and trigger, as the optional sections say.
    pub const fn features(&self) -> Features<'a> {
        match Features::read(self.sections(), &self.header.config) {
            Ok(features) => features,
            // Not in a blob that was parsed.
            Err(_) => Features::NONE,
        }
    }

    /// The tokenizer; `None` for a model that takes and returns token ids.
    pub const fn tokenizer(&self) -> Option<Tokenizer<'a>> {
        let (offset, len) = self.layout.tokenizer;
        Tokenizer::of_valid(part(self.bytes, offset, len))
    }

    /// Name of label `index`.
    pub fn label(&self, index: usize) -> Option<&'a str> {
        let mut rest = part(self.bytes, self.layout.labels.0, self.layout.labels.1);
        for _ in 0..index {
            let len = read_u16(rest, 0) as usize;
            rest = rest.get(2 + len..)?;
        }
        let len = read_u16(rest, 0) as usize;
        core::str::from_utf8(rest.get(2..2 + len)?).ok()
    }

    /// The optional sections in the order of the blob, those that this engine does not know included.
    pub const fn sections(&self) -> Sections<'a> {
        Sections { rest: part(self.bytes, self.layout.end, self.bytes.len()) }
    }

    /// The data of the optional section with this tag.
    pub const fn section(&self, tag: Tag) -> Option<&'a [u8]> {
        let mut sections = self.sections();
        while let Some(section) = sections.split_first() {
            if is_same(section.tag, tag) {
                return Some(section.data);
            }
        }
        None
    }

    /// Rules of generation; none without the section [`RULES`].
    pub const fn rules(&self) -> Rules<'a> {
        self.rules
    }

    /// What its labels are, by the section [`PROBLEM`] and their number.
    pub const fn problem(&self) -> Problem {
        match Problem::of_code(self.problem, self.header.config.n_labels) {
            Some(problem) => problem,
            None => Problem::SingleLabel,
        }
    }

    /// Which inputs are none of its labels, if the section [`SCOPE`] says so.
    pub const fn scope(&self) -> Option<Scope> {
        self.scope
    }

    /// How many of its token labels, the first ones, are of the whole text, by the section
    /// [`TEXT_LABELS`]; 0 without it.
    pub const fn text_labels(&self) -> usize {
        self.text_labels as usize
    }

    /// Finds what a build for such models reads in optional sections.
    const fn find<B: Build>(&mut self) {
        if target::has_rules::<B>()
            && let Some(data) = self.section(RULES)
        {
            self.rules = Rules::of_valid(data);
        }
        if target::has_problems::<B>()
            && let Some(data) = self.section(PROBLEM)
        {
            self.problem = read_u32(data, 0);
        }
        if target::has_key_base::<B>()
            && let Some(data) = self.section(KEY_BASE)
        {
            self.key_base = data;
        }
        if target::has_scope::<B>()
            && let Some(data) = self.section(SCOPE)
        {
            self.scope = Scope::parse(data, &self.header.config);
        }
        if target::has_text_labels::<B>()
            && let Some(data) = self.section(TEXT_LABELS)
        {
            self.text_labels = read_u32(data, 0);
        }
    }

    /// The keys of the checkpoint that whoever converted it chose to ignore.
    pub fn ignored_keys(&self) -> impl Iterator<Item = &'a str> {
        let text = self.section(IGNORED).and_then(|data| core::str::from_utf8(data).ok());
        text.unwrap_or("").lines()
    }

    /// Free text about the model, written by whoever converted it.
    pub fn note(&self) -> Option<&'a str> {
        core::str::from_utf8(self.section(NOTE)?).ok()
    }
}
