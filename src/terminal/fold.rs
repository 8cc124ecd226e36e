//! Lines for a terminal of some width: broken between words, and gone on with under what they belong to.

use console::measure_text_width;

/// `line` in pieces no wider than `width` columns; all but the first begin `hang` columns in. A command in backticks
/// stays whole where it fits on a line, and a word that is too long for one is left to the terminal, so that it can
/// still be copied.
pub fn fold(line: &str, width: usize, hang: usize) -> Vec<String> {
    if measure_text_width(line) <= width {
        return vec![line.to_owned()];
    }
    let room = width.saturating_sub(hang);
    let mut lines: Vec<String> = Vec::new();
    let mut current = String::new();
    for (gap, word) in words(line, room) {
        let piece = format!("{}{word}", " ".repeat(gap));
        let begun = !current.trim().is_empty();
        if begun && measure_text_width(&current) + measure_text_width(&piece) > width {
            lines.push(std::mem::replace(&mut current, format!("{}{word}", " ".repeat(hang))));
        } else {
            current.push_str(&piece);
        }
    }
    lines.push(current);
    lines
}

/// The same for tables, whose lines must fit: a word that is too long is broken as well. Without colours only.
pub fn fold_hard(text: &str, width: usize, hang: usize) -> Vec<String> {
    let room = width.saturating_sub(hang).max(1);
    let mut lines = Vec::new();
    for line in fold(text, width, hang) {
        let (mut rest, mut wide) = (line.as_str(), width.max(1));
        let mut indent = 0;
        while measure_text_width(rest) > wide {
            let cut = cut(rest, wide);
            lines.push(format!("{}{}", " ".repeat(indent), &rest[..cut]));
            (rest, wide, indent) = (&rest[cut..], room, hang);
        }
        lines.push(format!("{}{rest}", " ".repeat(indent)));
    }
    lines
}

/// Where the first `width` columns of a text end; at least one character.
fn cut(text: &str, width: usize) -> usize {
    let mut taken = 0;
    for (at, character) in text.char_indices() {
        taken += measure_text_width(character.encode_utf8(&mut [0; 4]));
        if taken > width && at > 0 {
            return at;
        }
    }
    text.len()
}

/// Words with the blanks before each. What stands between backticks is one word when it has room on a line.
fn words(line: &str, room: usize) -> Vec<(usize, String)> {
    let mut words: Vec<(usize, String)> = Vec::new();
    let mut gap = 0;
    for word in line.split(' ') {
        if word.is_empty() {
            gap += 1;
            continue;
        }
        let open = words.last().filter(|(_, last)| last.matches('`').count() % 2 == 1);
        let whole = open.map(|(_, last)| format!("{last}{}{word}", " ".repeat(gap)));
        match whole.filter(|whole| measure_text_width(whole) <= room) {
            Some(whole) => words.last_mut().expect("it was open").1 = whole,
            None => words.push((gap, word.to_owned())),
        }
        gap = 1;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_left_as_it_is() {
        assert_eq!(fold("  ✓ deploy.shift     0.1 s", 60, 4), ["  ✓ deploy.shift     0.1 s"]);
        assert_eq!(fold("", 60, 4), [""]);
    }

    #[test]
    fn a_long_line_is_broken_between_words_and_goes_on_further_in() {
        assert_eq!(
            fold("cause: the disk is full of old things", 20, 2),
            ["cause: the disk is", "  full of old things"]
        );
        assert_eq!(fold("    indented words here", 12, 6), ["    indented", "      words", "      here"]);
    }

    #[test]
    fn a_command_stays_whole_where_it_can() {
        let line = "hint: run `crmctl down local` first, please";
        assert_eq!(fold(line, 28, 2), ["hint: run", "  `crmctl down local` first,", "  please"]);
        assert_eq!(
            fold("x `a very long command line` y", 12, 2),
            ["x `a very", "  long", "  command", "  line` y"]
        );
    }

    #[test]
    fn a_long_word_is_left_whole_for_people_and_broken_in_tables() {
        let line = "see /var/lib/crmctl/local/logs/x.log now";
        assert_eq!(fold(line, 16, 2), ["see", "  /var/lib/crmctl/local/logs/x.log", "  now"]);
        let hard = fold_hard(line, 16, 2);
        assert_eq!(hard.concat().replace(' ', ""), line.replace(' ', ""), "{hard:?}");
        assert!(hard.iter().all(|line| measure_text_width(line) <= 16), "{hard:?}");
    }

    #[test]
    fn width_is_that_of_columns_not_of_bytes_and_colours_have_none() {
        assert_eq!(fold("\u{1b}[31mrot und grün\u{1b}[0m", 12, 2), ["\u{1b}[31mrot und grün\u{1b}[0m"]);
        assert!(fold_hard("漢字漢字漢字漢字", 5, 1).iter().all(|line| measure_text_width(line) <= 5));
    }
}
