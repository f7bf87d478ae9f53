//! What a file looks like that is not the table it should be.

/// What these bytes look like, and what to do, if it is something known; `delimiter` is what should separate values.
pub(super) fn looks_like(bytes: &[u8], delimiter: u8) -> Option<String> {
    const BEGINNINGS: [(&[u8], &str); 6] = [
        (b"\xff\xfe", "text in UTF-16: save it as UTF-8"),
        (b"\xfe\xff", "text in UTF-16: save it as UTF-8"),
        (b"PK\x03\x04", "a spreadsheet or another zip archive: export a CSV file"),
        (b"PAR1", "a Parquet file: write it as CSV"),
        (b"<", "a page of HTML or XML, as a failed download is: fetch the file itself"),
        (b"{", "JSON: write it as CSV"),
    ];
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Some("an empty file: write a header and rows".into());
    }
    if let Some((_, what)) = BEGINNINGS.iter().find(|(beginning, _)| bytes.starts_with(beginning)) {
        return Some((*what).into());
    }
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if first.contains(&0) {
        return Some("text in UTF-16, or no text: save it as UTF-8".into());
    }
    let text = String::from_utf8_lossy(first);
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with(['#', '%']) {
        let shown: String = text.chars().take(40).collect();
        return Some(format!("a file with a comment on its first line, `{shown}`: take it away"));
    }
    if first.contains(&delimiter) {
        return None;
    }
    let other = [b';', b'\t', b'|', b','].into_iter().find(|other| first.contains(other))?;
    let other = other.escape_ascii();
    Some(format!("values separated by `{other}`: give `with_delimiter(b'{other}')`"))
}
