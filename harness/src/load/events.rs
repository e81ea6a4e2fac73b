//! A pass over the parser's events: positions, and what a scenario file may not have.

use std::collections::{BTreeMap, BTreeSet};

use saphyr_parser::{Event, Parser, Span};

/// Where the parts of a document stand.
#[derive(Clone, Debug, Default)]
pub struct Positions {
    /// The line and column of each part, from one, by JSON pointer.
    pub places: BTreeMap<String, (usize, usize)>,
    /// Every text that is a value, with its line and column.
    texts: Vec<(String, usize, usize)>,
}

impl Positions {
    /// Finds the first value of this text from a line on: serde only knows where the map begins that holds it.
    #[must_use]
    pub fn of_text(&self, text: &str, from_line: usize) -> Option<(usize, usize)> {
        let mut later = self.texts.iter().filter(|(_, line, _)| *line >= from_line);
        later
            .find(|(found, ..)| found == text)
            .map(|(_, line, column)| (*line, *column))
    }
}

/// What a scenario file may not have, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from one.
    pub line: usize,
    /// The column, from one.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl Fault {
    fn at(span: Span, message: impl Into<String>) -> Self {
        Self {
            line: span.start.line(),
            column: span.start.col() + 1,
            message: message.into(),
        }
    }
}

/// A collection that is open while its parts are read.
enum Open {
    Mapping {
        pointer: String,
        keys: BTreeSet<String>,
        key: Option<String>,
    },
    Sequence {
        pointer: String,
        next: usize,
    },
}

/// Finds the position of every part of a document.
///
/// # Errors
/// When the text is no YAML, or has aliases, duplicate keys, keys that are no text, or not exactly one document.
pub fn positions(text: &str) -> Result<Positions, Fault> {
    let mut walk = Walk::default();
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => walk.event(&event, span)?,
            Err(error) => {
                let marker = error.marker();
                return Err(Fault {
                    line: marker.line(),
                    column: marker.col() + 1,
                    message: error.info().to_owned(),
                });
            }
        }
    }
    if walk.documents == 0 || walk.positions.places.is_empty() {
        return Err(Fault {
            line: 1,
            column: 1,
            message: "the file is empty".to_owned(),
        });
    }
    Ok(walk.positions)
}

#[derive(Default)]
struct Walk {
    positions: Positions,
    open: Vec<Open>,
    documents: usize,
}

impl Walk {
    fn event(&mut self, event: &Event<'_>, span: Span) -> Result<(), Fault> {
        match event {
            Event::DocumentStart(_) => self.document(span)?,
            Event::Alias(_) => {
                return Err(Fault::at(
                    span,
                    "aliases are not allowed: write the value out",
                ));
            }
            Event::Scalar(text, ..) => self.scalar(text, span)?,
            Event::MappingStart(..) => {
                let pointer = self.place(span)?;
                self.open.push(Open::Mapping {
                    pointer,
                    keys: BTreeSet::new(),
                    key: None,
                });
            }
            Event::SequenceStart(..) => {
                let pointer = self.place(span)?;
                self.open.push(Open::Sequence { pointer, next: 0 });
            }
            Event::MappingEnd | Event::SequenceEnd => {
                self.open.pop();
            }
            _ => {}
        }
        Ok(())
    }

    fn document(&mut self, span: Span) -> Result<(), Fault> {
        self.documents += 1;
        if self.documents > 1 {
            return Err(Fault::at(
                span,
                "a second document begins here: write one scenario a file",
            ));
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, span: Span) -> Result<(), Fault> {
        if let Some(Open::Mapping {
            keys,
            key: key @ None,
            ..
        }) = self.open.last_mut()
        {
            if !keys.insert(text.to_owned()) {
                return Err(Fault::at(
                    span,
                    format!("'{text}' stands here a second time"),
                ));
            }
            *key = Some(text.to_owned());
            return Ok(());
        }
        // A null document is a scalar event of its own: it has no parts, so the file counts as empty.
        if self.open.is_empty() && (text.is_empty() || text == "~") {
            return Ok(());
        }
        self.positions
            .texts
            .push((text.to_owned(), span.start.line(), span.start.col() + 1));
        self.place(span).map(|_| ())
    }

    /// Records where the value that begins here stands, and returns its pointer.
    fn place(&mut self, span: Span) -> Result<String, Fault> {
        let pointer = match self.open.last_mut() {
            None => String::new(),
            Some(Open::Sequence { pointer, next }) => {
                *next += 1;
                format!("{pointer}/{}", *next - 1)
            }
            Some(Open::Mapping { pointer, key, .. }) => match key.take() {
                Some(key) => format!("{pointer}/{key}"),
                None => return Err(Fault::at(span, "a key has to be a text")),
            },
        };
        self.positions
            .places
            .insert(pointer.clone(), (span.start.line(), span.start.col() + 1));
        Ok(pointer)
    }
}
