//! Which file uses what of which other file.
//!
//! A path is followed to the file that *defines* its last item, through modules, `use` and `pub use`. So
//! - `mod child;` and `pub use child::X;` are signposts: they make no use of the child, unless the file
//!   mentions `X` itself;
//! - `use super::X` in a child uses the parent's file if `X` is defined there, and the sibling's file if
//!   the parent only passes `X` on;
//! - `use crate::a;` uses nothing yet: what is reached by `a::…` counts.
//!
//! Calls of methods are not seen (their types are), nor are names that a macro makes up.

use super::tree::{File, Files, Import, Segments};
use std::collections::{BTreeMap, BTreeSet};

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    /// To something that a file defines.
    Item(usize),
    /// To a module as such.
    Module(usize),
}

/// Uses between the files of one crate.
#[derive(Debug, Default)]
pub struct Uses {
    /// The files, as messages show them.
    pub files: Vec<String>,
    /// By user and used: the path by which it is used first.
    pub uses: BTreeMap<(usize, usize), String>,
    /// Files of which another only passes something on (`pub use`), by user and used.
    pub passed_on: BTreeMap<(usize, usize), String>,
}

struct Crate {
    /// Name by which its binary knows the library.
    name: String,
    files: Vec<File>,
}

/// Reads the uses of a crate: its sources lie in `folder`, its library is called `name`.
pub fn uses(folder: &str, name: &str, files: &Files) -> Uses {
    let parse = |(path, text): &(String, String)| File::parse(folder, path, text);
    let parsed = Crate { name: name.into(), files: files.iter().map(parse).collect() };
    let mut found =
        Uses { files: files.iter().map(|file| file.0.clone()).collect(), ..Uses::default() };
    for user in 0..parsed.files.len() {
        parsed.of_file(user, &mut found);
    }
    found
}

impl Crate {
    /// Adds what one file uses.
    fn of_file(&self, user: usize, found: &mut Uses) {
        let file = &self.files[user];
        let mut add = |target: Option<Target>, path: &[String], passed_on: bool| {
            if let Some(Target::Item(used)) = target
                && used != user
            {
                let uses = if passed_on { &mut found.passed_on } else { &mut found.uses };
                uses.entry((user, used)).or_insert_with(|| path.join("::"));
            }
        };
        let heads: BTreeSet<&str> =
            file.mentions.iter().map(|(path, _)| path[0].as_str()).collect();
        for (name, import) in &file.imports {
            let signpost = import.public && !heads.contains(name.as_str());
            add(self.import(user, import, 0), &import.path, signpost);
        }
        for (path, inside) in &file.mentions {
            let target = match path[0].as_str() {
                // The import itself counts, unless it is of a module.
                head if path.len() == 1 && file.imports.contains_key(head) => None,
                _ => self.path(user, path, inside, 0),
            };
            add(target, path, false);
        }
        for name in &file.macro_calls {
            let above = |other: &File| file.module.starts_with(&other.module);
            let mut others = self.files.iter().enumerate().filter(|(_, other)| above(other));
            if !file.macros.contains(name)
                && !file.imports.contains_key(name)
                && let Some((definition, _)) = others.find(|(_, other)| other.macros.contains(name))
            {
                add(Some(Target::Item(definition)), &[format!("{name}!")], false);
            }
        }
    }

    /// The file that holds the root of a file's crate: a binary and a library may share the folder.
    fn root(&self, file: usize) -> Option<usize> {
        let is = |i: usize, name: &str| {
            self.files[i].path.ends_with(name) && self.files[i].module.is_empty()
        };
        let find = |name: &str| (0..self.files.len()).find(|&i| is(i, name));
        let (library, binary) = (find("lib.rs"), find("main.rs"));
        let (Some(_), Some(main)) = (library, binary) else { return library.or(binary) };
        let top = self.files[file].module.first();
        let declared = |name: &String| self.files[main].modules.contains(name);
        if file == main || top.is_some_and(declared) { binary } else { library }
    }

    fn module(&self, path: &[String], root: usize) -> Option<usize> {
        if path.is_empty() {
            return Some(root);
        }
        (0..self.files.len()).find(|&i| self.files[i].module == path && self.root(i) == Some(root))
    }

    /// Follows a path as it stands in a file.
    fn path(
        &self,
        file: usize,
        path: &[String],
        inside: &[String],
        depth: usize,
    ) -> Option<Target> {
        let root = self.root(file)?;
        let mut base: Segments = [&self.files[file].module, inside].concat();
        let mut rest = path;
        match path.first().map(String::as_str) {
            Some("crate") => (base, rest) = (Vec::new(), &rest[1..]),
            Some("self") => rest = &rest[1..],
            Some("super") => {}
            Some(name) if name == self.name => {
                let library = self.files.iter().position(|file| file.path.ends_with("lib.rs"))?;
                return self.walk(library, &rest[1..], depth);
            }
            _ => return self.local(file, path, depth),
        }
        while let Some("super") = rest.first().map(String::as_str) {
            base.pop();
            rest = &rest[1..];
        }
        let path = [&base, rest].concat();
        self.walk(root, &path, depth)
    }

