//! From tokens to a filter. An invalid comparison is recorded and parsing continues; a syntax error ends it.

use super::tokens::{Kind, Token, placed, tokens};
use super::{Comparison, Fields, Filter, FilterError};

/// Maximum nesting of parentheses and NOT.
const DEPTH_MAX: u32 = 20;
/// Maximum number of comparisons and search texts: the database evaluates each of them for each row.
const TERMS_MAX: u32 = 20;

/// Parses a filter.
pub(super) fn parse<F: Fields>(text: &str) -> Result<Filter<F>, FilterError> {
    let tokens = tokens(text).map_err(|problem| FilterError(vec![problem]))?;
    if tokens.is_empty() {
        return Ok(Filter::All);
    }
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), depth: 0, terms: 0, problems: Vec::new() };
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
    terms: u32,
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
        self.tokens.next_if(|token| matches!(&token.kind, Kind::Word(found) if found == word)).is_some()
    }

    /// Consumes a token of this kind, and returns its position.
    fn take(&mut self, kind: &Kind) -> Option<usize> {
        self.tokens.next_if(|token| token.kind == *kind).map(|token| token.at)
    }

    /// Terms joined by AND, explicit or implied.
    fn sequence<F: Fields>(&mut self) -> Result<Filter<F>, String> {
        let mut parts = vec![self.choice()?];
        loop {
            let joined = self.keyword("AND");
            if !joined && matches!(self.tokens.peek(), None | Some(Token { kind: Kind::Close, .. })) {
                return Ok(one_or(parts, Filter::And));
            }
            parts.push(self.choice()?);
        }
    }

    /// Terms joined by OR, which binds more tightly than AND (AIP-160).
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
            return Err(format!("is nested more than {DEPTH_MAX} levels deep"));
        }
        let part = if self.keyword("NOT") || self.take(&Kind::Minus).is_some() {
            Filter::Not(Box::new(self.part()?))
        } else if let Some(at) = self.take(&Kind::Open) {
            let inner = self.sequence()?;
            self.take(&Kind::Close).ok_or_else(|| placed("has a parenthesis that is never closed", at))?;
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(part)
    }

    fn comparison<F: Fields>(&mut self) -> Result<Filter<F>, String> {
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(format!("has more than {TERMS_MAX} terms"));
        }
        let token = self.tokens.next().ok_or("ends unexpectedly")?;
        let at = token.at;
        let word = match token.kind {
            Kind::Word(word) if !matches!(word.as_str(), "AND" | "OR") => word,
            Kind::Quoted(text) => return Ok(Filter::Text(text)),
            _ => return Err(unexpected::<F>(&token)),
        };
        let (comparison, negated) = match self.tokens.peek() {
            Some(Token { kind: Kind::Compare(comparison), .. }) => (*comparison, false),
            Some(Token { kind: Kind::NotEqual, .. }) => (Comparison::Equal, true),
            _ => return search(word).map_err(|problem| placed(&problem, at)),
        };
        self.tokens.next();
        let value = match self.tokens.next() {
            Some(Token { kind: Kind::Word(value) | Kind::Quoted(value), .. }) => value,
            Some(token) => return Err(unexpected::<F>(&token)),
            None => return Err(placed(&format!("has no value after \"{word}\""), at)),
        };
        let compared = match F::compare(&word, comparison, &value) {
            Ok(field) => Filter::Field(field),
            Err(problem) => {
                self.problems.push(placed(&problem, at));
                Filter::All
            }
        };
        Ok(if negated { Filter::Not(Box::new(compared)) } else { compared })
    }
}

/// A bare word searches, unless the author most likely meant something else.
fn search<F>(word: String) -> Result<Filter<F>, String> {
    if matches!(word.as_str(), "and" | "or" | "not") {
        return Err(format!(
            "has \"{word}\" in lower case: write {}, or quote it to search for it",
            word.to_uppercase()
        ));
    }
    if word.contains('*') {
        return Err(format!("searches for \"{word}\": a search cannot contain \"*\"; quote it, or compare a field"));
    }
    Ok(Filter::Text(word))
}

fn unexpected<F: Fields>(token: &Token) -> String {
    let problem = format!("has an unexpected {}; example: {}", token.kind.shown(), F::EXAMPLE);
    placed(&problem, token.at)
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
