//! What a file is, by its first bytes. What its server says of it is often wrong and, where the
//! server is not meant to be read by strangers, no protection.

/// How files begin that are pictures or documents, and what they are.
const BEGINNINGS: &[(&[u8], &str)] = &[
    (b"\xFF\xD8\xFF", "image/jpeg"),
    (b"\x89PNG\r\n\x1A\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
];
/// Brands of the ISO base media file format (ISO/IEC 23008-12), after `ftyp`.
const BRANDS: &[(&[u8], &str)] =
    &[(b"heic", "image/heic"), (b"heix", "image/heic"), (b"mif1", "image/heif")];

/// The media type of a picture or PDF; `None` for everything else.
pub(super) fn of(bytes: &[u8]) -> Option<&'static str> {
    if let Some((_, kind)) = BEGINNINGS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Some(kind);
    }
    match (bytes.get(..4)?, bytes.get(4..8)?, bytes.get(8..12)?) {
        (b"RIFF", _, b"WEBP") => Some("image/webp"),
        (_, b"ftyp", brand) => {
            BRANDS.iter().find(|(known, _)| *known == brand).map(|(_, kind)| *kind)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_it_begins_as() {
        for (bytes, kind) in [
            (&b"\xFF\xD8\xFF\xE0"[..], "image/jpeg"),
            (b"\x89PNG\r\n\x1A\n\0\0", "image/png"),
            (b"GIF89a\x01", "image/gif"),
            (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
            (b"\0\0\0\x18ftypheic\0\0\0\0", "image/heic"),
            (b"%PDF-1.7\n", "application/pdf"),
        ] {
            assert_eq!(of(bytes), Some(kind));
        }
        for other in [&b""[..], b"<!doctype html>", b"{\"token\":\"s3cret\"}", b"RIFF\0\0\0\0WAVE"]
        {
            assert_eq!(of(other), None);
        }
    }
}
