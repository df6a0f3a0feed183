//! Filters of lists: the part of AIP-160 that stores need. `state = READY AND (engine = x OR plan != small) coffee`.

use std::str::Chars;

use crate::store::{State, Store};

/// Longest filter, in bytes.
const LENGTH_MAX: usize = 1000;
/// Deepest nesting of parentheses and NOT.
const DEPTH_MAX: u32 = 20;

/// Why a filter cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FilterError(pub String);

/// What can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The engine's name.
    Engine,
    /// The plan's name.
    Plan,
    /// The store's id.
    StoreId,
    /// The shop's name.
    DisplayName,
}

/// A filter, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Everything.
    All,
    /// In that state.
    State(State),
    /// A field has exactly this text.
    Equals(Field, String),
    /// Id or name contain the text, in upper or lower case.
    Text(String),
    /// Not this.
    Not(Box<Self>),
    /// All of these.
    And(Vec<Self>),
    /// One of these.
    Or(Vec<Self>),
}

impl Filter {
    /// Reads a filter; an empty one means everything.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.len() > LENGTH_MAX {
            return Err(FilterError(format!("must be at most {LENGTH_MAX} bytes, has {}", text.len())));
        }
        let tokens = tokens(text)?;
        if tokens.is_empty() {
            return Ok(Self::All);
        }
        let mut parser = Parser { tokens: tokens.into_iter().peekable(), depth: 0 };
        let filter = parser.sequence()?;
        match parser.tokens.next() {
            None => Ok(filter),
            Some(token) => Err(unexpected(&token)),
        }
    }

    /// True if it says something about this state: lists leave DELETED out unless they are asked for it.
    pub fn names(&self, state: State) -> bool {
        match self {
            Self::State(named) => *named == state,
            Self::Not(inner) => inner.names(state),
            Self::And(parts) | Self::Or(parts) => parts.iter().any(|part| part.names(state)),
            Self::All | Self::Equals(..) | Self::Text(_) => false,
        }
    }

    /// True if it says something about any state.
    pub fn names_states(&self) -> bool {
        State::ALL.into_iter().any(|state| self.names(state))
    }
}

impl Filter {
    /// True if a store matches. The same as the database's answer.
    pub fn matches(&self, store: &Store) -> bool {
        match self {
            Self::All => true,
            Self::State(state) => store.state == *state,
            Self::Equals(field, value) => {
                let actual = match field {
                    Field::Engine => &store.spec.engine,
                    Field::Plan => &store.spec.plan,
                    Field::StoreId => store.id.as_str(),
                    Field::DisplayName => &store.spec.display_name,
                };
                actual == value
            }
            Self::Text(text) => {
                let wanted = text.to_lowercase();
                store.id.as_str().contains(&wanted) || store.spec.display_name.to_lowercase().contains(&wanted)
            }
            Self::Not(inner) => !inner.matches(store),
            Self::And(parts) => parts.iter().all(|part| part.matches(store)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(store)),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Equals,
    Differs,
    Open,
    Close,
    Minus,
}

fn unexpected(token: &Token) -> FilterError {
    let text = match token {
        Token::Word(word) => format!("\"{word}\""),
        Token::Quoted(text) => format!("the text \"{text}\""),
        Token::Equals => "\"=\"".into(),
        Token::Differs => "\"!=\"".into(),
        Token::Open => "\"(\"".into(),
        Token::Close => "\")\"".into(),
        Token::Minus => "\"-\"".into(),
    };
    FilterError(format!(
        "has {text} where it makes no sense; write for example: state = READY AND engine = woocommerce"
    ))
}

fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    let mut tokens = Vec::new();
    let mut rest = text.chars();
    loop {
        let before = rest.clone();
        let Some(c) = rest.next() else { return Ok(tokens) };
        tokens.push(match c {
            c if c.is_whitespace() => continue,
            '=' => Token::Equals,
            '!' if rest.next() == Some('=') => Token::Differs,
            '(' => Token::Open,
            ')' => Token::Close,
            '-' => Token::Minus,
            '"' | '\'' => Token::Quoted(quoted(&mut rest, c)?),
            '!' | '<' | '>' | ':' | ',' => {
                return Err(FilterError(format!("has \"{c}\"; the comparisons are = and !=")));
            }
            _ => {
                let word: String = before.take_while(|c| !c.is_whitespace() && !"=!()<>:,\"'".contains(*c)).collect();
                rest.by_ref().take(word.chars().count() - 1).for_each(drop);
                Token::Word(word)
            }
        });
    }
}

fn quoted(rest: &mut Chars<'_>, quote: char) -> Result<String, FilterError> {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match c {
            '\\' => text.extend(rest.next()),
            c if c == quote => return Ok(text),
            c => text.push(c),
        }
    }
    Err(FilterError("has a quotation mark that is never closed".into()))
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    depth: u32,
}

