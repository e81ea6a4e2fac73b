//! The lines that a program writes, however long it makes them.

use std::io::{BufRead, BufReader, Read};

/// What is kept of a line, in bytes.
const LONGEST: usize = 4096;

/// Reads lines until the pipe ends; what is beyond 4096 bytes of a line is read and forgotten.
pub fn lines(pipe: impl Read) -> impl Iterator<Item = String> {
    let mut pipe = BufReader::new(pipe);
    std::iter::from_fn(move || next(&mut pipe))
}

fn next(pipe: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    let mut read_any = false;
    loop {
        let Ok(read) = pipe.fill_buf() else {
            return None;
        };
        if read.is_empty() {
            return read_any.then(|| text(&line));
        }
        read_any = true;
        let end = read.iter().position(|byte| *byte == b'\n');
        let part = &read[..end.unwrap_or(read.len())];
        let room = LONGEST - line.len();
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = end.map_or(read.len(), |end| end + 1);
        pipe.consume(used);
        if end.is_some() {
            return Some(text(&line));
        }
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_line_feeds_and_with_the_pipe() {
        let read: Vec<String> = lines(&b"one\n\ntwo"[..]).collect();
        assert_eq!(read, ["one", "", "two"]);
    }

    #[test]
    fn of_a_line_without_end_only_the_beginning_is_kept() {
        let endless = vec![b'x'; 1_000_000];
        let text = [&endless[..], b"\nnext"].concat();
        let read: Vec<String> = lines(&text[..]).collect();
        assert_eq!(read[0].len(), LONGEST);
        assert_eq!(read[1], "next");
    }
}