    fn import(&self, file: usize, import: &Import, depth: usize) -> Option<Target> {
        // Imports that name each other in a circle lead nowhere.
        if depth > 8 {
            return None;
        }
        self.path(file, &import.path, &import.inside, depth + 1)
    }

    /// Follows a path that begins with a name known in the file: a module below it, something imported.
    /// `None` for names from outside of the crate.
    fn local(&self, file: usize, path: &[String], depth: usize) -> Option<Target> {
        let (name, rest) = path.split_first()?;
        let File { module, items, imports, globs, .. } = &self.files[file];
        if let Some(child) =
            self.module(&[module, std::slice::from_ref(name)].concat(), self.root(file)?)
        {
            return self.walk(child, rest, depth);
        }
        if items.contains(name) {
            return Some(Target::Item(file));
        }
        if let Some(import) = imports.get(name) {
            return match self.import(file, import, depth)? {
                Target::Module(module) => self.walk(module, rest, depth),
                item => Some(item),
            };
        }
        globs.iter().find_map(|glob| match self.import(file, glob, depth)? {
            Target::Module(module) if module != file => self.local(module, path, depth + 1),
            _ => None,
        })
    }

    /// Follows a path downwards from a module's file. A name that is not found, for example one that a
    /// macro has made, counts as the module's own.
    fn walk(&self, file: usize, path: &[String], depth: usize) -> Option<Target> {
        if path.is_empty() {
            return Some(Target::Module(file));
        }
        self.local(file, path, depth).or(Some(Target::Item(file)))
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The uses between files given as `(path, text)`, as `a.rs → b.rs`.
    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Files = files.iter().map(|(p, t)| (format!("s/{p}"), t.to_string())).collect();
        let Uses { files, uses, .. } = uses("s", "own", &files);
        let short = |i: usize| files[i].trim_start_matches("s/").trim_end_matches(".rs");
        uses.keys().map(|&(a, b)| format!("{} → {}", short(a), short(b))).collect()
    }

    #[test]
    fn paths_lead_to_the_file_that_defines() {
        let lib = ("lib.rs", "mod a; mod b; mod c; pub use b::B;");
        let b = ("b.rs", "pub struct B; pub fn f() {}");
        for text in [
            "use crate::b::B;",
            "use crate::B;",
            "use super::b::{self, B as C};",
            "use crate::{c, b::{B}};",
            "fn g() { crate::b::f() }",
            "use crate::b; fn g() { b::f() }",
            "use crate::b as d; fn g() { d::f(); }",
            "use crate::*; fn g() -> B { todo!() }",
            "mod inner { use super::super::b::B; }",
            "mod inner { use crate::b::f; }",
        ] {
            assert_eq!(found(&[("a.rs", text), b, ("c.rs", ""), lib]), ["a → b"], "{text}");
        }
        for text in [
            "use crate::b;",
            "pub use crate::b::B;",
            "// crate::b::B\nfn g() { \"crate::b::B\"; x.f(); }",
            "#[cfg(test)] mod tests { use crate::b::B; }",
            "use std::b::B;",
        ] {
            assert!(found(&[("a.rs", text), b, ("c.rs", ""), lib]).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_parent_passes_on_and_a_child_may_use_it() {
        let child = ("p/x.rs", "use super::Y; pub struct X(Y);");
        let sibling = ("p/y.rs", "pub struct Y;");
        let lib = ("lib.rs", "mod p;");
        let parent = ("p/mod.rs", "mod x; mod y; pub use x::X; use y::Y as Z; pub use y::Y;");
        assert_eq!(found(&[lib, parent, child, sibling]), ["p/mod → p/y", "p/x → p/y"]);
        let parent = ("p.rs", "mod x; mod y; pub use x::X; pub use y::*;");
        assert_eq!(found(&[lib, parent, child, sibling]), ["p/x → p/y"]);
        let parent = ("p.rs", "mod x; mod y; pub use x::X; fn f(x: X) {} struct Y;");
        assert_eq!(found(&[lib, parent, child, sibling]), ["p → p/x", "p/x → p"]);
    }

    #[test]
    fn a_binary_uses_its_library_by_name() {
        let files = [
            ("lib.rs", "pub mod a;"),
            ("main.rs", "mod cli; use own::a::A; fn main() { cli::run() }"),
            ("a.rs", "pub struct A;"),
            ("cli.rs", "pub fn run() { own::a::A; crate::main() }"),
        ];
        assert_eq!(found(&files), ["main → a", "main → cli", "cli → main", "cli → a"]);
    }

    #[test]
    fn macros_of_parents_are_known_by_name() {
        let parent = ("a.rs", "macro_rules! m { () => {} } mod b;");
        let files = [("lib.rs", "mod a; mod c;"), parent, ("a/b.rs", "m!();"), ("c.rs", "m!();")];
        assert_eq!(found(&files), ["a/b → a"]);
    }
}
