//! What Google's API says comes back as it was.

use super::*;

/// Reads a request and writes it for the same API.
fn around(body: &Value) -> Value {
    write(
        &read(body).expect("a request"),
        &ModelFacts { media_in_results: true, ..ModelFacts::default() },
    )
}

#[test]
fn a_whole_request_comes_back_as_it_was() {
    let body = json!({
        "contents": [
            {"role": "user", "parts": [{"text": "look"},
                {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
                {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
                {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/x.pdf"}},
                {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x"}}]},
            {"role": "model", "parts": [
                {"text": "hm", "thought": true, "thoughtSignature": "YQ=="},
                {"text": "well", "thoughtSignature": "Yg=="},
                {"functionCall": {"id": "1", "name": "f", "args": {"x": 1}}, "thoughtSignature": "Yw=="},
                {"functionCall": {"id": "2", "name": "f", "args": {}}}]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "1", "name": "f", "response": {"output": "one"}}},
                {"functionResponse": {"id": "2", "name": "f", "response": {"deep": {"er": [1]}},
                    "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}}]}],
        "systemInstruction": {"parts": [{"text": "S"}]},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
        "cachedContent": "cachedContents/1",
        "tools": [
            {"functionDeclarations": [
                {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}]},
            {"googleSearch": {"timeRangeFilter": null}}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]},
            "retrievalConfig": {"languageCode": "de"}},
        "generationConfig": {
            "temperature": 0.5, "topP": 0.25, "topK": 3, "candidateCount": 2, "maxOutputTokens": 9,
            "stopSequences": ["x"], "presencePenalty": 0.5, "frequencyPenalty": -0.5, "seed": 7,
            "responseLogprobs": true, "logprobs": 3, "responseMimeType": "application/json",
            "responseJsonSchema": {"type": "object"}, "mediaResolution": "MEDIA_RESOLUTION_LOW",
            "responseModalities": ["TEXT", "IMAGE"],
            "thinkingConfig": {"thinkingBudget": 100, "includeThoughts": true}},
        "serviceTier": "flex",
    });
    assert_eq!(around(&body), body);
}

#[test]
fn other_forms_of_thinking_and_text_come_back() {
    let contents = json!([{"role": "user", "parts": [{"text": "hi"}]}]);
    for config in [
        json!({"thinkingConfig": {"thinkingLevel": "low"}}),
        json!({"thinkingConfig": {"thinkingBudget": 0}}),
        json!({"thinkingConfig": {"thinkingBudget": -1}}),
        json!({"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["a"]}}),
    ] {
        let body = json!({"contents": contents, "generationConfig": config});
        assert_eq!(around(&body), body);
    }
}
