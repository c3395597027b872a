//! Zip archives as `torch.save` writes them: stored, not compressed.

/// The content of an archive: names, and where their bytes are.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    entries: Vec<Entry>,
}

struct Entry {
    name: String,
    method: u16,
    header: usize,
    len: usize,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?)).ok()
}

impl<'a> Archive<'a> {
    /// Reads the directory at the end of an archive; `None` if there is none or it is damaged.
    pub(super) fn open(bytes: &'a [u8]) -> Option<Self> {
        let tail = bytes.len().saturating_sub(65_557);
        let end = bytes.get(tail..)?.windows(4).rposition(|w| w == b"PK\x05\x06")? + tail;
        let (mut count, mut at) = (u16_at(bytes, end + 10)?, u32_at(bytes, end + 16)?);
        if let Some(locator) = end.checked_sub(20)
            && bytes.get(locator..)?.starts_with(b"PK\x06\x07")
        {
            let record = u64_at(bytes, locator + 8)?;
            if !bytes.get(record..)?.starts_with(b"PK\x06\x06") {
                return None;
            }
            (count, at) = (u64_at(bytes, record + 32)?, u64_at(bytes, record + 48)?);
        }
        let mut entries = Vec::new();
        for _ in 0..count {
            let entry = bytes.get(at..)?;
            if !entry.starts_with(b"PK\x01\x02") {
                return None;
            }
            let lengths = [28, 30, 32].map(|offset| u16_at(entry, offset));
            let [Some(name), Some(extra), Some(comment)] = lengths else { return None };
            let (mut len, mut header) = (u32_at(entry, 24)?, u32_at(entry, 42)?);
            // Sizes beyond 32 bits stand in an extra field, in this order, those that are needed.
            let mut wide = zip64(entry.get(46 + name..46 + name + extra)?).unwrap_or_default();
            if len == u32::MAX as usize {
                len = u64_at(wide, 0)?;
                wide = wide.get(8..)?;
            }
            if u32_at(entry, 20)? == u32::MAX as usize {
                wide = wide.get(8..)?;
            }
            if header == u32::MAX as usize {
                header = u64_at(wide, 0)?;
            }
            let text = String::from_utf8_lossy(entry.get(46..46 + name)?).into_owned();
            entries.push(Entry { name: text, method: u16_at(entry, 10)? as u16, header, len });
            at += 46 + name + extra + comment;
        }
        Some(Self { bytes, entries })
    }

    /// The names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// The bytes of a file; `None` if it is missing, compressed or cut.
    pub(super) fn file(&self, name: &str) -> Option<&'a [u8]> {
        let entry = self.entries.iter().find(|entry| entry.name == name && entry.method == 0)?;
        let header = self.bytes.get(entry.header..)?;
        let start = 30 + u16_at(header, 26)? + u16_at(header, 28)?;
        header
            .starts_with(b"PK\x03\x04")
            .then(|| header.get(start..start.checked_add(entry.len)?))?
    }
}

/// The content of the extra field for large files.
fn zip64(mut extra: &[u8]) -> Option<&[u8]> {
    while let (Some(id), Some(len)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        let content = extra.get(4..4 + len)?;
        if id == 1 {
            return Some(content);
        }
        extra = extra.get(4 + len..)?;
    }
    None
}
