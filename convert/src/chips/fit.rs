//! Whether a blob and its arena fit, and the largest context that does.

use picoformer::Model;
use picoformer::arena::ArenaSize;
use picoformer::config::{Config, Input, Position};

/// Positions that a model may have at most.
const MOST: usize = 1 << 20;

/// What a chip has for a model, bytes: its code and stack are already taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Flash.
    pub flash: usize,
    /// RAM.
    pub ram: usize,
}

/// What a model takes, at its own context and at others.
#[derive(Debug)]
pub struct Need {
    config: Config,
    flash: usize,
    ram: usize,
    /// Bytes of the blob for each position.
    position: usize,
    /// RAM of a front end, which the plan of the model's own buffers does not have.
    front_end: usize,
}

impl Need {
    /// That of a model.
    pub fn of(model: &Model) -> Self {
        let config = *model.config();
        let l = model.layout();
        let learned = matches!(config.position, Position::Learned);
        let ram = model.arena().total_bytes();
        Self {
            config,
            flash: model.flash_bytes(),
            ram,
            position: if learned { (l.embedding_norm - l.position) / config.context } else { 0 },
            front_end: ram - ArenaSize::new(&config).total_bytes(),
        }
    }

    /// Flash, bytes.
    pub const fn flash(&self) -> usize {
        self.flash
    }

    /// RAM, bytes.
    pub const fn ram(&self) -> usize {
        self.ram
    }

    /// Whether the context can be changed at all: a front end's frames fill it.
    const fn fixed(&self) -> bool {
        matches!(self.config.input, Input::Frames) && self.front_end > 0
    }

    /// The same model with another context; `None` for one that it cannot have.
    fn with(&self, context: usize) -> Option<Config> {
        let window = self.config.window.min(context);
        let config = Config { context, window, ..self.config };
        config.validate().is_ok().then_some(config)
    }

    fn fits(&self, context: usize, room: Room) -> bool {
        let Some(config) = self.with(context) else { return false };
        let less = self.position * self.config.context.saturating_sub(context);
        let ram = ArenaSize::new(&config).total_bytes() + self.front_end;
        self.flash - less <= room.flash && ram <= room.ram
    }

    /// The largest context that fits, 0 if none does. A table of learned positions ends where it ends.
    pub fn largest_context(&self, room: Room) -> usize {
        if self.fixed() {
            return if self.fits(self.config.context, room) { self.config.context } else { 0 };
        }
        let most = if self.position > 0 { self.config.context } else { MOST };
        // What fits grows no smaller as the context shrinks: the first that does not fit is between.
        let (mut fits, mut fails) = (0, most + 1);
        while fails - fits > 1 {
            let middle = fits + (fails - fits) / 2;
            if self.fits(middle, room) {
                fits = middle;
            } else {
                fails = middle;
            }
        }
        fits
    }
}
