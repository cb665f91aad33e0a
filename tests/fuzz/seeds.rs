//! What fuzzing begins with, made of what the other tests hold: golden vectors, example manifests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use http::StatusCode;
use pilothouse::protocol::counting::CountingId;
use pilothouse::protocol::dialect::DialectId;
use pilothouse::protocol::error::ErrorView;
use pilothouse::protocol::registry::OPERATIONS;
use pilothouse::wire::sse::encode_event;
use pilothouse::wire::{event_stream, sse};
use serde_json::{Value, json};

use super::{counting, dialect, dialects, operation};

/// The root of the repository, whichever package this was compiled for.
static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let root = folders.find(|folder| folder.join("tests/vectors").is_dir());
    root.expect("the vectors are in the repository").to_owned()
});

/// One vector's input, or what came of it in one protocol.
struct Example {
    dialect: &'static str,
    kind: String,
    /// A body, or a list of events.
    value: Value,
}

static EXAMPLES: LazyLock<Vec<Example>> = LazyLock::new(|| {
    let folders = fs::read_dir(ROOT.join("tests/vectors")).expect("a folder of vectors");
    let mut folders: Vec<PathBuf> = folders.map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    folders.iter().filter(|folder| folder.is_dir()).flat_map(|folder| examples(folder)).collect()
});

fn examples(folder: &Path) -> Vec<Example> {
    let read = |name: &str| -> Option<Value> {
        let text = fs::read_to_string(folder.join(format!("{name}.json"))).ok()?;
        Some(serde_json::from_str(&text).expect("a vector is JSON"))
    };
    let mut examples = Vec::new();
    let Some(vector) = read("vector") else { return examples };
    let kind = vector["kind"].as_str().unwrap_or_default();
    for id in dialects() {
        let dialect = dialect::name(id);
        let mut add = |value: &Value| {
            examples.push(Example { dialect, kind: kind.to_owned(), value: value.clone() });
        };
        if vector["from"] == dialect {
            add(&vector["input"]);
        }
        let Some(written) = read(dialect) else { continue };
        if let Some(value) = written.get("body").or_else(|| written.get("events")) {
            add(value);
        }
    }
    examples
}

fn of(id: DialectId, kind: &str) -> impl Iterator<Item = &'static Value> {
    let name = dialect::name(id);
    let examples = EXAMPLES.iter().filter(move |example| example.dialect == name);
    examples.filter(move |example| example.kind == kind).map(|example| &example.value)
}

/// Names and short texts of the vectors: what members are called, and the words that mean something.
static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    /// Longer ones are prose.
    const LONGEST: usize = 32;

    fn collect(value: &Value, words: &mut BTreeSet<String>) {
        match value {
            Value::String(text) if text.len() <= LONGEST => {
                words.insert(text.clone());
            }
            Value::Array(items) => {
                for item in items {
                    collect(item, words);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    words.insert(name.clone());
                    collect(member, words);
                }
            }
            _ => {}
        }
    }

    let mut words = BTreeSet::new();
    for example in EXAMPLES.iter() {
        collect(&example.value, &mut words);
    }
    words.into_iter().collect()
});

/// Words that mean something in some protocol.
pub(super) fn words() -> &'static [String] {
    &WORDS
}

/// With two bytes that choose, other ones for each.
fn chosen(bodies: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let numbered = bodies.into_iter().zip((0_u8..=255).cycle());
    numbered.map(|(body, at)| [&[at, at], &body[..]].concat()).collect()
}

/// Each for every API that it can be written in: the second byte chooses that.
fn for_each_api(bodies: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let apis = u8::try_from(dialects().len()).expect("a few");
    let numbered = bodies.into_iter().zip((0_u8..=255).cycle());
    let crossed =
        numbered.flat_map(|(body, at)| (0..apis).map(move |api| [&[at, api], &body[..]].concat()));
    crossed.collect()
}

