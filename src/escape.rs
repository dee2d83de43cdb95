//! Escapes untrusted text, such as file names and metadata of pictures, for terminals.

/// Whether a character is dangerous in a terminal: line ends and other control characters, which may contain commands;
/// marks, embeddings, overrides and isolates of direction (Unicode Standard Annex 9), which may reorder text; and
/// invisible characters.
pub fn is_hostile(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    ) || c.is_control()
}

/// Text on one line, with every [hostile](is_hostile) character escaped as in Rust, such as `\n` and `\u{1b}`.
pub fn escaped(text: &str) -> String {
    let escape = |c: char| if is_hostile(c) { c.escape_default().to_string() } else { c.to_string() };
    if text.contains(is_hostile) { text.chars().map(escape).collect() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_commands_a_terminal_is_escaped_and_nothing_else() {
        let plain = "Größe 512×384, 日本語 naïve \u{301} 👩\u{200d}🎨 \\ 'q' \"d\"";
        assert_eq!(escaped(plain), plain);
        let cases = [
            ("a\nb\r\tc", r"a\nb\r\tc"),
            ("\u{1b}[31mred", r"\u{1b}[31mred"),
            ("\u{9b}31m\u{7f}\0", r"\u{9b}31m\u{7f}\u{0}"),
            ("\u{202e}gnp.exe\u{2069}", r"\u{202e}gnp.exe\u{2069}"),
            ("x\u{2028}y\u{e0041}", r"x\u{2028}y\u{e0041}"),
        ];
        for (text, expected) in cases {
            assert_eq!(escaped(text), expected);
        }
    }
}
