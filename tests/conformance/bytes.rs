//! The forms in which the files write bytes: `"text"`, `{"hex": "00ff"}`,
//! `{"repeat": ["61", 70000]}` and `{"concat": [form, …]}`.

use serde_json::{Map, Value};

/// The bytes of one form.
pub fn decode(form: &Value) -> Result<Vec<u8>, String> {
    if let Some(text) = form.as_str() {
        return Ok(text.as_bytes().to_vec());
    }
    let wrong = || format!("{form} is no form of bytes");
    let object = form.as_object().filter(|object| object.len() == 1).ok_or_else(wrong)?;
    if let Some(hex) = object.get("hex").and_then(Value::as_str) {
        return unhex(hex).ok_or_else(wrong);
    }
    if let Some(parts) = object.get("concat").and_then(Value::as_array) {
        return Ok(parts.iter().map(decode).collect::<Result<Vec<_>, _>>()?.concat());
    }
    let pair = object.get("repeat").and_then(Value::as_array).ok_or_else(wrong)?;
    let unit = pair.first().and_then(Value::as_str).and_then(unhex).ok_or_else(wrong)?;
    let count = pair.get(1).and_then(Value::as_u64).ok_or_else(wrong)?;
    Ok(unit.repeat(count as usize))
}

/// The bytes of a form, or nothing for `null`.
pub fn optional(form: &Value) -> Result<Option<Vec<u8>>, String> {
    match form {
        Value::Null => Ok(None),
        form => decode(form).map(Some),
    }
}

/// A field that must be a text.
pub fn text<'a>(object: &'a Map<String, Value>, field: &str) -> Result<&'a str, String> {
    object.get(field).and_then(Value::as_str).ok_or_else(|| format!("{field} is no text"))
}

/// Bytes for a message: the first few, and how many there are.
pub fn shorten(bytes: &[u8]) -> String {
    let head = bytes[..bytes.len().min(24)].escape_ascii();
    format!("\"{head}\" ({} bytes)", bytes.len())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.bytes().map(|c| (c as char).to_digit(16)).collect::<Option<Vec<_>>>()?;
    if digits.len() % 2 != 0 {
        return None;
    }
    Some(digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}
