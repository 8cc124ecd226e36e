//! The grammar of assertions. Everything that can be refused is refused when the file is read.
//!
//! ```text
//! assertion = target predicate [ "if" variable ]
//! target    = "status" | "duration_ms" | "body" | "header" string | path | path "count"
//! predicate = "exists" | "not exists" | ("==" "!=" "<" "<=" ">" ">=") value
//!           | ["not"] "in" "[" value,* "]" | ["not"] "contains" value | "starts_with" value
//!           | "is" ["not"] type
//! ```

use serde_json::Value as Json;
use serde_json_path::JsonPath;

use super::lexer::{Lexer, Problem};
use super::{Assertion, Operand, Operator, Predicate, Query, TYPES, Target, Type};
use crate::strict::{Review, Text, suggestion};
use crate::template::{Reference, Template};

const OPERATORS: [(&str, Operator); 6] = [
    ("==", Operator::Equal),
    ("!=", Operator::Unequal),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

const PREDICATES: &str = "predicates: == != < <= > >=, in […], contains, starts_with, exists, is <type>, \
                          each but the comparisons also with `not`";

impl Assertion {
    /// Reads one assertion; what is wrong is noted in `review`.
    pub(crate) fn read(text: &Text, review: &Review<'_>) -> Option<Self> {
        let parser = Parser { lexer: Lexer::new(text.as_str()), text, review };
        match parser.assertion() {
            Ok(assertion) => Some(assertion),
            Err(problem) => {
                review.note(text.place(problem.range), problem.message, problem.hint);
                None
            }
        }
    }
}

impl Query {
    /// Reads a JSONPath that is a whole string of the file, as captures are.
    pub(crate) fn read(text: &Text, review: &Review<'_>) -> Option<Self> {
        match query(text.as_str(), 0) {
            Ok(query) => Some(query),
            Err(problem) => {
                review.note(text.place(problem.range), problem.message, problem.hint);
                None
            }
        }
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    text: &'a Text,
    review: &'a Review<'a>,
}

impl Parser<'_> {
    fn assertion(mut self) -> Result<Assertion, Problem> {
        let target = self.target()?;
        let from = self.lexer.at;
        let predicate = self.predicate()?;
        fits(&target, &predicate).map_err(|message| Problem::new(from..self.lexer.at, message, None))?;
        let condition = self.condition()?;
        if !self.lexer.is_done() {
            let range = self.lexer.at..self.text.as_str().len();
            return Err(Problem::new(range, format!("`{}` is left over", self.lexer.rest()), None));
        }
        let source = self.text.as_str();
        let source =
            source.rsplit_once(" if ").filter(|_| condition.is_some()).map_or(source, |(said, _)| said);
        // Its references are those of the operands, which are reviewed there.
        let source = Template::read_part(source.trim(), &|range| range, &Review::of(source));
        Ok(Assertion { source, target, predicate, condition })
    }

    /// References inside `value`, which begins `offset` bytes into the assertion.
    fn template(&self, value: &str, offset: usize) -> Template {
        let place = |range: std::ops::Range<usize>| self.text.place(range.start + offset..range.end + offset);
        Template::read_part(value, &place, self.review)
    }

    fn target(&mut self) -> Result<Target, Problem> {
        if self.lexer.rest().starts_with('$') {
            let (path, range) = self.lexer.path();
            let query = query(path, range.start)?;
            return Ok(if self.lexer.take("count") { Target::Count(query) } else { Target::Json(query) });
        }
        let here = self.lexer.here();
        let (word, range) = self.lexer.word();
        match word {
            "status" => Ok(Target::Status),
            "duration_ms" => Ok(Target::DurationMs),
            "body" => Ok(Target::Body),
            "header" => self.header(),
            "" => Err(Problem::new(here, "an assertion should stand here", targets())),
            typed => {
                let known = ["status", "header", "body", "duration_ms"];
                let hint = crate::strict::nearest(typed, known).map(|word| format!("did you mean `{word}`?"));
                Err(Problem::new(range, format!("`{typed}` is nothing an answer has"), hint.or_else(targets)))
            }
        }
    }

    fn header(&mut self) -> Result<Target, Problem> {
        match self.lexer.value() {
            Ok((Json::String(name), _)) => Ok(Target::Header(name.to_ascii_lowercase())),
            _ => Err(Problem::new(
                self.lexer.here(),
                "the name of a header should stand here, in quotes",
                "for example: header \"content-type\" contains \"json\"".to_owned(),
            )),
        }
    }

    fn predicate(&mut self) -> Result<Predicate, Problem> {
        if let Some((_, operator)) = OPERATORS.iter().find(|(sign, _)| self.lexer.take(sign)) {
            return Ok(Predicate::Compare(*operator, self.operand()?));
        }
        let here = self.lexer.here();
        let (word, _) = self.lexer.word();
        match word {
            "exists" => Ok(Predicate::Exists),
            "in" => Ok(Predicate::In(self.operands()?)),
            "contains" => Ok(Predicate::Contains(self.operand()?)),
            "starts_with" => Ok(Predicate::StartsWith(self.operand()?)),
            "is" if self.lexer.take("not") => Ok(Predicate::IsNot(self.kind()?)),
            "is" => Ok(Predicate::Is(self.kind()?)),
            "not" => self.negated(),
            typed => {
                let known = ["exists", "in", "contains", "starts_with", "is", "not", "count"];
                let near = crate::strict::nearest(typed, known).map(|word| format!("did you mean `{word}`?"));
                let hint = near.unwrap_or_else(|| PREDICATES.to_owned());
                Err(Problem::new(here, "a predicate should stand here", hint))
            }
        }
    }

    fn negated(&mut self) -> Result<Predicate, Problem> {
        let here = self.lexer.here();
        match self.lexer.word().0 {
            "exists" => Ok(Predicate::Absent),
            "in" => Ok(Predicate::NotIn(self.operands()?)),
            "contains" => Ok(Predicate::ContainsNot(self.operand()?)),
            _ => Err(Problem::new(here, "`not` goes with exists, in or contains", None)),
        }
    }

    fn kind(&mut self) -> Result<Type, Problem> {
        let (word, range) = self.lexer.word();
        let found = TYPES.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind);
        found.ok_or_else(|| {
            let hint = suggestion(word, TYPES.iter().map(|(name, _)| *name));
            Problem::new(range, format!("`{word}` is no type of JSON"), hint)
        })
    }

    fn operand(&mut self) -> Result<Operand, Problem> {
        let (value, range) = self.lexer.value()?;
        Ok(match value {
            Json::String(text) => Operand::Text(self.template(&text, range.start + 1)),
            value => Operand::Json(value),
        })
    }

    fn operands(&mut self) -> Result<Vec<Operand>, Problem> {
        let hint = || "for example: status in [200, 204]".to_owned();
        if !self.lexer.take("[") {
            return Err(Problem::new(self.lexer.here(), "a list in brackets should stand here", hint()));
        }
        let mut operands = vec![self.operand()?];
        while self.lexer.take(",") {
            operands.push(self.operand()?);
        }
        if self.lexer.take("]") {
            return Ok(operands);
        }
        Err(Problem::new(self.lexer.here(), "the list is never closed", hint()))
    }

    fn condition(&mut self) -> Result<Option<Reference>, Problem> {
        if !self.lexer.take("if") {
            return Ok(None);
        }
        let (word, range) = self.lexer.word();
        if word.is_empty() {
            return Err(Problem::new(self.lexer.here(), "a variable should stand after `if`", None));
        }
        Ok(Some(Reference { scope: None, name: word.to_owned(), place: self.text.place(range) }))
    }
}

