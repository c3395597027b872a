//! Files and lines that are written whole or not at all.

use crate::error::{Error, Result, input};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes a file under a temporary name beside its own, then renames it: whatever happens, the older file
/// or the new one is there, never a part.
///
/// # Errors
/// [`Error::File`]; [`Error::Input`] for a target that one of `inputs` is, or lies in, or that a link leads
/// from.
pub fn write_whole(target: &Path, bytes: &[u8], inputs: &[&Path]) -> Result<()> {
    let file = |source| Error::File { path: target.into(), source };
    let existing = std::fs::canonicalize(target).ok();
    if target.is_dir() {
        return Err(input(
            format!("`{}` is a folder", target.display()),
            "-o names the file of the blob: -o model.pico",
        ));
    }
    for path in inputs {
        let Ok(path) = std::fs::canonicalize(path) else { continue };
        let hit =
            existing.as_ref().is_some_and(|target| *target == path || is_input(&path, target));
        if hit {
            return Err(input(
                format!("`{}` is read by this very command", target.display()),
                "give another name with -o: a blob never replaces a file of the checkpoint",
            ));
        }
    }
    // A link stays a link: what it leads to is replaced. A device or a pipe has no name to be renamed to.
    let place = existing.clone().unwrap_or_else(|| target.into());
    if existing.is_some() && !place.is_file() {
        let written = std::fs::OpenOptions::new().write(true).open(&place);
        return written.and_then(|mut open| open.write_all(bytes)).map_err(file);
    }
    let (temporary, mut open) = beside(&place, false).map_err(file)?;
    let written = open.write_all(bytes).and_then(|()| open.sync_all()).and_then(|()| {
        if let Ok(old) = std::fs::metadata(&place) {
            std::fs::set_permissions(&temporary, old.permissions())?;
        }
        std::fs::rename(&temporary, &place)
    });
    written.map_err(|source| {
        let _ = std::fs::remove_file(&temporary);
        file(source)
    })
}

/// Writes a file that does not exist yet, whole or not at all; a secret one is readable by its owner alone
/// from its first byte on.
///
/// # Errors
/// [`Error::Input`] if anything has the name, [`Error::File`].
pub fn write_new(target: &Path, bytes: &[u8], secret: bool) -> Result<()> {
    let file = |source| Error::File { path: target.into(), source };
    let (temporary, mut open) = beside(target, secret).map_err(file)?;
    let written = open.write_all(bytes).and_then(|()| open.sync_all());
    // A link is made only where no file has the name; a rename would replace it.
    let linked = written.and_then(|()| std::fs::hard_link(&temporary, target));
    let _ = std::fs::remove_file(&temporary);
    linked.map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => input(
            format!("`{}` exists already", target.display()),
            "give another name with -o: keys are never overwritten",
        ),
        _ => file(source),
    })
}

/// Whether a file that exists is one of those that a folder's conversion reads. Other files of the folder,
/// older blobs among them, may be replaced.
fn is_input(folder: &Path, target: &Path) -> bool {
    let inside = target.strip_prefix(folder).is_ok() && folder.is_dir();
    let extension = target.extension().and_then(|e| e.to_str()).unwrap_or_default();
    inside
        && [
            "json",
            "safetensors",
            "bin",
            "txt",
            "model",
            "py",
            "pt",
            "pth",
            "h5",
            "msgpack",
            "jinja",
            "md",
        ]
        .contains(&extension)
}

/// A new file beside another.
fn beside(place: &Path, secret: bool) -> std::io::Result<(PathBuf, std::fs::File)> {
    let name = place.file_name().unwrap_or_default();
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if secret {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = secret;
    for attempt in 0..100 {
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}-{attempt}.part", std::process::id()));
        let path = place.with_file_name(temporary);
        match options.open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            result => return result.map(|file| (path, file)),
        }
    }
    Err(std::io::ErrorKind::AlreadyExists.into())
}

/// Prints a line to standard output. A pipe that nobody reads any longer ends the command in silence.
///
/// # Errors
/// [`Error::File`], for example of a full disk.
pub fn say(line: &dyn std::fmt::Display) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.map_err(|source| Error::File { path: "standard output".into(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("picoformer-output-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_file_is_replaced_whole_and_no_part_stays() {
        let folder = folder("whole");
        let target = folder.join("a.pico");
        write_whole(&target, b"old", &[]).unwrap();
        write_whole(&target, b"new", &[&folder]).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"new");
        // What cannot be renamed leaves the older file and nothing else.
        let names = std::fs::read_dir(&folder).unwrap().count();
        assert_eq!(names, 1);
        assert!(write_whole(&folder.join("no/such/a.pico"), b"x", &[]).is_err());
        assert!(write_whole(&folder, b"x", &[]).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn inputs_are_safe_through_links_too() {
        let folder = folder("inputs");
        let weights = folder.join("model.safetensors");
        std::fs::write(&weights, b"weights").unwrap();
        let (link, hard) = (folder.join("link.pico"), folder.join("hard.pico"));
        std::os::unix::fs::symlink(&weights, &link).unwrap();
        std::fs::hard_link(&weights, &hard).unwrap();
        for target in [&weights, &link] {
            assert!(write_whole(target, b"blob", &[&folder]).is_err());
            assert!(write_whole(target, b"blob", &[&weights]).is_err());
        }
        // A hard link is parted from the other name by the rename.
        write_whole(&hard, b"blob", &[&folder]).unwrap();
        assert_eq!(std::fs::read(&weights).unwrap(), b"weights");
    }
}
