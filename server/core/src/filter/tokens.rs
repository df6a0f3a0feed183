//! The tokens of a filter, each with its position.

use std::iter::Peekable;
use std::str::Chars;

use super::Comparison;

/// A token and the position of its first character, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Word(String),
    Quoted(String),
    Compare(Comparison),
    NotEqual,
    Open,
    Close,
    Minus,
}

impl Kind {
    /// The token as written by the caller.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Word(word) => format!("\"{word}\""),
            Self::Quoted(text) => format!("the text \"{text}\""),
            Self::Compare(comparison) => format!("\"{}\"", comparison.sign()),
            Self::NotEqual => "\"!=\"".into(),
            Self::Open => "\"(\"".into(),
            Self::Close => "\")\"".into(),
            Self::Minus => "\"-\"".into(),
        }
    }
}

/// Adds the position to an error.
pub(super) fn placed(problem: &str, at: usize) -> String {
    format!("{problem} (at character {at})")
}

/// Splits a text into tokens.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut reader = Reader { rest: text.chars().peekable(), at: 0 };
    let mut tokens = Vec::new();
    while let Some(c) = reader.next() {
        if c.is_whitespace() {
            continue;
        }
        let at = reader.at;
        let kind = reader.token(c).map_err(|problem| placed(&problem, at))?;
        tokens.push(Token { at, kind });
    }
    Ok(tokens)
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    at: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        self.next_if(|_| true)
    }

    fn next_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        let next = self.rest.next_if(|c| wanted(*c));
        self.at += usize::from(next.is_some());
        next
    }

    fn token(&mut self, first: char) -> Result<Kind, String> {
        let equals = |reader: &mut Self| reader.next_if(|c| c == '=').is_some();
        Ok(match first {
            '=' => Kind::Compare(Comparison::Equal),
            ':' => Kind::Compare(Comparison::Has),
            '<' if equals(self) => Kind::Compare(Comparison::AtMost),
            '<' => Kind::Compare(Comparison::Less),
            '>' if equals(self) => Kind::Compare(Comparison::AtLeast),
            '>' => Kind::Compare(Comparison::Greater),
            '!' if equals(self) => Kind::NotEqual,
            '(' => Kind::Open,
            ')' => Kind::Close,
            '-' => Kind::Minus,
            '"' | '\'' => Kind::Quoted(self.quoted(first)?),
            '!' | ',' => {
                return Err(format!("has \"{first}\": the operators are =, !=, <, <=, >, >= and :; quote other text"));
            }
            _ => self.word(first)?,
        })
    }

    fn word(&mut self, first: char) -> Result<Kind, String> {
        let mut word = String::from(first);
        while let Some(c) = self.next_if(|c| !c.is_whitespace() && !"=!()<>:,\"'".contains(c)) {
            word.push(c);
        }
        let keyword = matches!(word.as_str(), "AND" | "OR" | "NOT");
        if self.rest.peek() == Some(&'(') && !keyword {
            return Err(format!("has the function \"{word}(...)\": functions are not supported"));
        }
        Ok(Kind::Word(word))
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut text = String::new();
        while let Some(c) = self.next() {
            match c {
                '\\' => text.extend(self.next()),
                c if c == quote => return Ok(text),
                c => text.push(c),
            }
        }
        Err("has a quotation mark that is never closed".into())
    }
}
