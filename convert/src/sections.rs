//! Optional sections, added to a finished blob.

use crate::host::Blob;
use crate::writer::seal;
use picoformer::FormatError;
use picoformer::blob::{ALIGN, META_BYTES, Tag};
use picoformer::config::round_up;
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

/// Tag, length, data, padding.
fn section(tag: Tag, data: &[u8]) -> Vec<u8> {
    let mut section = vec![0; META_BYTES];
    section[..4].copy_from_slice(&tag);
    // A length that does not fit is refused as one that no blob has.
    section[4..8].copy_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
    section.extend(data);
    section.resize(round_up(section.len(), ALIGN), 0);
    section
}
