//! Reads Rust source just far enough to find the paths that it names.

/// A path, with groups of a `use` taken apart.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    /// Whether it stands in code that is compiled for tests only.
    pub(crate) in_test: bool,
    /// How many modules are opened around it inside the file.
    pub(crate) inline_modules: usize,
}

/// What a file names.
#[derive(Default, Debug)]
pub(crate) struct Scan {
    pub(crate) paths: Vec<Named>,
    /// Modules that it declares as files of their own.
    pub(crate) modules: Vec<(String, usize)>,
    /// Those of them that are compiled for tests only.
    pub(crate) test_modules: Vec<String>,
    /// Lints that it denies at its head.
    pub(crate) denied: Vec<String>,
    /// Lines on which `unsafe` stands.
    pub(crate) unsafe_lines: Vec<usize>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    Word(String),
    /// `::`
    Path,
    Mark(char),
}

/// Cuts source into tokens; comments, strings, characters, lifetimes and numbers are left out.
fn tokens(text: &str) -> Vec<(Token, usize)> {
    let chars: Vec<char> = text.chars().collect();
    let at = |idx: usize| chars.get(idx).copied().unwrap_or('\0');
    let mut found = Vec::new();
    let (mut idx, mut line) = (0, 1);
    while idx < chars.len() {
        let begin = idx;
        match (at(idx), at(idx + 1)) {
            ('/', '/') => idx = position(&chars, idx, |it| it == '\n'),
            ('/', '*') => idx = behind_comment(&chars, idx),
            ('"', _) => idx = behind_string(&chars, idx + 1),
            ('\'', _) => idx = behind_quote(&chars, idx),
            (':', ':') => {
                found.push((Token::Path, line));
                idx += 2;
            }
            (it, _) if it.is_ascii_digit() => {
                idx = position(&chars, idx, |it| !it.is_alphanumeric() && it != '_')
            }
            (it, _) if it.is_alphabetic() || it == '_' => {
                idx = position(&chars, idx, |it| !it.is_alphanumeric() && it != '_');
                let word: String = chars[begin..idx].iter().collect();
                match (word.as_str(), at(idx)) {
                    ("r" | "br" | "cr", '"' | '#') if raw_hashes(&chars, idx).is_some() => {
                        idx = behind_raw(&chars, idx);
                    }
                    ("b" | "c", '"') => idx = behind_string(&chars, idx + 1),
                    ("b", '\'') => idx = behind_quote(&chars, idx),
                    _ => found.push((Token::Word(word), line)),
                }
            }
            (it, _) => {
                if !it.is_whitespace() {
                    found.push((Token::Mark(it), line));
                }
                idx += 1;
            }
        }
        line += chars[begin..idx.min(chars.len())].iter().filter(|it| **it == '\n').count();
    }
    found
}

fn position(chars: &[char], from: usize, stop: impl Fn(char) -> bool) -> usize {
    (from..chars.len()).find(|idx| stop(chars[*idx])).unwrap_or(chars.len())
}

/// Comments nest.
fn behind_comment(chars: &[char], from: usize) -> usize {
    let (mut idx, mut depth) = (from, 0);
    while idx < chars.len() {
        match (chars[idx], chars.get(idx + 1)) {
            ('/', Some('*')) => (depth, idx) = (depth + 1, idx + 2),
            ('*', Some('/')) => (depth, idx) = (depth - 1, idx + 2),
            _ => idx += 1,
        }
        if depth == 0 {
            break;
        }
    }
    idx
}

fn behind_string(chars: &[char], from: usize) -> usize {
    let mut idx = from;
    while idx < chars.len() && chars[idx] != '"' {
        idx += if chars[idx] == '\\' { 2 } else { 1 };
    }
    idx + 1
}

fn raw_hashes(chars: &[char], from: usize) -> Option<usize> {
    let end = position(chars, from, |it| it != '#');
    (chars.get(end) == Some(&'"')).then_some(end - from)
}

fn behind_raw(chars: &[char], from: usize) -> usize {
    let hashes = raw_hashes(chars, from).unwrap_or(0);
    let mut idx = from + hashes + 1;
    while idx < chars.len() {
        let closes = chars[idx] == '"' && (1..=hashes).all(|it| chars.get(idx + it) == Some(&'#'));
        if closes {
            return idx + hashes + 1;
        }
        idx += 1;
    }
    idx
}

/// A character, or a lifetime.
fn behind_quote(chars: &[char], from: usize) -> usize {
    let from = position(chars, from, |it| it == '\'') + 1;
    match (chars.get(from), chars.get(from + 1)) {
        (Some('\\'), _) => position(chars, from + 2, |it| it == '\'') + 1,
        (Some(_), Some('\'')) => from + 2,
        _ => position(chars, from, |it| !it.is_alphanumeric() && it != '_'),
    }
}

