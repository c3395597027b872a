//! No circles: whoever reads a file can read first what it uses, and never comes back to it.

use super::imports::Uses;
use std::collections::{BTreeSet, VecDeque};

/// Files that use each other.
#[derive(Debug)]
pub struct Circle {
    /// The shortest way round: what each file uses of the next.
    pub message: String,
}

/// The circles among the uses. Circles with common files are one, told by the shortest of them.
pub fn circles(uses: &Uses) -> Vec<Circle> {
    let reached: Vec<_> = (0..uses.files.len()).map(|file| reach(uses, file)).collect();
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for file in 0..uses.files.len() {
        if told.contains(&file) || !reached[file].contains(&file) {
            continue;
        }
        let back = |other: &usize| reached[*other].contains(&file);
        let knot: BTreeSet<usize> = reached[file].iter().copied().filter(back).collect();
        let shortest = knot.iter().filter_map(|&start| way(uses, start)).min_by_key(Vec::len);
        let message = message(uses, &knot, &shortest.unwrap_or_default());
        found.push(Circle { message });
        told.extend(knot);
    }
    found
}

/// The files used by a file, directly or not.
fn reach(uses: &Uses, file: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut left = vec![file];
    while let Some(user) = left.pop() {
        for used in used_by(uses, user) {
            if found.insert(used) {
                left.push(used);
            }
        }
    }
    found
}

fn used_by(uses: &Uses, user: usize) -> impl Iterator<Item = usize> {
    uses.uses.range((user, 0)..(user + 1, 0)).map(|(&(_, used), _)| used)
}

/// The shortest way from a file back to it, both ends named.
fn way(uses: &Uses, start: usize) -> Option<Vec<usize>> {
    let mut ways = VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for used in used_by(uses, way[way.len() - 1]) {
            let longer = [way.as_slice(), &[used]].concat();
            if used == start {
                return Some(longer);
            }
            if seen.insert(used) {
                ways.push_back(longer);
            }
        }
    }
    None
}

fn message(uses: &Uses, knot: &BTreeSet<usize>, way: &[usize]) -> String {
    let mut text = String::from("a circle: ");
    for pair in way.windows(2) {
        let name = &uses.uses[&(pair[0], pair[1])];
        text += &format!("{} uses `{name}` of {}; ", uses.files[pair[0]], uses.files[pair[1]]);
    }
    let others: Vec<&str> = knot
        .iter()
        .filter(|file| !way.contains(file))
        .map(|&file| uses.files[file].as_str())
        .collect();
    if !others.is_empty() {
        text += &format!("also in circles with them: {}; ", others.join(", "));
    }
    text.trim_end_matches("; ").into()
}

#[cfg(test)]
mod tests {
    use super::super::imports;
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files = files.iter().map(|(p, t)| (format!("s/{p}"), t.to_string())).collect();
        let circles = circles(&imports::uses("s", "own", &files));
        circles.into_iter().map(|circle| circle.message).collect()
    }

    const LIB: (&str, &str) =
        ("lib.rs", "pub mod a; pub mod b; pub mod c; pub use a::A; pub use b::B;");

    #[test]
    fn a_line_is_no_circle() {
        let a = ("a.rs", "use crate::B; use crate::c::C; pub struct A;");
        let b = ("b.rs", "use crate::c::C; pub struct B;");
        assert!(found(&[a, b, ("c.rs", "pub struct C;"), LIB]).is_empty());
    }

    #[test]
    fn a_circle_is_told_with_its_files() {
        let a = ("a.rs", "use crate::B; pub struct A;");
        let b = ("b.rs", "use crate::c::C; pub struct B;");
        let c = ("c.rs", "pub struct C; fn f(a: crate::a::A) {}");
        assert_eq!(
            found(&[a, b, c, LIB]),
            ["a circle: s/a.rs uses `crate::B` of s/b.rs; s/b.rs uses `crate::c::C` of s/c.rs; \
              s/c.rs uses `crate::a::A` of s/a.rs"]
        );
    }

    #[test]
    fn neighbours_on_a_floor_may_not_use_each_other() {
        let a = ("a.rs", "use super::b::f; pub fn g() { f() }");
        let b = ("b.rs", "use super::a; pub fn f() { a::g() }");
        assert_eq!(found(&[a, b, ("c.rs", ""), LIB]).len(), 1);
    }

    #[test]
    fn a_knot_is_told_once() {
        let a = ("a.rs", "use crate::b::B; pub struct A;");
        let b = ("b.rs", "use crate::a::A; use crate::c::C; pub struct B;");
        let c = ("c.rs", "use crate::b::B; pub struct C;");
        let found = found(&[a, b, c, LIB]);
        assert_eq!(found.len(), 1);
        assert!(found[0].ends_with("also in circles with them: s/c.rs"), "{found:?}");
    }

    #[test]
    fn what_a_parent_passes_on_is_no_circle() {
        let lib = ("lib.rs", "mod p;");
        let parent = ("p.rs", "mod x; mod y; pub use x::X; pub use y::Y;");
        let x = ("p/x.rs", "use super::Y; pub struct X;");
        let y = ("p/y.rs", "pub struct Y;");
        assert!(found(&[lib, parent, x, y]).is_empty());
        // What it defines itself, and hands to a child that it calls, is one.
        let parent = ("p.rs", "mod x; pub struct Y; fn f() { x::f() }");
        let x = ("p/x.rs", "use super::Y; pub fn f() -> Y { Y }");
        assert_eq!(found(&[lib, parent, x]).len(), 1);
    }
}
