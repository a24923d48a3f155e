//! Java properties, as far as `meta.properties` needs them: `key=value` lines and comments.

use std::collections::BTreeMap;
use std::io;

use host::Disk;

use super::CheckpointError;

/// Whose data directory it is: `version`, `cluster.id`, `broker.id`.
pub const META_PROPERTIES: &str = "meta.properties";

/// Values by key.
pub type Properties = BTreeMap<String, String>;

/// The file's content.
pub fn encode_properties(properties: &Properties) -> Vec<u8> {
    properties.iter().map(|(key, value)| format!("{key}={value}\n")).collect::<String>().into_bytes()
}

/// Reads a file's content.
///
/// # Errors
/// If a line is neither empty, nor a comment, nor `key=value`.
pub fn decode_properties(bytes: &[u8]) -> Result<Properties, CheckpointError> {
    let text = std::str::from_utf8(bytes).map_err(|_| CheckpointError { line: 1, problem: "not UTF-8" })?;
    let mut properties = Properties::new();
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        let (key, value) = text.split_once('=').ok_or(CheckpointError { line, problem: "not key=value" })?;
        properties.insert(key.trim().to_owned(), value.trim().to_owned());
    }
    Ok(properties)
}

/// Reads the file at `path`; none if there is no file.
///
/// # Errors
/// Of the disk; `InvalidData` if the content is damaged.
pub fn read_properties(disk: &Disk, path: &str) -> io::Result<Option<Properties>> {
    match disk.read(path) {
        Ok(bytes) => Ok(Some(decode_properties(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces the file at `path`, durably.
///
/// # Errors
/// Of the disk.
pub async fn write_properties(disk: &Disk, path: &str, properties: &Properties) -> io::Result<()> {
    disk.write_atomically(path, &encode_properties(properties)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_read_back_as_they_were_written() {
        let properties =
            Properties::from([("version", "0"), ("cluster.id", "a=b")].map(|(k, v)| (k.to_owned(), v.to_owned())));
        let bytes = encode_properties(&properties);
        assert_eq!(bytes, b"cluster.id=a=b\nversion=0\n");
        assert_eq!(decode_properties(&bytes), Ok(properties.clone()));
        let commented = [b"#\n#Sun Nov 22\n\n".as_slice(), &bytes].concat();
        assert_eq!(decode_properties(&commented), Ok(properties));
        assert_eq!(decode_properties(b"version\n").unwrap_err().line, 1);
    }
}