/// What a brace opened.
#[derive(Clone, Copy)]
struct Frame {
    is_module: bool,
    is_test: bool,
}

/// Finds what a file names.
pub(crate) fn scan(text: &str) -> Scan {
    let tokens = tokens(text);
    let word = |idx: usize| match tokens.get(idx) {
        Some((Token::Word(word), _)) => word.as_str(),
        _ => "",
    };
    let is = |idx: usize, mark: char| tokens.get(idx).is_some_and(|(token, _)| *token == Token::Mark(mark));
    let is_path = |idx: usize| tokens.get(idx).is_some_and(|(token, _)| *token == Token::Path);
    let mut scan = Scan::default();
    let mut frames: Vec<Frame> = Vec::new();
    let (mut idx, mut in_use, mut next_is_test, mut file_is_test) = (0, false, false, false);
    while let Some((token, line)) = tokens.get(idx) {
        let in_test = file_is_test || next_is_test || frames.iter().any(|it| it.is_test);
        match token {
            Token::Mark('#') => {
                let is_inner = is(idx + 1, '!');
                let open = idx + 1 + usize::from(is_inner);
                if word(open + 1) == "cfg" {
                    let inside = (open..).take_while(|it| *it < tokens.len() && !is(*it, ']'));
                    let words: Vec<_> = inside.map(&word).collect();
                    let is_test = words.contains(&"test") && !words.contains(&"not");
                    if is_inner { file_is_test |= is_test } else { next_is_test |= is_test }
                }
                if is_inner && word(open + 1) == "deny" {
                    let inside = (open..).take_while(|it| *it < tokens.len() && !is(*it, ']'));
                    scan.denied
                        .extend(inside.filter(|it| word(*it) == "clippy").map(|it| word(it + 2).to_owned()));
                }
            }
            Token::Mark('{') => {
                let is_module = word(idx.wrapping_sub(2)) == "mod";
                frames.push(Frame { is_module, is_test: std::mem::take(&mut next_is_test) });
            }
            Token::Mark('}') => drop(frames.pop()),
            Token::Mark(';') => (in_use, next_is_test) = (false, false),
            Token::Word(it) if it == "use" => in_use = true,
            Token::Word(it) if it == "unsafe" => scan.unsafe_lines.push(*line),
            Token::Word(it) if it == "mod" && is(idx + 2, ';') => {
                scan.modules.push((word(idx + 1).to_owned(), *line));
                if in_test {
                    scan.test_modules.push(word(idx + 1).to_owned());
                }
            }
            Token::Word(it) if it == "as" => idx += usize::from(in_use),
            Token::Word(_) if !is_path(idx.wrapping_sub(1)) || word(idx.wrapping_sub(2)).is_empty() => {
                let mut found = Vec::new();
                let end = expand(&tokens, idx, &mut Vec::new(), &mut found);
                let inline_modules = frames.iter().filter(|it| it.is_module).count();
                for (segments, line) in found {
                    if segments.len() > 1 || in_use {
                        scan.paths.push(Named { segments, line, in_test, inline_modules });
                    }
                }
                idx = end - 1;
            }
            Token::Word(_) | Token::Path | Token::Mark(_) => {}
        }
        idx += 1;
    }
    scan
}

/// Takes a path apart, and the groups inside it. Returns the place behind it.
fn expand(
    tokens: &[(Token, usize)],
    from: usize,
    prefix: &mut Vec<String>,
    found: &mut Vec<(Vec<String>, usize)>,
) -> usize {
    let depth = prefix.len();
    let mut idx = from;
    let line = tokens.get(from).map_or(0, |it| it.1);
    loop {
        match tokens.get(idx) {
            Some((Token::Word(word), _)) => {
                if word != "self" || prefix.is_empty() {
                    prefix.push(word.clone());
                }
                idx += 1;
            }
            Some((Token::Mark('*'), _)) if idx > from => {
                prefix.push("*".to_owned());
                idx += 1;
            }
            Some((Token::Mark('{'), _)) if idx > from => {
                idx += 1;
                while !matches!(tokens.get(idx), None | Some((Token::Mark('}'), _))) {
                    idx = match tokens.get(idx) {
                        Some((Token::Word(word), _)) if word == "as" => idx + 2,
                        Some((Token::Word(_), _)) => expand(tokens, idx, prefix, found),
                        Some((Token::Mark('*'), line)) => {
                            found.push(([prefix.as_slice(), &["*".to_owned()]].concat(), *line));
                            idx + 1
                        }
                        _ => idx + 1,
                    };
                }
                prefix.truncate(depth);
                return idx + 1;
            }
            _ => break,
        }
        if !matches!(tokens.get(idx), Some((Token::Path, _))) {
            break;
        }
        idx += 1;
    }
    found.push((prefix.clone(), line));
    prefix.truncate(depth);
    idx.max(from + 1)
}
