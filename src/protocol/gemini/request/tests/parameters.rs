//! Tools and parameters for a target.

use serde_json::value::RawValue;

use super::*;
use crate::protocol::model::{EffortWord, Sampling, Thinking};
use crate::protocol::neutral::{Effort, Format, Reasoning, Tool, ToolChoice};

const SCHEMA: &str = r#"{"type":"object","properties":{"b":{"const":"x"},"a":{"type":["string","null"]}},"additionalProperties":false}"#;

fn schema() -> Box<RawValue> {
    RawValue::from_string(SCHEMA.to_owned()).expect("JSON")
}

fn tool(name: &str) -> Tool {
    Tool {
        name: name.to_owned(),
        description: Some("does".to_owned()),
        schema: Some(schema()),
        strict: Some(true),
        cache: None,
    }
}

fn with_tools(choice: Option<ToolChoice>) -> Request {
    Request { tools: vec![tool("f"), tool("g")], tool_choice: choice, ..said(Vec::new()) }
}

fn config(request: &Request, facts: &ModelFacts) -> (Value, Vec<String>) {
    let (mut body, warnings) = write_with(request, facts, &Quirks::COMPATIBLE).expect("crosses");
    (body["generationConfig"].take(), warnings)
}

#[test]
fn vector_14_and_15_schemas_pass_byte_by_byte() {
    let request = with_tools(None);
    let facts = ModelFacts::default();
    let target = TargetView { model: "m", facts: &facts, quirks: &Quirks::COMPATIBLE };
    let written =
        GeminiDialect.write_request(&request, &target, &mut Crossing::default()).expect("crosses");
    let body = String::from_utf8(written.body.to_vec()).expect("text");
    assert!(body.contains(&format!("\"parametersJsonSchema\":{SCHEMA}")), "{body}");
}

