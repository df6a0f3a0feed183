//! From tokens to a filter. What is wrong with a comparison is noted and the reading goes on; where the text itself makes
//! no sense it ends.

use super::tokens::{Token, tokens};
use super::{Comparison, Fields, Filter, FilterError};

/// Deepest nesting of parentheses and NOT.
const DEPTH_MAX: u32 = 20;

/// Reads a filter.
pub(super) fn parse<F: Fields>(text: &str) -> Result<Filter<F>, FilterError> {
    let tokens = tokens(text).map_err(|problem| FilterError(vec![problem]))?;
    if tokens.is_empty() {
        return Ok(Filter::All);
    }
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), depth: 0, problems: Vec::new() };
    let filter = parser.whole();
    let mut problems = parser.problems;
    match filter {
        Ok(filter) if problems.is_empty() => Ok(filter),
        Ok(_) => Err(FilterError(problems)),
        Err(problem) => {
            problems.push(problem);
            Err(FilterError(problems))
        }
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    depth: u32,
    problems: Vec<String>,
}

impl Parser {
    fn whole<F: Fields>(&mut self) -> Result<Filter<F>, String> {
        let filter = self.sequence()?;
        match self.tokens.next() {
            None => Ok(filter),
            Some(token) => Err(unexpected::<F>(&token)),
        }
    }

    fn keyword(&mut self, word: &str) -> bool {
        self.tokens.next_if(|token| matches!(token, Token::Word(found) if found == word)).is_some()
    }

    /// Parts joined by AND, or just put side by side.
    fn sequence<F: Fields>(&mut self) -> Result<Filter<F>, String> {
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
    fn choice<F: Fields>(&mut self) -> Result<Filter<F>, String> {
        let mut parts = vec![self.part()?];
        while self.keyword("OR") {
            parts.push(self.part()?);
        }
        Ok(one_or(parts, Filter::Or))
    }

    fn part<F: Fields>(&mut self) -> Result<Filter<F>, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("is nested more than {DEPTH_MAX} deep"));
        }
        let part = if self.keyword("NOT") || self.tokens.next_if_eq(&Token::Minus).is_some() {
            Filter::Not(Box::new(self.part()?))
        } else if self.tokens.next_if_eq(&Token::Open).is_some() {
            let inner = self.sequence()?;
            self.tokens.next_if_eq(&Token::Close).ok_or("has a parenthesis that is never closed")?;
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(part)
    }

    fn comparison<F: Fields>(&mut self) -> Result<Filter<F>, String> {
        let word = match self.tokens.next() {
            Some(Token::Word(word)) if !matches!(word.as_str(), "AND" | "OR") => word,
            Some(Token::Quoted(text)) => return Ok(Filter::Text(text)),
            Some(token) => return Err(unexpected::<F>(&token)),
            None => return Err("ends in the middle".into()),
        };
        let (comparison, negated) = match self.tokens.peek() {
            Some(Token::Compare(comparison)) => (*comparison, false),
            Some(Token::Differs) => (Comparison::Equal, true),
            _ => return Ok(Filter::Text(word)),
        };
        self.tokens.next();
        let value = match self.tokens.next() {
            Some(Token::Word(value) | Token::Quoted(value)) => value,
            Some(token) => return Err(unexpected::<F>(&token)),
            None => return Err(format!("has no value after \"{word}\"")),
        };
        let compared = match F::compare(&word, comparison, &value) {
            Ok(field) => Filter::Field(field),
            Err(problem) => {
                self.problems.push(problem);
                Filter::All
            }
        };
        Ok(if negated { Filter::Not(Box::new(compared)) } else { compared })
    }
}

fn unexpected<F: Fields>(token: &Token) -> String {
    format!("has {} where it makes no sense; write for example: {}", token.shown(), F::EXAMPLE)
}

fn one_or<F>(mut parts: Vec<Filter<F>>, many: impl FnOnce(Vec<Filter<F>>) -> Filter<F>) -> Filter<F> {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            many(parts)
        }
        None => Filter::All,
    }
}
