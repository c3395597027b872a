//! Macros with which firmware declares its model.

/// The bytes of a file as `&'static [u8]`, aligned so that kernels can read words in place.
///
/// ```
/// static BLOB: &[u8] = picoformer::include_blob!("../models/intent/model.pico");
/// assert!(BLOB.as_ptr().addr().is_multiple_of(16));
/// ```
#[macro_export]
macro_rules! include_blob {
    ($path:expr) => {{
        static BLOB: &$crate::Aligned<[u8]> = &$crate::Aligned(*include_bytes!($path));
        &BLOB.0
    }};
}

/// A [`Model`](crate::Model) that is linked into the image, for a `const` or a `static`: the file
/// is included, aligned and parsed at compile time. `bytes:` parses a blob that already exists as a
/// constant, for example in its own linker section.
///
/// ```
/// static INTENT: picoformer::Model = picoformer::model!("../models/intent/model.pico");
/// static BLOB: &[u8] = picoformer::include_blob!("../models/g2p/model.pico");
/// const G2P: picoformer::Model = picoformer::model!(bytes: BLOB);
/// assert_eq!(INTENT.config().context, 64);
/// # assert_eq!(G2P.config().beams, 4);
/// ```
///
/// A bad blob fails the build, and the compiler says why
/// ([`FormatError::name`](crate::FormatError::name)). The checksum is not verified: the file was
/// read from disk by the compiler.
///
/// ```compile_fail,E0080
/// // evaluation panicked: bad blob: wrong magic, it does not begin with `PICO`
/// static MODEL: picoformer::Model = picoformer::model!("../README.md");
/// ```
#[macro_export]
macro_rules! model {
    (bytes: $bytes:expr) => {{
        #[allow(long_running_const_eval)] // the whole blob is checked
        const MODEL: $crate::Model<'static> = match $crate::Model::parse($bytes) {
            Ok(model) => model,
            Err(error) => ::core::panic!("{}", error.name()),
        };
        MODEL
    }};
    ($path:expr) => {
        $crate::model!(bytes: $crate::include_blob!($path))
    };
}

/// The type of the [`Arena`](crate::Arena) of exactly the size that a model needs. The argument is
/// a `const` or `static` [`Model`](crate::Model), or a `const` [`Config`](crate::Config) if the
/// model is flashed separately.
///
/// ```
/// static INTENT: picoformer::Model = picoformer::model!("../models/intent/model.pico");
/// type Ram = picoformer::arena!(INTENT);
/// assert_eq!(size_of::<Ram>(), INTENT.arena().total_bytes());
/// ```
#[macro_export]
macro_rules! arena {
    ($model:expr) => {
        $crate::Arena<
            { $model.arena().bytes },
            { $model.arena().halves },
            { $model.arena().words },
            { $model.arena().tokens },
        >
    };
}

/// Declares a [`Build`](crate::Build) for one model: code that only other models need is not
/// linked, sizes and offsets are constants, results are the same bits. The kernels are
/// [`Native`](crate::kernels::Native).
///
/// ```
/// use picoformer::{Classifier, Model, arena, model, specialize};
///
/// static MODEL: Model = model!("../models/intent/model.pico");
/// specialize!(Intent, MODEL);
///
/// let mut ram = <arena!(MODEL)>::new();
/// let mut classifier = Classifier::<Intent>::new_for(&MODEL, &mut ram)?;
/// assert_eq!(classifier.classify("what time is it")?.name, "time");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// For a model that is flashed separately, write down its hyperparameters and the kind of its
/// tokenizer: [`Model::parse_for`](crate::Model::parse_for) then refuses every other model.
///
/// ```
/// use picoformer::config::{Architecture, Config, Head, Position};
/// use picoformer::{Model, specialize, tokenizer::Kind};
///
/// const CONFIG: Config = Config {
///     position: Position::Rotary,
///     head: Head::TiedVocabulary,
///     vocab_size: 512,
///     // …
/// #   d_model: 64, n_layers: 5, n_heads: 8, n_kv_heads: 4, head_dim: 8, d_ff: 172, context: 512,
///     ..Config::base(Architecture::Decoder)
/// };
/// specialize!(Stories, CONFIG, Some(Kind::Bpe));
///
/// # let flash = picoformer::include_blob!("../models/intent/model.pico");
/// assert!(Model::parse_for::<Stories>(flash).is_err());
/// ```
///
/// What optional sections add to such a model stands in [`Known`](crate::Known):
/// `specialize!(known: Stories, Known { rules: true, ..Known::new(CONFIG, Some(Kind::Bpe)) })`.
#[macro_export]
macro_rules! specialize {
    ($(#[$attribute:meta])* $visibility:vis $name:ident, $config:expr, $tokenizer:expr) => {
        $crate::specialize!(
            known: $(#[$attribute])* $visibility $name,
            $crate::Known::new($config, $tokenizer)
        );
    };
    (known: $(#[$attribute:meta])* $visibility:vis $name:ident, $known:expr) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug)]
        $visibility struct $name;

        impl $crate::Build for $name {
            type Kernels = $crate::kernels::Native;
            const MODEL: Option<$crate::Known> = Some($known);
        }
    };
    ($(#[$attribute:meta])* $visibility:vis $name:ident, $model:expr) => {
        $crate::specialize!(known: $(#[$attribute])* $visibility $name, $model.known());
    };
}
