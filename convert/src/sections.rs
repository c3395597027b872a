//! Optional sections, added to a finished blob.

use crate::host::Blob;
use crate::writer::{seal, section};
use picoformer::FormatError;
use picoformer::blob::Tag;
use std::collections::BTreeMap;

/// A copy of the blob with this section, which takes the place of one with the same tag.
///
/// # Errors
/// As [`Model::parse_checked`](picoformer::Model::parse_checked): of the blob, and of what was made of it,
/// if the data are larger than a blob may be.
pub fn with_section(blob: &[u8], tag: Tag, data: &[u8]) -> Result<Vec<u8>, FormatError> {
    let whole = Blob::new(blob);
    let model = whole.parse()?;
    // The order of the map is the one of the format.
    let mut sections: BTreeMap<Tag, &[u8]> = model.sections().map(|s| (s.tag, s.data)).collect();
    sections.insert(tag, data);
    let mut bytes = blob[..model.layout().end].to_vec();
    for (tag, data) in sections {
        bytes.extend(section(tag, data));
    }
    seal(&mut bytes, *model.header());
    Blob::new(&bytes).parse()?;
    Ok(bytes)
}
