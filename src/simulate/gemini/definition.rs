//! Google's definition of a request: names and types of what the API reference lists.

use super::shape::{
    Kind::{Any, Bool, Bytes, Integer, Many, Map, Number, One, Struct, Text, Texts},
    Message,
};

pub(super) static REQUEST: Message = Message(&[
    ("model", Text),
    ("contents", Many(&CONTENT)),
    ("systemInstruction", One(&CONTENT)),
    ("tools", Many(&TOOL)),
    ("toolConfig", One(&TOOL_CONFIG)),
    ("safetySettings", Many(&SAFETY)),
    ("generationConfig", One(&CONFIG)),
    ("cachedContent", Text),
    ("labels", Struct),
    ("serviceTier", Text),
    ("store", Bool),
    ("modelArmorConfig", Struct),
]);

/// What tokens are counted of: contents, or a whole request.
pub(super) static COUNT: Message =
    Message(&[("contents", Many(&CONTENT)), ("generateContentRequest", One(&REQUEST))]);

pub(super) static COUNT_ON_VERTEX: Message = Message(&[
    ("contents", Many(&CONTENT)),
    ("systemInstruction", One(&CONTENT)),
    ("tools", Many(&TOOL)),
    ("generationConfig", One(&CONFIG)),
]);

static CONTENT: Message = Message(&[("role", Text), ("parts", Many(&PART))]);

static PART: Message = Message(&[
    ("text", Text),
    ("thought", Bool),
    ("thoughtSignature", Bytes),
    ("inlineData", One(&BLOB)),
    ("fileData", One(&FILE)),
    ("functionCall", One(&CALL)),
    ("functionResponse", One(&RESPONSE)),
    ("executableCode", Struct),
    ("codeExecutionResult", Struct),
    ("videoMetadata", Struct),
    ("mediaResolution", Struct),
    ("partMetadata", Struct),
]);

static BLOB: Message = Message(&[("mimeType", Text), ("data", Bytes), ("displayName", Text)]);

static FILE: Message = Message(&[("mimeType", Text), ("fileUri", Text), ("displayName", Text)]);

static CALL: Message = Message(&[("id", Text), ("name", Text), ("args", Struct)]);

static RESPONSE: Message = Message(&[
    ("id", Text),
    ("name", Text),
    ("response", Struct),
    ("parts", Many(&RESPONSE_PART)),
    ("willContinue", Bool),
    ("scheduling", Text),
]);

static RESPONSE_PART: Message = Message(&[("inlineData", One(&BLOB)), ("fileData", One(&FILE))]);

static TOOL: Message = Message(&[
    ("functionDeclarations", Many(&DECLARATION)),
    ("googleSearch", Struct),
    ("googleSearchRetrieval", Struct),
    ("codeExecution", Struct),
    ("urlContext", Struct),
    ("googleMaps", Struct),
    ("fileSearch", Struct),
    ("computerUse", Struct),
]);

static DECLARATION: Message = Message(&[
    ("name", Text),
    ("description", Text),
    ("behavior", Text),
    ("parameters", One(&SCHEMA)),
    ("parametersJsonSchema", Any),
    ("response", One(&SCHEMA)),
    ("responseJsonSchema", Any),
]);

/// The subset of OpenAPI's schemas.
static SCHEMA: Message = Message(&[
    ("type", Text),
    ("format", Text),
    ("title", Text),
    ("description", Text),
    ("nullable", Bool),
    ("enum", Texts),
    ("maxItems", Integer),
    ("minItems", Integer),
    ("properties", Map(&SCHEMA)),
    ("required", Texts),
    ("minProperties", Integer),
    ("maxProperties", Integer),
    ("minLength", Integer),
    ("maxLength", Integer),
    ("pattern", Text),
    ("example", Any),
    ("anyOf", Many(&SCHEMA)),
    ("propertyOrdering", Texts),
    ("default", Any),
    ("items", One(&SCHEMA)),
    ("minimum", Number),
    ("maximum", Number),
]);

static TOOL_CONFIG: Message =
    Message(&[("functionCallingConfig", One(&CALLING)), ("retrievalConfig", Struct)]);

static CALLING: Message = Message(&[
    ("mode", Text),
    ("allowedFunctionNames", Texts),
    ("streamFunctionCallArguments", Bool),
]);

static SAFETY: Message = Message(&[("category", Text), ("threshold", Text), ("method", Text)]);

static CONFIG: Message = Message(&[
    ("temperature", Number),
    ("topP", Number),
    ("topK", Number),
    ("candidateCount", Integer),
    ("maxOutputTokens", Integer),
    ("stopSequences", Texts),
    ("presencePenalty", Number),
    ("frequencyPenalty", Number),
    ("seed", Integer),
    ("responseLogprobs", Bool),
    ("logprobs", Integer),
    ("responseMimeType", Text),
    ("responseSchema", One(&SCHEMA)),
    ("responseJsonSchema", Any),
    ("responseModalities", Texts),
    ("speechConfig", Struct),
    ("mediaResolution", Text),
    ("imageConfig", Struct),
    ("enableEnhancedCivicAnswers", Bool),
    ("audioTimestamp", Bool),
    ("thinkingConfig", One(&THINKING)),
]);

static THINKING: Message =
    Message(&[("includeThoughts", Bool), ("thinkingBudget", Integer), ("thinkingLevel", Text)]);