impl Parser {
    fn keyword(&mut self, word: &str) -> bool {
        self.tokens.next_if(|token| matches!(token, Token::Word(found) if found == word)).is_some()
    }

    /// Parts joined by AND, or just put side by side.
    fn sequence(&mut self) -> Result<Filter, FilterError> {
        let mut parts = vec![self.choice()?];
        loop {
            let joined = self.keyword("AND");
            if !joined && matches!(self.tokens.peek(), None | Some(Token::Close)) {
                return Ok(one_or(parts, Filter::And));
            }
            parts.push(self.choice()?);
        }
    }

    /// Parts joined by OR, which binds more tightly than AND (AIP-160).
    fn choice(&mut self) -> Result<Filter, FilterError> {
        let mut parts = vec![self.part()?];
        while self.keyword("OR") {
            parts.push(self.part()?);
        }
        Ok(one_or(parts, Filter::Or))
    }

    fn part(&mut self) -> Result<Filter, FilterError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(FilterError(format!("is nested more than {DEPTH_MAX} deep")));
        }
        let part = if self.keyword("NOT") || self.tokens.next_if_eq(&Token::Minus).is_some() {
            Filter::Not(Box::new(self.part()?))
        } else if self.tokens.next_if_eq(&Token::Open).is_some() {
            let inner = self.sequence()?;
            self.tokens
                .next_if_eq(&Token::Close)
                .ok_or_else(|| FilterError("has a parenthesis that is never closed".into()))?;
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(part)
    }

    fn comparison(&mut self) -> Result<Filter, FilterError> {
        let word = match self.tokens.next() {
            Some(Token::Word(word)) if !matches!(word.as_str(), "AND" | "OR") => word,
            Some(Token::Quoted(text)) => return Ok(Filter::Text(text)),
            Some(token) => return Err(unexpected(&token)),
            None => return Err(FilterError("ends in the middle".into())),
        };
        let negated = match self.tokens.peek() {
            Some(Token::Equals) => false,
            Some(Token::Differs) => true,
            _ => return Ok(Filter::Text(word)),
        };
        self.tokens.next();
        let value = match self.tokens.next() {
            Some(Token::Word(value) | Token::Quoted(value)) => value,
            Some(token) => return Err(unexpected(&token)),
            None => return Err(FilterError(format!("has no value after \"{word}\""))),
        };
        let equals = equals(&word, value)?;
        Ok(if negated { Filter::Not(Box::new(equals)) } else { equals })
    }
}

fn equals(field: &str, value: String) -> Result<Filter, FilterError> {
    let field = match field {
        "state" => {
            let names: Vec<_> = State::ALL.into_iter().map(State::as_str).collect();
            let state = State::parse(&value);
            return state
                .map(Filter::State)
                .ok_or_else(|| FilterError(format!("state must be one of: {}", names.join(", "))));
        }
        "engine" => Field::Engine,
        "plan" => Field::Plan,
        "store_id" => Field::StoreId,
        "display_name" => Field::DisplayName,
        other => {
            return Err(FilterError(format!(
                "has no field \"{other}\"; the fields are state, engine, plan, store_id, display_name"
            )));
        }
    };
    Ok(Filter::Equals(field, value))
}

fn one_or(mut parts: Vec<Filter>, many: impl FnOnce(Vec<Filter>) -> Filter) -> Filter {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            many(parts)
        }
        None => Filter::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn or_binds_more_tightly_than_and() {
        let filter = Filter::parse("engine = woocommerce state = READY OR state = FAILED").expect("good");
        assert_eq!(
            filter,
            Filter::And(vec![
                Filter::Equals(Field::Engine, "woocommerce".into()),
                Filter::Or(vec![Filter::State(State::Ready), Filter::State(State::Failed)]),
            ])
        );
    }

    #[test]
    fn words_and_quotes_search() {
        assert_eq!(Filter::parse("coffee"), Ok(Filter::Text("coffee".into())));
        assert_eq!(Filter::parse("\"a \\\" b\""), Ok(Filter::Text("a \" b".into())));
        assert_eq!(Filter::parse("-my-shop"), Ok(Filter::Not(Box::new(Filter::Text("my-shop".into())))));
        assert_eq!(Filter::parse(" \t"), Ok(Filter::All));
    }

    #[test]
    fn only_a_filter_that_names_deleted_lists_it() {
        assert!(Filter::parse("NOT state = DELETED").expect("good").names(State::Deleted));
        assert!(!Filter::parse("state = READY").expect("good").names(State::Deleted));
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for bad in [
            "state >",
            "state = SLEEPY",
            "price = 3",
            "(",
            ")",
            "a OR",
            "NOT",
            "= x",
            "\"",
            "state =",
            "a AND",
            &"(".repeat(50),
            &"x".repeat(1001),
            "!",
        ] {
            let error = Filter::parse(bad).expect_err(bad);
            assert!(!error.0.is_empty());
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            let _ = Filter::parse(&text);
        }
    }
}
