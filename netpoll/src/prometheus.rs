//! A writer of the text format of Prometheus, version 0.0.4.

use std::{
    collections::HashSet,
    fmt::{Display, Write},
};

/// An exposition in the making. Each family stands in it once.
#[derive(Default)]
pub(crate) struct Exposition {
    text: String,
    families: HashSet<String>,
}

impl Exposition {
    /// Begins a family, unless there is one of that name. Its samples follow at once.
    pub(crate) fn family(&mut self, name: &str, kind: &str, help: &str) -> bool {
        let is_new = self.families.insert(name.to_owned());
        if is_new {
            let help = help.replace('\\', "\\\\").replace('\n', "\\n");
            // Nothing fails to be written to a `String`.
            let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        }
        is_new
    }

    /// Adds a sample with `labels`.
    #[cfg(feature = "admin")]
    pub(crate) fn sample(
        &mut self,
        name: &str,
        labels: &[(&str, &dyn Display)],
        value: impl Display,
    ) {
        let labels = labels.iter().map(|(label, value)| pair(label, value));
        self.sample_with(name, &labels.collect::<Vec<_>>().join(","), value);
    }

    /// Adds a sample whose labels are written already.
    pub(crate) fn sample_with(&mut self, name: &str, labels: &str, value: impl Display) {
        let (open, close) = if labels.is_empty() { ("", "") } else { ("{", "}") };
        let _ = writeln!(self.text, "{name}{open}{labels}{close} {value}");
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// Writes a label with its value.
pub(crate) fn pair(label: &str, value: &dyn Display) -> String {
    let text = value.to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{label}=\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_labels_value_is_escaped() {
        let mut out = Exposition::default();
        out.sample("x", &[("server", &"a\"\\\nb"), ("n", &1)], 2);
        out.sample("y", &[], 3);
        assert_eq!(out.finish(), "x{server=\"a\\\"\\\\\\nb\",n=\"1\"} 2\ny 3\n");
    }

    #[test]
    fn a_family_stands_once() {
        let mut out = Exposition::default();
        assert!(out.family("x", "gauge", "A\nb.") && !out.family("x", "gauge", "C."));
        assert_eq!(out.finish(), "# HELP x A\\nb.\n# TYPE x gauge\n");
    }
}