pub(super) fn requests(id: DialectId) -> Vec<Vec<u8>> {
    let legacy: &[u8] = br#"{"model":"m","prompt":["a","b"],"n":2,"max_tokens":5,"stop":["x"],
        "temperature":0.5,"seed":1,"stream":true,"stream_options":{"include_usage":true}}"#;
    let bodies = of(id, "request").map(|body| body.to_string().into_bytes());
    let more = (id == DialectId::OpenAiCompletions).then(|| legacy.to_vec());
    for_each_api(bodies.chain(more))
}

pub(super) fn replies(id: DialectId) -> Vec<Vec<u8>> {
    let legacy: &[u8] = br#"{"id":"cmpl-1","object":"text_completion","created":1,"model":"m",
        "choices":[{"index":0,"text":"hello","finish_reason":"stop","logprobs":null}],
        "usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;
    let bodies = of(id, "reply").map(|body| body.to_string().into_bytes());
    let more = (id == DialectId::OpenAiCompletions).then(|| legacy.to_vec());
    for_each_api(bodies.chain(more))
}

/// Streams as server-sent events, whatever their framing is: a changed byte in AWS's would only be a
/// wrong checksum.
pub(super) fn streams(id: DialectId) -> Vec<Vec<u8>> {
    let legacy: &[u8] = b"data: {\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":1,\
        \"model\":\"m\",\"choices\":[{\"index\":0,\"text\":\"hello\",\"finish_reason\":\"stop\"}]}\n\n\
        data: [DONE]\n\n";
    let more = (id == DialectId::OpenAiCompletions).then(|| legacy.to_vec());
    for_each_api(sse_streams(id).chain(more))
}

fn sse_streams(id: DialectId) -> impl Iterator<Item = Vec<u8>> {
    of(id, "stream").map(|events| {
        let frames = events.as_array().into_iter().flatten();
        frames.flat_map(|event| encode_event(event["event"].as_str(), &data(event))).collect()
    })
}

/// `[DONE]` and its like are no JSON, so vectors hold them as texts.
fn data(event: &Value) -> Vec<u8> {
    match &event["data"] {
        Value::String(text) => text.clone().into_bytes(),
        data => data.to_string().into_bytes(),
    }
}

pub(super) fn sse() -> Vec<Vec<u8>> {
    let odd = [
        &b"\xEF\xBB\xBFdata:a\r\ndata: b\r\n\r\n"[..],
        b": comment\n\nevent: x\rdata\r\rid: 1\nretry: 5\ndata: y\n",
        sse::KEEP_ALIVE,
    ];
    let streams = dialects().into_iter().flat_map(sse_streams);
    chosen(streams.chain(odd.map(<[u8]>::to_vec)))
}