#[test]
fn vector_40_old_models_get_the_subset() {
    let facts = ModelFacts { schema_subset: true, ..ModelFacts::default() };
    let mut request = with_tools(None);
    request.tools[1].schema = RawValue::from_string(r#"{"type":"object"}"#.to_owned()).ok();
    let declarations = &write(&request, &facts)["tools"][0]["functionDeclarations"];
    let expected = json!({"type": "OBJECT", "properties": {
        "b": {"type": "STRING", "enum": ["x"]}, "a": {"type": "STRING", "nullable": true}}});
    assert_eq!(declarations[0]["parameters"], expected);
    assert_eq!(declarations[1], json!({"name": "g", "description": "does"}));
}

#[test]
fn choices_of_tools_are_modes() {
    let names = || vec!["f".to_owned()];
    let cases = [
        (ToolChoice::Auto, json!({"mode": "AUTO"}), 2),
        (ToolChoice::None, json!({"mode": "NONE"}), 2),
        (ToolChoice::Required, json!({"mode": "ANY"}), 2),
        (ToolChoice::Named("f".into()), json!({"mode": "ANY", "allowedFunctionNames": ["f"]}), 2),
        (
            ToolChoice::Allowed { names: names(), required: true },
            json!({"mode": "ANY", "allowedFunctionNames": ["f"]}),
            2,
        ),
        (ToolChoice::Allowed { names: names(), required: false }, json!({"mode": "AUTO"}), 1),
    ];
    for (choice, expected, declared) in cases {
        let body = write(&with_tools(Some(choice)), &ModelFacts::default());
        assert_eq!(body["toolConfig"]["functionCallingConfig"], expected);
        let declarations = body["tools"][0]["functionDeclarations"].as_array().map(Vec::len);
        assert_eq!(declarations, Some(declared));
    }
}

#[test]
fn vector_21_a_name_that_google_refuses_is_undone() {
    let mut request = with_tools(Some(ToolChoice::Named("9 lives".into())));
    request.tools[0].name = "9 lives".into();
    let facts = ModelFacts::default();
    let target = TargetView { model: "m", facts: &facts, quirks: &Quirks::COMPATIBLE };
    let written =
        GeminiDialect.write_request(&request, &target, &mut Crossing::default()).expect("crosses");
    let body: Value = serde_json::from_slice(&written.body).expect("JSON");
    let name = body["tools"][0]["functionDeclarations"][0]["name"].as_str().expect("a name");
    assert_eq!(written.undo.tool_names.get(name).map(String::as_str), Some("9 lives"));
    let allowed = &body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"];
    assert_eq!(*allowed, json!([name]));
}

#[test]
fn sampling_is_kept_within_what_google_takes() {
    let request = Request {
        temperature: Some(1.5),
        top_p: Some(0.5),
        top_k: Some(40),
        seed: Some(1 << 40 | 7),
        presence_penalty: Some(0.5),
        stop: ["a", "b", "", "c", "d", "e", "f"].map(str::to_owned).to_vec(),
        choices: Some(2),
        logprobs: Some(30),
        max_output_tokens: Some(100_000),
        ..Request::default()
    };
    let facts = ModelFacts { max_output_tokens: Some(8192), ..ModelFacts::default() };
    let (config, mut warnings) = config(&request, &facts);
    let expected = json!({"temperature": 1.5, "topP": 0.5, "topK": 40, "seed": 7,
        "presencePenalty": 0.5, "candidateCount": 2, "maxOutputTokens": 8192,
        "stopSequences": ["a", "b", "c", "d", "e"], "responseLogprobs": true, "logprobs": 20});
    assert_eq!(config, expected);
    warnings.sort();
    let expected = ["max_tokens", "seed", "stop", "top_logprobs"];
    assert_eq!(warnings, expected.map(|param| format!("code=adjusted;param={param}")));
}

#[test]
fn a_model_without_sampling_is_asked_for_none() {
    let request = Request { temperature: Some(1.0), top_p: Some(0.2), ..Request::default() };
    let facts = ModelFacts { sampling: Sampling::None, ..ModelFacts::default() };
    let (config, warnings) = config(&request, &facts);
    assert_eq!((config, warnings), (Value::Null, vec!["code=dropped;param=top_p".to_owned()]));
}

#[test]
fn formats_are_types_and_schemas() {
    let request = |format| Request { format: Some(format), ..Request::default() };
    let json_object = config(&request(Format::JsonObject), &ModelFacts::default()).0;
    assert_eq!(json_object, json!({"responseMimeType": "application/json"}));
    let named = || Format::JsonSchema {
        name: "n".into(),
        description: None,
        schema: schema(),
        strict: Some(true),
    };
    let plain: Value = serde_json::from_str(SCHEMA).expect("JSON");
    let expected = json!({"responseMimeType": "application/json", "responseJsonSchema": plain});
    assert_eq!(config(&request(named()), &ModelFacts::default()).0, expected);

    let facts = ModelFacts { refuses_format_with_tools: true, ..ModelFacts::default() };
    let both = Request { format: Some(named()), ..with_tools(None) };
    let error = write_with(&both, &facts, &Quirks::COMPATIBLE).expect_err("both");
    assert_eq!(error.param, "response_format");
}

#[test]
fn vector_43_a_level_or_a_budget_but_never_both() {
    let both =
        || Reasoning { effort: Some(Effort::Low), budget: Some(2000), ..Reasoning::default() };
    let effort = |effort| Reasoning { effort: Some(effort), ..Reasoning::default() };
    let facts = |thinking| ModelFacts { thinking, ..ModelFacts::default() };
    let adaptive = Reasoning { adaptive: true, visible: Some(true), ..Reasoning::default() };
    let cases = [
        (both(), facts(Thinking::Effort), json!({"thinkingLevel": "low"})),
        (both(), facts(Thinking::Unknown), json!({"thinkingLevel": "low"})),
        (both(), facts(Thinking::Budget), json!({"thinkingBudget": 2000})),
        (effort(Effort::Medium), facts(Thinking::Budget), json!({"thinkingBudget": 8192})),
        (effort(Effort::None), facts(Thinking::Budget), json!({"thinkingBudget": 0})),
        (
            effort(Effort::None),
            ModelFacts { thinking_always: true, ..facts(Thinking::Budget) },
            json!({"thinkingBudget": 128}),
        ),
        (effort(Effort::Max), facts(Thinking::Effort), json!({"thinkingLevel": "high"})),
        (
            effort(Effort::Medium),
            ModelFacts {
                efforts: vec![EffortWord(Effort::Low), EffortWord(Effort::High)],
                ..facts(Thinking::Effort)
            },
            json!({"thinkingLevel": "high"}),
        ),
        (
            adaptive.clone(),
            facts(Thinking::Budget),
            json!({"thinkingBudget": -1, "includeThoughts": true}),
        ),
        (adaptive, facts(Thinking::Effort), json!({"includeThoughts": true})),
        (effort(Effort::High), facts(Thinking::Never), Value::Null),
    ];
    for (reasoning, facts, expected) in cases {
        let shown = format!("{reasoning:?} {:?}", facts.thinking);
        let request = Request { reasoning: Some(reasoning), ..Request::default() };
        assert_eq!(config(&request, &facts).0["thinkingConfig"], expected, "{shown}");
    }
}

#[test]
fn labels_go_to_vertex_alone_and_only_good_ones() {
    let mut request = said(Vec::new());
    request.user = Some("someone@example.com".to_owned());
    request.metadata.insert("team".to_owned(), "blue".to_owned());
    request.metadata.insert("Team".to_owned(), "x".to_owned());
    request.service_tier = Some("default".to_owned());
    let cloud = Quirks { cloud: true, ..Quirks::COMPATIBLE };
    let facts = ModelFacts::default();
    let (body, _) = write_with(&request, &facts, &cloud).expect("crosses");
    assert_eq!(
        (&body["labels"], &body["serviceTier"]),
        (&json!({"team": "blue"}), &json!("standard"))
    );
    assert_eq!(write(&request, &facts)["labels"], Value::Null);
}
