//! Transcripts: commands, each with the lines of its reply, indented, below it.

use std::{fs, path::PathBuf};

use crate::client::Target;

/// A file of commands and replies.
pub(crate) struct Transcript {
    file: PathBuf,
    steps: Vec<Step>,
}

struct Step {
    line: usize,
    args: Vec<String>,
    reply: Vec<String>,
}

/// All files of the directory beside this one.
pub(crate) fn all() -> Vec<Transcript> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/resp/transcripts");
    let found: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|file| Transcript { steps: parse(&fs::read_to_string(&file).unwrap()), file })
        .collect();
    assert!(!found.is_empty());
    found
}

impl Transcript {
    /// Gives every command to `target`, which must be new, and compares the replies.
    pub(crate) fn check(&self, target: &mut dyn Target) {
        for step in &self.steps {
            let args: Vec<_> = step.args.iter().map(String::as_bytes).collect();
            let mut wanted = step.reply.clone();
            let reply = target.call(&args);
            // Spaces at a line's end are hard to see, and hard to keep, in a file.
            let mut got: Vec<_> = reply.iter().map(|line| line.trim_end().to_owned()).collect();
            if unordered(&step.args[0]) {
                wanted.sort();
                got.sort();
            }
            assert_eq!(got, wanted, "{}:{}: {:?}", self.file.display(), step.line, step.args);
        }
    }
}

/// Whether the elements of the reply come in no certain order.
fn unordered(command: &str) -> bool {
    ["HGETALL", "KEYS", "SMEMBERS"].contains(&command)
}

fn parse(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (line, content) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
        // An empty line is an empty string in a reply.
        match (content.strip_prefix("    "), &mut steps[..]) {
            (Some(reply), [.., step]) => step.reply.push(reply.to_owned()),
            (None, [.., step]) if content.is_empty() => step.reply.push(String::new()),
            _ => steps.push(Step { line: line + 1, args: split(content), reply: Vec::new() }),
        }
    }
    steps
}

/// The words of a line; those with spaces, or empty ones, stand in single quotes.
fn split(line: &str) -> Vec<String> {
    let mut words = vec![];
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').expect("a quote is closed"),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}