pub(super) fn event_streams() -> Vec<Vec<u8>> {
    let streams = of(DialectId::BedrockConverse, "stream").map(|events| {
        let mut stream = Vec::new();
        for event in events.as_array().into_iter().flatten() {
            let name = event["event"].as_str().unwrap_or_default();
            event_stream::put_event(&mut stream, name, &data(event));
        }
        stream
    });
    let error = event_stream::encode_exception("throttlingException", br#"{"message":"slow"}"#);
    chosen(streams.chain([error.to_vec()]))
}

/// Bodies of every protocol.
pub(super) fn objects() -> Vec<Vec<u8>> {
    let requests = dialects().into_iter().flat_map(|id| of(id, "request"));
    chosen(requests.map(|body| body.to_string().into_bytes()))
}

pub(super) fn errors() -> Vec<Vec<u8>> {
    const BODIES: [&str; 6] = [
        r#"{"error":{"message":"slow down","type":"rate_limit_error","code":429,"param":null}}"#,
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        r#"{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"3.5s"}]}}"#,
        r#"{"__type":"ThrottlingException","message":"Too many requests"}"#,
        r#"[{"error":{"code":400,"message":"in a list","status":"INVALID_ARGUMENT"}}]"#,
        "<html><body>502 Bad Gateway</body></html>",
    ];
    let view = ErrorView {
        status: StatusCode::TOO_MANY_REQUESTS,
        code: "rate_limited",
        message: "every target is throttled",
        param: Some("messages[0].content"),
        request_id: "req-1",
    };
    let protocols = OPERATIONS.iter().map(|row| row.protocol);
    let ours = protocols.map(|id| id.protocol().write_error(&view).to_vec());
    chosen(BODIES.map(|body| body.as_bytes().to_vec()).into_iter().chain(ours))
}

/// `{"model":"m"}`, packed by the usual tools.
const PACKED: [(&str, &[u8]); 5] = [
    (
        "gzip",
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabV\xca\xcdOI\xcdQ\xb2R\xcaU\xaa\x05\x00\x9bl\xba\xaa\
          \x0d\x00\x00\x00",
    ),
    ("deflate", b"x\x9c\xabV\xca\xcdOI\xcdQ\xb2R\xcaU\xaa\x05\x00\x1f\x07\x049"),
    ("deflate", b"\xabV\xca\xcdOI\xcdQ\xb2R\xcaU\xaa\x05\x00"),
    ("br", b"\x0b\x06\x80{\"model\":\"m\"}\x03"),
    ("zstd", b"\x28\xb5\x2f\xfd\x04\x58\x69\x00\x00{\"model\":\"m\"}'\x8b|d"),
];

/// Requests for every operation, as `heads` reads them.
pub(super) fn heads() -> Vec<Vec<u8>> {
    const HEADS: [&str; 6] = [
        "authorization: Bearer a-long-random-key-of-a-consumer\ncontent-type: application/json",
        "x-api-key: a-long-random-key-of-a-consumer\nanthropic-version: 2023-06-01\n\
         anthropic-beta: a,b",
        "x-goog-api-key: wrong\nx-backend: one\nx-pilothouse-route: ns/every-model",
        "content-type: application/x-amz-json-1.1; charset=utf-8\ncontent-length: 12",
        "x-pilothouse-hops: 3\nx-request-id: mine\ncontent-encoding: gzip",
        "upgrade: websocket\nexpect: 100-continue\nidempotency-key: 1",
    ];
    let mut seeds = Vec::new();
    for row in OPERATIONS {
        let bodies = row.dialect.into_iter().flat_map(|id| of(id, "request").take(2));
        let bodies = bodies.map(Value::to_string).chain(["{\"model\":\"m\"}".to_owned()]);
        for (at, body) in bodies.enumerate() {
            let path = row.stream_path.filter(|_| at % 2 == 1).unwrap_or(row.path);
            let path = path.replace("{model}", "us.anthropic.claude%3A0");
            for head in HEADS {
                seeds.push(format!("POST {path}?alt=sse&key=k\n{head}\n\n{body}").into_bytes());
            }
        }
    }
    for (coding, packed) in PACKED {
        let head = format!("POST /v1/chat/completions\ncontent-encoding: {coding}\n\n");
        seeds.push([head.as_bytes(), packed].concat());
    }
    for path in
        ["/", "/health", "/health/detailed", "/v1/models?limit=2&after_id=m", "/v1/models/m"]
    {
        seeds.push(format!("GET {path}\n{}\n\n", HEADS[1]).into_bytes());
    }
    seeds
}

/// The examples of the documentation, and manifests that other tests refuse.
pub(super) fn manifests() -> Vec<Vec<u8>> {
    let folders = ["deploy/examples", "tests/manifests", "tests/apiserver/admission"];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(ROOT.join(folder)).expect(folder));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    files.sort();
    let texts = files.iter().map(|path| fs::read_to_string(path).expect("a text"));
    // One document each: small inputs are changed faster.
    let documents =
        texts.flat_map(|text| text.split("\n---\n").map(str::to_owned).collect::<Vec<_>>());
    chosen(documents.map(String::into_bytes))
}

