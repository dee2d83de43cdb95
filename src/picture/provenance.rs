//! Provenance: how a picture was made, stored in the picture.
//!
//! PNG stores it as a text (iTXt) named `impasto`; JPEG, WebP and TIFF as the property `impasto:made` of an XMP packet
//! (ISO 16684-1). Both hold one JSON object.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::error::PictureError;
use crate::escape::is_hostile;

/// The name of PNG's text.
pub(super) const KEYWORD: &str = "impasto";

/// The prefix of XMP in a JPEG segment.
pub(super) const XMP_SEGMENT: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// The tag of XMP in TIFF.
pub(super) const XMP_TAG: u16 = 700;

/// How a picture was made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Provenance {
    /// The version of impasto.
    pub version: String,
    /// The words after `impasto` on the command line.
    pub arguments: Vec<String>,
    /// All settings by name, including defaults.
    pub settings: Map<String, Value>,
    /// The hash of the weights, such as `sha256:…`.
    pub weights: Option<String>,
}

impl Provenance {
    /// The provenance of a picture made by this version of impasto with these words after `impasto` on the command
    /// line.
    pub fn new(arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// The command that makes the picture again, quoted for a POSIX shell.
    pub fn as_command(&self) -> String {
        let words = self.arguments.iter().map(|word| quoted(word));
        std::iter::once("impasto".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
    }

    /// How a picture was made; `None` if it does not record it.
    ///
    /// # Errors
    /// If the file cannot be opened or is not a supported picture.
    pub fn read(path: &Path) -> Result<Option<Self>, PictureError> {
        Ok(super::read::made(path)?.and_then(|text| Self::from_json(&text)))
    }

    /// One JSON object, in which nothing is special to XML.
    pub(super) fn to_json(&self) -> String {
        let object = json!({
            "impasto": self.version,
            "arguments": self.arguments,
            "settings": self.settings,
            "weights": self.weights,
        });
        // In JSON, these occur only in strings, where they may be escaped.
        object.to_string().replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
    }

    fn from_json(text: &str) -> Option<Self> {
        let mut object = serde_json::from_str::<Map<String, Value>>(text).ok()?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some(Self {
            version: text(object.get("impasto")?)?,
            arguments: object.get("arguments")?.as_array()?.iter().map(text).collect::<Option<_>>()?,
            settings: match object.remove("settings") {
                Some(Value::Object(settings)) => settings,
                _ => Map::new(),
            },
            weights: object.get("weights").and_then(text),
        })
    }

    /// An XMP packet.
    pub(super) fn to_xmp(&self) -> String {
        format!(
            "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\
             <x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
             <rdf:Description rdf:about=\"\" xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\" \
             xmlns:impasto=\"urn:impasto:1\"><xmp:CreatorTool>impasto {}</xmp:CreatorTool>\
             <impasto:made>{}</impasto:made></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end=\"r\"?>",
            self.version,
            self.to_json()
        )
    }
}

/// The JSON object within an XMP packet.
pub(super) fn in_xmp(packet: &[u8]) -> Option<String> {
    let packet = String::from_utf8_lossy(packet);
    let (_, rest) = packet.split_once("<impasto:made>")?;
    let (text, _) = rest.split_once("</impasto:made>")?;
    // Programs that rewrite XMP may quote these.
    Some(text.replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&"))
}

/// A word quoted for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into()
    } else if word.contains(is_hostile) {
        printed(word)
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A word with control characters, written as a `printf` of octal escapes.
fn printed(word: &str) -> String {
    // Line ends at the end would be lost.
    let body = word.trim_end_matches('\n');
    let mut bytes = [0; 4];
    let mut octal =
        |c: char| c.encode_utf8(&mut bytes).bytes().fold(String::new(), |text, byte| text + &format!("\\{byte:03o}"));
    let escaped: String = body
        .chars()
        .map(|c| match c {
            '%' => "%%".to_owned(),
            '\\' | '\'' | '-' => octal(c),
            _ if is_hostile(c) => octal(c),
            _ => c.to_string(),
        })
        .collect();
    format!("\"$(printf '{escaped}')\"{}", r"$'\n'".repeat(word.len() - body.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_quoted_words_for_what_they_were() {
        let words = [
            "plain-1.png",
            "",
            "two words",
            "it's",
            "$HOME `x` \"y\" \\",
            "ä",
            "a\nb",
            "%d\u{1b}[31m\\n'\u{9b}\u{202e}\t€",
            "-o",
            "relu1_1=0.5,relu2_1",
        ];
        let line = Provenance::new(words).as_command();
        assert!(!line.contains(is_hostile), "{line}");
        let script = format!("{} ", line.replacen("impasto", "printf '%s\\0'", 1));
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let back = output.stdout.split(|&byte| byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
        assert_eq!(back.take(words.len()).collect::<Vec<_>>(), words);
    }

    #[test]
    fn xml_and_json_keep_every_letter() {
        let mut made = Provenance::new(["transfer", "<&>\"'.png", "]]>", "ä€😀\n"]);
        made.weights = Some("sha256:00".into());
        made.settings.insert("size".into(), 512.into());
        made.settings.insert("init".into(), "content & more".into());
        assert_eq!(Provenance::from_json(&made.to_json()).as_ref(), Some(&made));
        assert_eq!(in_xmp(made.to_xmp().as_bytes()).and_then(|text| Provenance::from_json(&text)), Some(made));
    }
}
