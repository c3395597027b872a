//! The files of a crate as modules: what each defines, imports and mentions.

use super::tokens::{Token, tokens};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The files of one crate: a path as messages show it, and the text.
pub type Files = Vec<(String, String)>;

/// A path in the source by its segments, from the root of the crate or from the module that holds it.
pub type Segments = Vec<String>;

/// A name brought into a file by `use`.
#[derive(Clone, Debug)]
pub struct Import {
    /// Its path as written, `self` and braces resolved.
    pub path: Segments,
    /// Module within the file (`mod a { … }`) in which the import stands.
    pub inside: Segments,
    /// `pub use`: shown to others, not necessarily used here.
    pub public: bool,
}

/// One file.
#[derive(Debug, Default)]
pub struct File {
    /// As messages show it.
    pub path: String,
    /// Its module's path from the root of the crate.
    pub module: Segments,
    /// Modules that it declares (`mod a;`).
    pub modules: BTreeSet<String>,
    /// Names defined in it outside of functions and `impl` blocks.
    pub items: BTreeSet<String>,
    /// Macros defined in it.
    pub macros: BTreeSet<String>,
    /// By the name that they have here.
    pub imports: BTreeMap<String, Import>,
    /// Modules of which everything is imported (`use a::*`).
    pub globs: Vec<Import>,
    /// Every path in its code outside of `use`, with the module within the file that holds it.
    pub mentions: BTreeSet<(Segments, Segments)>,
    /// Names that a `!` follows.
    pub macro_calls: BTreeSet<String>,
}

/// Reads every `.rs` file below a folder of the repository, sorted by path.
pub fn read(root: &Path, folder: &str) -> Result<Files> {
    let mut files = Vec::new();
    collect(&root.join(folder), &mut files)?;
    files.sort();
    let show = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
    files.iter().map(|path| Ok((show(path), std::fs::read_to_string(path)?))).collect()
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

impl File {
    /// Reads a file of the crate whose sources lie in `folder`.
    pub fn parse(folder: &str, path: &str, text: &str) -> Self {
        let inner = path.strip_prefix(folder).unwrap_or(path);
        let inner = inner.trim_start_matches('/').trim_end_matches(".rs");
        let mut module: Segments = inner.split('/').map(String::from).collect();
        if matches!(inner, "lib" | "main") || module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        let file = Self { path: path.into(), module, ..Self::default() };
        let tokens = tokens(text);
        let mut parser = Parser { file, tokens: &tokens, at: 0, depth: 0, inside: Vec::new() };
        parser.run();
        parser.file
    }
}

struct Parser<'t, 's> {
    file: File,
    tokens: &'t [Token<'s>],
    at: usize,
    /// Braces that are open.
    depth: usize,
    /// Modules within the file that are open, each with the depth of its braces.
    inside: Vec<(String, usize)>,
}

impl<'s> Parser<'_, 's> {
    fn text(&self, ahead: usize) -> &'s str {
        self.tokens.get(self.at + ahead).map_or("", |token| token.text)
    }

    fn is_name(&self, ahead: usize) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(Token::is_name)
    }

    fn modules(&self) -> Segments {
        self.inside.iter().map(|(name, _)| name.clone()).collect()
    }

    fn run(&mut self) {
        let mut public = false;
        while self.at < self.tokens.len() {
            let was_public = std::mem::take(&mut public);
            match self.text(0) {
                "{" => self.depth += 1,
                "}" => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.inside.last().is_some_and(|(_, depth)| *depth > self.depth) {
                        self.inside.pop();
                    }
                }
                "pub" => {
                    public = true;
                    if self.text(1) == "(" {
                        while !matches!(self.text(0), ")" | "") {
                            self.at += 1;
                        }
                    }
                }
                "use" if self.text(1) != "<" => {
                    self.at += 1;
                    self.branch(Vec::new(), was_public);
                    continue;
                }
                "mod" if self.is_name(1) && self.text(2) == "{" => {
                    let name = self.text(1).to_owned();
                    self.define(&name);
                    self.inside.push((name, self.depth + 1));
                    self.at += 1;
                }
                "mod" => {
                    self.file.modules.insert(self.text(1).into());
                    self.at += 1;
                }
                "macro_rules" if self.text(1) == "!" => {
                    self.file.macros.insert(self.text(2).into());
                    self.at += 2;
                }
                "fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static"
                    if self.is_name(1) =>
                {
                    let ahead = 1 + (self.text(1) == "mut") as usize;
                    let name = self.text(ahead);
                    if !matches!(name, "fn" | "unsafe" | "extern" | "async") {
                        self.define(name);
                        self.at += ahead;
                    }
                }
                _ if self.is_name(0) => {
                    self.path();
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    fn define(&mut self, name: &str) {
        if self.depth == self.inside.last().map_or(0, |(_, depth)| *depth) {
            self.file.items.insert(name.into());
        }
    }

    /// A path in the code; fields, methods and paths from outside (`::core`) are passed over.
    fn path(&mut self) {
        let before = self.at.checked_sub(1).map_or("", |at| self.tokens[at].text);
        let start = self.at;
        while self.text(1) == "::" && self.is_name(2) {
            self.at += 2;
        }
        let names = self.tokens[start..=self.at].iter().step_by(2);
        let path: Segments = names.map(|token| token.text.to_owned()).collect();
        self.at += 1;
        // A range (`a..b`) has two dots.
        let range = start >= 2 && before == "." && self.tokens[start - 2].text == ".";
        if before == "::" || before == "." && !range {
            return;
        }
        if self.text(0) == "!" && self.text(1) != "=" && path.len() == 1 {
            self.file.macro_calls.insert(path[0].clone());
        }
        let inside = self.modules();
        self.file.mentions.insert((path, inside));
    }

    /// A branch of a `use` declaration below `path`, up to what ends it.
    fn branch(&mut self, mut path: Segments, public: bool) {
        loop {
            match self.text(0) {
                "::" => {}
                "{" => {
                    self.at += 1;
                    while !matches!(self.text(0), "}" | ";" | "") {
                        self.branch(path.clone(), public);
                        self.at += (self.text(0) == ",") as usize;
                    }
                    self.at += 1;
                    return;
                }
                "*" => {
                    self.file.globs.push(Import { path, inside: self.modules(), public });
                    self.at += 1;
                    return;
                }
                "as" => {
                    let name = self.text(1).to_owned();
                    self.at += 2;
                    return self.import(name, path, public);
                }
                "," | "}" | ";" | "" => {
                    let name = path.last().cloned().unwrap_or_default();
                    return self.import(name, path, public);
                }
                "self" if !path.is_empty() => {} // `a::{self}` is `a`
                name => path.push(name.to_owned()),
            }
            self.at += 1;
        }
    }

    fn import(&mut self, name: String, path: Segments, public: bool) {
        // `as _` brings in a trait: any name will do that no code has.
        let name = if name == "_" { path.join("::") } else { name };
        let import = Import { path, inside: self.modules(), public };
        self.file.imports.insert(name, import);
    }
}