pub(super) fn texts() -> Vec<Vec<u8>> {
    let mut texts: Vec<String> = [
        "1h2m3s4ms",
        "99999h99999m99999s99999ms",
        "0s",
        "https://user@host.example:8443/v1/",
        "http://[::1]:80",
        "claude-*",
        "*-mini",
        "status=429;header=retry-after:1;code=rate_limit;cut=5:reset;first=100ms;pace=1s",
        "bravo:cut=5",
        "bedrock-runtime.eu-west-1.amazonaws.com",
        "us.anthropic.claude-opus-4-7-v1:0",
        "32MiB",
        "Sun, 06 Nov 1994 08:49:47 GMT",
        "255",
        "Bearer key",
        "application/json; charset=utf-8",
        "a=b&key=c&alt=sse",
    ]
    .map(str::to_owned)
    .to_vec();
    for row in OPERATIONS {
        texts.push(row.path.replace("{model}", "meta%2Fllama%3A1"));
        texts.extend(row.stream_path.map(|path| path.replace("{model}", "m")));
    }
    texts.into_iter().map(String::into_bytes).collect()
}

/// Whether an operation of these streams has binary frames.
pub(super) fn is_binary(id: DialectId) -> bool {
    operation(id).framing == pilothouse::protocol::registry::Framing::AwsEventStream
}

/// Prompts to count, for the API that the first byte chooses, and counts.
pub(super) fn counts() -> Vec<Vec<u8>> {
    let apis = counting::all();
    let mut seeds = Vec::new();
    for (api, first) in apis.iter().zip(0_u8..) {
        let wrapped = |body: &Value| match api {
            CountingId::Bedrock => json!({"input": {"converse": body}}),
            CountingId::Gemini => json!({"generateContentRequest": body}),
            CountingId::Anthropic | CountingId::OpenAi | CountingId::Vertex => body.clone(),
        };
        let bodies = of(api.dialect(), "request").map(wrapped);
        let count = json!({"input_tokens": 1, "inputTokens": 2, "totalTokens": 3});
        for (body, second) in bodies.chain([count]).zip((0_u8..=255).cycle()) {
            seeds.push([&[first, second], body.to_string().as_bytes()].concat());
        }
    }
    seeds
}

/// Requests for embeddings, and answers of every provider.
pub(super) fn embeddings() -> Vec<Vec<u8>> {
    const BODIES: [&str; 14] = [
        r#"{"model":"m","input":"a text","user":"u"}"#,
        r#"{"model":"m","input":["a","b"],"dimensions":512,"encoding_format":"base64"}"#,
        r#"{"input":["a"],"dimensions":1024,"encoding_format":"float","input_type":"query"}"#,
        r#"{"input":[1,2,3],"truncate":"END"}"#,
        r#"{"model":"models/m","content":{"parts":[{"text":"a"}]},"taskType":"CLUSTERING"}"#,
        r#"{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]}},{"x":1}]}"#,
        r#"{"embeddings":[{"values":[0.5,-1e-3]},{"values":[2]}],
            "usageMetadata":{"promptTokenCount":3}}"#,
        r#"{"predictions":[{"embeddings":{"values":[1,2],"statistics":{"token_count":2.0,
            "truncated":false}}},{"embeddings":{"values":[3]}}]}"#,
        r#"{"embedding":{"values":[1]},"usageMetadata":{"promptTokenCount":4}}"#,
        r#"{"embedding":[1,2],"inputTextTokenCount":2}"#,
        r#"{"embedding":[1],"embeddingsByType":{"float":[1]},"inputTextTokenCount":2}"#,
        r#"{"embeddings":[[1],[2]],"id":"i","response_type":"embeddings_floats"}"#,
        r#"{"embeddings":{"float":[[1],[2]]},"texts":["a","b"]}"#,
        r#"{"embeddings":{"float":[]}}"#,
    ];
    // Each for every provider and model: the first byte chooses both.
    let choices = (0_u8..24).flat_map(|first| BODIES.map(|body| (first, body)));
    choices.map(|(first, body)| [&[first, first], body.as_bytes()].concat()).collect()
}
