//! The words and signs of a filter.

use std::str::Chars;

use super::Comparison;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Quoted(String),
    Compare(Comparison),
    Differs,
    Open,
    Close,
    Minus,
}

impl Token {
    /// As people wrote it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Word(word) => format!("\"{word}\""),
            Self::Quoted(text) => format!("the text \"{text}\""),
            Self::Compare(Comparison::Equal) => "\"=\"".into(),
            Self::Compare(Comparison::Less) => "\"<\"".into(),
            Self::Compare(Comparison::AtMost) => "\"<=\"".into(),
            Self::Compare(Comparison::Greater) => "\">\"".into(),
            Self::Compare(Comparison::AtLeast) => "\">=\"".into(),
            Self::Differs => "\"!=\"".into(),
            Self::Open => "\"(\"".into(),
            Self::Close => "\")\"".into(),
            Self::Minus => "\"-\"".into(),
        }
    }
}

/// All of a text's tokens.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.chars();
    loop {
        let before = rest.clone();
        let Some(c) = rest.next() else { return Ok(tokens) };
        tokens.push(match c {
            c if c.is_whitespace() => continue,
            '=' => Token::Compare(Comparison::Equal),
            '<' if follows(&mut rest, '=') => Token::Compare(Comparison::AtMost),
            '<' => Token::Compare(Comparison::Less),
            '>' if follows(&mut rest, '=') => Token::Compare(Comparison::AtLeast),
            '>' => Token::Compare(Comparison::Greater),
            '!' if follows(&mut rest, '=') => Token::Differs,
            '(' => Token::Open,
            ')' => Token::Close,
            '-' => Token::Minus,
            '"' | '\'' => Token::Quoted(quoted(&mut rest, c)?),
            '!' | ':' | ',' => {
                return Err(format!(
                    "has \"{c}\": the comparisons are =, !=, <, <=, > and >=; other texts go in quotes"
                ));
            }
            _ => {
                let word: String = before.take_while(|c| !c.is_whitespace() && !"=!()<>:,\"'".contains(*c)).collect();
                rest.by_ref().take(word.chars().count() - 1).for_each(drop);
                Token::Word(word)
            }
        });
    }
}

/// Takes the next character if it is that one.
fn follows(rest: &mut Chars<'_>, wanted: char) -> bool {
    let mut ahead = rest.clone();
    let there = ahead.next() == Some(wanted);
    if there {
        *rest = ahead;
    }
    there
}

fn quoted(rest: &mut Chars<'_>, quote: char) -> Result<String, String> {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match c {
            '\\' => text.extend(rest.next()),
            c if c == quote => return Ok(text),
            c => text.push(c),
        }
    }
    Err("has a quotation mark that is never closed".into())
}
