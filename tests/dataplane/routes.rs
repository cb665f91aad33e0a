//! Routes and requests as users write them.

use std::fmt::Write;

use pilothouse::simulate::{Fault, Simulator};

/// The APIs that stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    Chat,
    Messages,
    Responses,
}

impl Api {
    pub const ALL: [Self; 3] = [Self::Chat, Self::Messages, Self::Responses];

    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Messages => "/v1/messages",
            Self::Responses => "/v1/responses",
        }
    }

    /// A request that says hello.
    pub fn body(self, model: &str, stream: bool) -> String {
        let said = match self {
            Self::Chat => r#""messages":[{"role":"user","content":"hello"}]"#,
            Self::Messages => r#""max_tokens":100,"messages":[{"role":"user","content":"hello"}]"#,
            Self::Responses => r#""input":"hello""#,
        };
        format!(r#"{{"model":"{model}","stream":{stream},{said}}}"#)
    }

    /// A target as a line of a route's YAML; `rest` are further fields in flow style.
    pub fn target(self, name: &str, origin: &str, rest: &str) -> String {
        let (provider, path) = match self {
            Self::Messages => ("anthropic-compatible", ""),
            Self::Chat | Self::Responses => ("openai-compatible", "/v1"),
        };
        format!("{{name: {name}, provider: {provider}, baseURL: \"{origin}{path}\", {rest}}}")
    }

    /// One route with one target for each simulator, in order of priority.
    pub fn route(self, name: &str, targets: &[(&str, &Simulator, &str)], extra: &str) -> String {
        let targets: Vec<String> = targets
            .iter()
            .enumerate()
            .map(|(priority, (target, simulator, model))| {
                let rest = format!("priority: {priority}, model: \"{model}\"");
                self.target(target, &simulator.url(), &rest)
            })
            .collect();
        route_of(name, &targets, extra)
    }
}

/// For `extra`: each target is tried once.
pub const ONCE: &str = "  retry: {perTarget: 1}\n";

/// One route of namespace `ns`. `extra` is YAML of the spec, indented by two spaces.
pub fn route_of(name: &str, targets: &[String], extra: &str) -> String {
    let mut text = format!(
        "---\napiVersion: pilothouse.dev/v1alpha1\nkind: ModelRoute\n\
         metadata: {{name: {name}, namespace: ns}}\nspec:\n{extra}  targets:\n"
    );
    for target in targets {
        writeln!(text, "  - {target}").unwrap();
    }
    text
}

/// One route of chat targets, one for each simulator, in order of priority.
pub fn route(name: &str, targets: &[(&str, &Simulator, &str)], extra: &str) -> String {
    Api::Chat.route(name, targets, extra)
}

pub fn chat_body(model: &str, stream: bool) -> String {
    Api::Chat.body(model, stream)
}

/// A healthy simulator of that name.
pub async fn simulator(name: &str) -> Simulator {
    Simulator::builder().name(name).start().await.unwrap()
}

/// What goes wrong with a simulator from now on; nothing, if it says nothing.
pub fn fault(text: &str) -> Fault {
    if text.is_empty() { Fault::default() } else { text.parse().unwrap() }
}
