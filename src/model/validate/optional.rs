//! What is checked of the optional sections: each by itself, against the header, and against each other.

use super::Sections;
use crate::blob::{
    self, AUDIO, KEY_BASE, META_BYTES, MOTION, PROBLEM, RULES, SCOPE, Section, TEXT_LABELS,
    TRIGGER, is_same, part, read_u16, read_u32,
};
use crate::config::{Config, Problem};
use crate::error::FormatError;
use crate::features::Features;
use crate::rules::Rules;
use crate::scope::Scope;
use crate::target::{self, Build};

impl Sections<'_> {
    /// The optional sections, from the end of the fixed ones to that of the blob.
    #[inline(never)]
    pub(super) const fn optional<B: Build>(&mut self, mut offset: usize, c: &Config) {
        let mut last = 0;
        while offset < self.bytes.len() {
            let (tag, length) = (read_u32(self.bytes, offset), read_u32(self.bytes, offset + 4));
            let bytes = Section::bytes(length) as usize;
            let (order, tag) = (tag.swap_bytes(), tag.to_le_bytes());
            let error = if bytes > self.bytes.len() - offset {
                FormatError::CutSection { tag, offset }
            } else if !target::reads::<B>(tag, c) {
                FormatError::UnknownSection { tag, offset }
            } else if order <= last {
                FormatError::MisplacedSection { tag, offset }
            } else {
                let data = offset + META_BYTES;
                self.zero(offset + 8, data);
                self.zero(data + length as usize, offset + bytes);
                (last, offset) = (order, offset + bytes);
                continue;
            };
            return self.fail(error);
        }
    }

    /// The rules of a model that writes.
    #[inline(never)]
    pub(super) const fn rules(&mut self, end: usize, c: &Config) {
        let mut rest = blob::Sections { rest: part(self.bytes, end, self.bytes.len()) };
        while let Some(section) = rest.split_first() {
            if is_same(section.tag, RULES) && !Rules::are_valid(section.data, c) {
                self.bad("rules", end);
            }
        }
    }

    /// What keys are stored less.
    #[inline(never)]
    pub(super) const fn key_base(&mut self, end: usize, c: &Config) {
        let mut rest = blob::Sections { rest: part(self.bytes, end, self.bytes.len()) };
        while let Some(section) = rest.split_first() {
            let fits = section.data.len() == c.n_layers * c.kv_dim() * 2;
            if is_same(section.tag, KEY_BASE) && !fits {
                self.bad("key base", end);
            }
        }
    }

    /// What the labels are.
    #[inline(never)]
    pub(super) const fn problem(&mut self, end: usize, c: &Config) {
        let mut rest = blob::Sections { rest: part(self.bytes, end, self.bytes.len()) };
        let mut exclusive = true;
        while let Some(section) = rest.split_first() {
            let code = read_u32(section.data, 0);
            let known = section.data.len() == 4 && Problem::of_code(code, c.n_labels).is_some();
            if is_same(section.tag, PROBLEM) {
                exclusive = code == 0;
                if !known {
                    self.bad("problem", end);
                }
            }
            // An event is one label of several; sections are in the order of their tags.
            if is_same(section.tag, TRIGGER) && !exclusive {
                self.bad("Trig", end);
            }
        }
    }

    /// Which inputs are none of the labels: labels that exclude each other.
    #[inline(never)]
    pub(super) const fn scope(&mut self, end: usize, c: &Config) {
        let mut rest = blob::Sections { rest: part(self.bytes, end, self.bytes.len()) };
        let (mut code, mut none) = (0, 0);
        while let Some(section) = rest.split_first() {
            if is_same(section.tag, PROBLEM) {
                code = read_u32(section.data, 0);
            }
            if is_same(section.tag, SCOPE) {
                none = read_u32(section.data, 4);
                if code != 0 || Scope::parse(section.data, c).is_none() {
                    self.bad("scope", end);
                }
            }
            // The label that stands for none is no event.
            let event = none > 0 && none - 1 != read_u16(section.data, 0) as u32;
            if is_same(section.tag, TRIGGER) && event {
                self.bad("Trig", end);
            }
        }
    }

    /// How many labels are of the text: one is left for words at least.
    #[inline(never)]
    pub(super) const fn text_labels(&mut self, end: usize, c: &Config) {
        let mut rest = blob::Sections { rest: part(self.bytes, end, self.bytes.len()) };
        while let Some(section) = rest.split_first() {
            let count = read_u32(section.data, 0);
            let fits = section.data.len() == 4 && count > 0 && count < c.n_labels as u32;
            if is_same(section.tag, TEXT_LABELS) && !fits {
                self.bad("text labels", end);
            }
        }
    }

    /// The sections of a front end and of a trigger.
    #[inline(never)]
    pub(super) const fn features(&mut self, end: usize, c: &Config) {
        let rest = part(self.bytes, end, self.bytes.len());
        if let Err(tag) = Features::read(blob::Sections { rest }, c) {
            let section = match tag {
                AUDIO => "Audi",
                MOTION => "Moti",
                _ => "Trig",
            };
            self.bad(section, end);
        }
    }
}