fn targets() -> Option<String> {
    Some(
        "an assertion begins with status, header \"name\", body, duration_ms or a JSONPath (`$…`)".to_owned(),
    )
}

/// Parses a JSONPath that begins `offset` bytes into the assertion.
fn query(text: &str, offset: usize) -> Result<Query, Problem> {
    let path = JsonPath::parse(text).map_err(|error| {
        let at = offset + error.position().saturating_sub(1).min(text.len());
        let range = at..(offset + text.len()).max(at);
        Problem::new(range, format!("`{text}` is no JSONPath: {}", error.message()), None)
    })?;
    Ok(Query { path, text: text.to_owned(), singular: is_singular(text) })
}

/// RFC 9535: only names and indexes, so that at most one value is selected.
fn is_singular(path: &str) -> bool {
    let mut quote = None;
    let outside = path.chars().filter(|c| {
        match quote {
            Some(open) if open == *c => quote = None,
            None if matches!(c, '"' | '\'') => quote = Some(*c),
            _ => {}
        }
        quote.is_none()
    });
    let outside: String = outside.collect();
    !outside.contains("..") && !outside.contains(['*', '?', ':', ','])
}

/// Whether the predicate makes sense for the target.
fn fits(target: &Target, predicate: &Predicate) -> Result<(), &'static str> {
    let numbers = |operands: &[Operand]| operands.iter().all(|o| matches!(o, Operand::Json(Json::Number(_))));
    match (target, predicate) {
        (Target::Json(_), Predicate::StartsWith(Operand::Json(_))) => Err("starts_with takes a string"),
        (Target::Json(_), _) => Ok(()),
        (Target::Status | Target::DurationMs | Target::Count(_), predicate) => match predicate {
            Predicate::Compare(_, operand) if numbers(std::slice::from_ref(operand)) => Ok(()),
            Predicate::In(operands) | Predicate::NotIn(operands) if numbers(operands) => Ok(()),
            _ => Err("this is a number: compare it with a number"),
        },
        (Target::Header(_), Predicate::Exists | Predicate::Absent) => Ok(()),
        (Target::Header(_) | Target::Body, predicate) => match predicate {
            Predicate::Compare(Operator::Equal | Operator::Unequal, Operand::Text(_)) => Ok(()),
            Predicate::Contains(Operand::Text(_)) | Predicate::ContainsNot(Operand::Text(_)) => Ok(()),
            Predicate::StartsWith(Operand::Text(_)) => Ok(()),
            Predicate::In(operands) | Predicate::NotIn(operands)
                if operands.iter().all(|o| matches!(o, Operand::Text(_))) =>
            {
                Ok(())
            }
            _ => Err("this is a text: use == != in contains starts_with with a string"),
        },
    }
}
