//! What was found, for people and for programs.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde::Serialize;

use crate::manifest::{Finding, Severity};

/// How a [`Report`] is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// One line for each finding, and one that sums up
    Text,
    /// One object, see the examples
    Json,
}

/// What `validate` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Sorted by file and line.
    pub findings: Vec<Finding>,
    /// How many files were read.
    pub files: usize,
    /// How many objects were checked.
    pub objects: usize,
}

impl Report {
    /// Puts the findings in order.
    pub(super) fn new(files: usize, objects: usize, findings: Vec<Finding>) -> Self {
        let findings = findings.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        Self { findings, files, objects }
    }

    /// Whether nothing is wrong; a warning is, if `deny_warnings`.
    pub fn is_valid(&self, deny_warnings: bool) -> bool {
        self.count(Severity::Error) == 0 && !(deny_warnings && self.count(Severity::Warning) > 0)
    }

    /// Prints the report.
    pub fn write(
        &self,
        output: Output,
        deny_warnings: bool,
        to: &mut impl Write,
    ) -> io::Result<()> {
        match output {
            Output::Text => self.write_text(to),
            Output::Json => {
                serde_json::to_writer_pretty(&mut *to, &self.document(deny_warnings))?;
                writeln!(to)
            }
        }
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    fn write_text(&self, to: &mut impl Write) -> io::Result<()> {
        for finding in &self.findings {
            writeln!(to, "{finding}")?;
        }
        if !self.findings.is_empty() {
            writeln!(to)?;
        }
        let objects = counted(self.objects, "object");
        let files = counted(self.files, "file");
        let verdict = match (self.count(Severity::Error), self.count(Severity::Warning)) {
            (0, 0) => "nothing is wrong".to_owned(),
            (0, warnings) => counted(warnings, "warning"),
            (errors, 0) => counted(errors, "error"),
            (errors, warnings) => {
                format!("{}, {}", counted(errors, "error"), counted(warnings, "warning"))
            }
        };
        writeln!(to, "{objects} in {files}: {verdict}")
    }

    fn document(&self, deny_warnings: bool) -> Document<'_> {
        Document {
            valid: self.is_valid(deny_warnings),
            summary: Summary {
                files: self.files,
                objects: self.objects,
                errors: self.count(Severity::Error),
                warnings: self.count(Severity::Warning),
            },
            findings: self.findings.iter().map(Entry::from).collect(),
        }
    }
}

fn counted(count: usize, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

/// The JSON output. Programs read it: fields may be added, never renamed or removed.
#[derive(Serialize)]
struct Document<'r> {
    valid: bool,
    summary: Summary,
    findings: Vec<Entry<'r>>,
}

#[derive(Serialize)]
struct Summary {
    files: usize,
    objects: usize,
    errors: usize,
    warnings: usize,
}

#[derive(Serialize)]
struct Entry<'r> {
    severity: &'static str,
    file: &'r str,
    line: Option<u32>,
    kind: Option<&'r str>,
    namespace: Option<&'r str>,
    name: Option<&'r str>,
    field: Option<&'r str>,
    message: &'r str,
}

impl<'r> From<&'r Finding> for Entry<'r> {
    fn from(finding: &'r Finding) -> Self {
        let set = |text: &'r str| Some(text).filter(|text| !text.is_empty());
        let object = finding.object.as_ref();
        Self {
            severity: finding.severity.as_str(),
            file: &finding.place.file,
            line: Some(finding.place.line).filter(|line| *line > 0),
            kind: object.map(|object| &*object.kind),
            namespace: object.and_then(|object| set(&object.name.namespace)),
            name: object.and_then(|object| set(&object.name.name)),
            field: set(&finding.field),
            message: &finding.message,
        }
    }
}
