//! Objects in memory that the caller gives: checked when they are opened, and whenever they are used.

use crate::code;
use crate::engine::{self, Engine};
use crate::error::Error;
use crate::model::Parsed;
use core::mem::MaybeUninit;
use picoformer::config::{Architecture, Input};
use picoformer::{ArenaParts, ArenaSize, Build, Known};

/// An object of C: a mark, then the value. The mark says what the object is and where it was opened, so
/// memory that was never opened, was opened as something else or was copied is told from it.
#[repr(C)]
pub struct Handle<T> {
    mark: usize,
    value: MaybeUninit<T>,
}

/// What the memory of an object must be a multiple of.
pub const ALIGNMENT: usize = 8;

/// A kind of object.
pub trait Object: Sized {
    /// A number of its own.
    const KIND: usize;
}

impl<T: Object> Handle<T> {
    /// Bytes that the caller must give.
    pub const BYTES: usize = size_of::<Self>();

    const FITS: () = assert!(align_of::<Self>() <= ALIGNMENT);

    /// Opens an object: checks its memory and lets `make` fill it.
    ///
    /// # Safety
    /// `handle` is null, or memory of `bytes` bytes that nothing else uses until the object is no longer
    /// used.
    pub unsafe fn open(
        handle: *mut Self,
        bytes: usize,
        version: u32,
        make: impl FnOnce() -> Result<T, Error>,
    ) -> Result<i32, Error> {
        const { Self::FITS };
        check_memory(handle.addr(), bytes, Self::BYTES, version)?;
        // SAFETY: not null, aligned and large enough, as just checked.
        let handle = unsafe { &mut *handle.cast::<MaybeUninit<Self>>() };
        let address = handle.as_ptr().addr();
        let place = handle.as_mut_ptr();
        // Whatever was opened here before is no longer: also if this fails.
        // SAFETY: within the object.
        unsafe { (&raw mut (*place).mark).write(0) };
        let value = make()?;
        // SAFETY: within the object.
        unsafe {
            (&raw mut (*place).value).cast::<T>().write(value);
            (&raw mut (*place).mark).write(mark(address, T::KIND));
        }
        Ok(code::OK)
    }

    /// An object that was opened.
    ///
    /// # Safety
    /// `handle` is null or memory of an object, of whatever kind, that nothing else uses during the call.
    pub unsafe fn get<'h>(handle: *mut Self) -> Result<&'h mut T, Error> {
        // SAFETY: by this function's contract.
        unsafe { Self::shared(handle)? };
        // SAFETY: opened, hence written.
        Ok(unsafe { (*handle).value.assume_init_mut() })
    }

    /// Works with an object that was opened, and calls back: until that is over it is not open, so that whoever
    /// is called cannot use it.
    ///
    /// # Safety
    /// As [`Handle::get`].
    pub unsafe fn lend(
        handle: *mut Self,
        work: impl FnOnce(&mut T) -> Result<i32, Error>,
    ) -> Result<i32, Error> {
        // SAFETY: by this function's contract.
        let value = unsafe { Self::get(handle)? };
        // SAFETY: the mark lies beside the value, and nobody else has either.
        unsafe { (&raw mut (*handle).mark).write(0) };
        let result = work(value);
        // SAFETY: as before.
        unsafe { (&raw mut (*handle).mark).write(mark(handle.addr(), T::KIND)) };
        result
    }

    /// An object that was opened, to be read.
    ///
    /// # Safety
    /// As [`Handle::get`], but others may read it, too.
    pub unsafe fn shared<'h>(handle: *const Self) -> Result<&'h T, Error> {
        // SAFETY: by this function's contract; the mark comes first.
        unsafe { check_open(handle.cast(), T::KIND)? };
        // SAFETY: opened, hence written.
        Ok(unsafe { (*handle).value.assume_init_ref() })
    }
}

/// What an object of this kind that was opened at this address begins with.
fn mark(address: usize, kind: usize) -> usize {
    address ^ kind ^ 0x5049_434F
}

/// Whether an object of this kind was opened at this address: code that all kinds share.
///
/// # Safety
/// `handle` is null or memory of an object, of whatever kind.
#[inline(never)]
unsafe fn check_open(handle: *const usize, kind: usize) -> Result<(), Error> {
    if handle.is_null() {
        return Err(Error::null("object"));
    }
    let address = handle.addr();
    if !address.is_multiple_of(ALIGNMENT) {
        return Err(Error::misaligned(code::OBJECT_MISALIGNED, ALIGNMENT, address));
    }
    // SAFETY: not null, and the first word of any object, opened or not, may be read.
    if unsafe { handle.read() } != mark(address, kind) {
        return Err(Error::new(code::NOT_OPEN));
    }
    Ok(())
}

/// Whether memory is fit for an object: code that all kinds share.
#[inline(never)]
fn check_memory(address: usize, given: usize, needed: usize, version: u32) -> Result<(), Error> {
    if address == 0 {
        return Err(Error::null("object"));
    }
    if version != crate::VERSION {
        let numbers = (crate::VERSION as usize, version as usize);
        return Err(Error::new(code::OTHER_VERSION).numbers(numbers.0, numbers.1));
    }
    if given < needed {
        return Err(Error::new(code::OBJECT_TOO_SMALL).numbers(needed, given));
    }
    if !address.is_multiple_of(ALIGNMENT) {
        return Err(Error::misaligned(code::OBJECT_MISALIGNED, ALIGNMENT, address));
    }
    Ok(())
}

/// What the arena must be a multiple of.
const ARENA_ALIGNMENT: usize = 4;

/// What a model's arena needs: a constant where the library knows its only model, and nothing can change it.
fn arena_size(model: &Parsed) -> ArenaSize {
    const KNOWN: Option<ArenaSize> = match Engine::MODEL {
        Some(Known { config, .. }) => match (config.input, config.architecture) {
            (Input::Frames, _) | (_, Architecture::EncoderDecoder) => None,
            _ => Some(config.arena()),
        },
        None => None,
    };
    match KNOWN {
        Some(size) => size,
        None => model.model.arena(),
    }
}

/// The arena of C, one piece of memory, as the parts that a model needs.
///
/// # Safety
/// `arena` is null, or memory of `bytes` bytes that nothing else uses as long as what was made on it.
#[inline(never)]
pub unsafe fn parts(
    model: &Parsed,
    arena: *mut u8,
    bytes: usize,
) -> Result<ArenaParts<'static>, Error> {
    if !engine::can_run() {
        return Err(Error::new(code::NO_UNIT));
    }
    if arena.is_null() {
        return Err(Error::null("arena"));
    }
    if !arena.addr().is_multiple_of(ARENA_ALIGNMENT) {
        let error = Error::misaligned(code::ARENA_MISALIGNED, ARENA_ALIGNMENT, arena.addr());
        return Err(error);
    }
    let size = arena_size(model);
    if bytes < size.total_bytes() {
        return Err(Error::new(code::ARENA_TOO_SMALL).numbers(size.total_bytes(), bytes));
    }
    // Kernels need no more zeros than C's static memory has; what `malloc` gives may hold anything, and
    // must be written before it is memory of a slice.
    // SAFETY: all parts lie one after the other in the caller's memory. Their lengths are multiples of 16
    // bytes, so each is as aligned as the arena.
    unsafe {
        arena.write_bytes(0, size.total_bytes());
        let halves = arena.add(size.bytes);
        let words = halves.add(2 * size.halves);
        let tokens = words.add(4 * size.words);
        Ok(ArenaParts {
            bytes: core::slice::from_raw_parts_mut(arena, size.bytes),
            halves: core::slice::from_raw_parts_mut(halves.cast(), size.halves),
            words: core::slice::from_raw_parts_mut(words.cast(), size.words),
            tokens: core::slice::from_raw_parts_mut(tokens.cast(), size.tokens),
        })
    }
}

/// Makes a type an object: its number among the kinds, and the function that says how large it is.
macro_rules! object {
    ($object:ty, $kind:literal, $bytes:ident) => {
        impl $crate::handle::Object for $object {
            const KIND: usize = $kind;
        }

        /// Bytes of the object; its memory must be a multiple of 8.
        #[unsafe(no_mangle)]
        pub extern "C" fn $bytes() -> usize {
            $crate::handle::Handle::<$object>::BYTES
        }
    };
}
pub(crate) use object;

/// Makes a type a task: an [`object!`], and the function that opens it on a model and an arena. `$make` takes
/// both and gives a `Result`; an argument of its own stands behind it, with its type and what must be true of it.
macro_rules! task {
    ($task:ty, $kind:literal, $bytes:ident, $open:ident,
     $make:expr $(; $extra:ident: $type:ty, $promise:literal)?) => {
        $crate::handle::object!($task, $kind, $bytes);

        /// Opens the task.
        ///
        /// # Safety
        /// `self_` is null or memory of `self_bytes`; `model` null or a model's memory, which stays where it is
        /// as long as this is used; `arena` null or memory of `arena_bytes`; `error` null or an error.
        $(#[doc = $promise])?
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $open(
            self_: *mut $crate::handle::Handle<$task>,
            self_bytes: usize,
            model: *const $crate::handle::Handle<$crate::model::Parsed>,
            arena: *mut u8,
            arena_bytes: usize,
            $($extra: $type,)?
            version: u32,
            error: *mut $crate::error::CError,
        ) -> i32 {
            // SAFETY: by this function's contract.
            let opened = unsafe {
                $crate::handle::Handle::open(self_, self_bytes, version, || {
                    let model = $crate::handle::Handle::shared(model)?;
                    Ok($make(&model.model, $crate::handle::parts(model, arena, arena_bytes)?)?)
                })
            };
            $crate::error::report(error, opened)
        }
    };
}
pub(crate) use task;
