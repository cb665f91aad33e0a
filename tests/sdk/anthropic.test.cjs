// Anthropic's Node.js package against the server under test.
//
// CommonJS, because only `require` looks into NODE_PATH: the packages are installed elsewhere.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const Anthropic = require("@anthropic-ai/sdk");

// As tests/sdk.rs describes it.
const { url, key, gateway, models } = JSON.parse(process.env.PILOTHOUSE_SDK);
const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0, timeout: 30_000 });

const model = models.chat;
const ask = { model, max_tokens: 100, messages: [{ role: "user", content: "Good morning" }] };
const weather = {
  name: "weather",
  description: "The weather at a place",
  input_schema: {
    type: "object",
    properties: { place: { type: "string" }, days: { type: "integer" } },
    required: ["place", "days"],
  },
};
const askWeather = {
  model,
  max_tokens: 100,
  messages: [{ role: "user", content: "Use the weather tool" }],
  tools: [weather],
};

async function collect(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

function assertCalled(answer) {
  assert.equal(answer.stop_reason, "tool_use");
  const calls = answer.content.filter(({ type }) => type === "tool_use");
  assert.equal(calls.length, 1);
  assert.equal(calls[0].name, "weather");
  assert.equal(typeof calls[0].input.place, "string");
  assert.ok(Number.isInteger(calls[0].input.days));
  return calls[0];
}

/** The conversation with what the tool returned. */
function andBack(answer, call) {
  const result = { type: "tool_result", tool_use_id: call.id, content: "rain, 9 degrees" };
  const messages = [
    ...askWeather.messages,
    { role: "assistant", content: answer.content },
    { role: "user", content: [result] },
  ];
  return { ...askWeather, messages };
}

test("messages", async () => {
  const answer = await client.messages.create({ ...ask, system: "Be brief" });
  assert.equal(answer.type, "message");
  assert.equal(answer.role, "assistant");
  const texts = answer.content.filter(({ type }) => type === "text");
  assert.equal(texts.length, 1);
  assert.match(texts[0].text, /Good morning/);
  assert.equal(answer.stop_reason, "end_turn");
  assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
});

test("a length limit", async () => {
  const answer = await client.messages.create({ ...ask, max_tokens: 3 });
  assert.equal(answer.stop_reason, "max_tokens");
  assert.equal(answer.usage.output_tokens, 3);
});

test("messages as a stream", async () => {
  const plain = await client.messages.create(ask);
  const stream = client.messages.stream(ask);
  let text = "";
  stream.on("text", (piece) => (text += piece));
  const answer = await stream.finalMessage();
  assert.equal(text, plain.content[0].text);
  assert.equal(answer.content[0].text, text);
  assert.equal(answer.stop_reason, "end_turn");
  assert.deepEqual(answer.usage.output_tokens, plain.usage.output_tokens);
});

test("events", async () => {
  const events = await collect(await client.messages.create({ ...ask, stream: true }));
  const names = events.map(({ type }) => type).filter((name) => name !== "ping");
  assert.deepEqual(names.slice(0, 2), ["message_start", "content_block_start"]);
  assert.deepEqual(names.slice(-3), ["content_block_stop", "message_delta", "message_stop"]);
  assert.deepEqual([...new Set(names.slice(2, -3))], ["content_block_delta"]);
});

test("a stream left early leaves the client usable", async () => {
  const stream = await client.messages.create({ ...ask, stream: true });
  for await (const _ of stream) break;
  const answer = await client.messages.create(ask);
  assert.ok(answer.content.length);
});

test("a tool, and back", async () => {
  const asked = await client.messages.create(askWeather);
  const answer = await client.messages.create(andBack(asked, assertCalled(asked)));
  assert.equal(answer.stop_reason, "end_turn");
  assert.match(answer.content[0].text, /rain, 9 degrees/);
});

test("a tool in a stream, and back", async () => {
  const asked = await client.messages.stream(askWeather).finalMessage();
  const answer = await client.messages.stream(andBack(asked, assertCalled(asked))).finalText();
  assert.match(answer, /rain, 9 degrees/);
});

test("tools in parallel", async () => {
  const clock = { name: "clock", input_schema: { type: "object" } };
  const messages = [{ role: "user", content: "in parallel, please" }];
  const stream = client.messages.stream({ ...askWeather, messages, tools: [weather, clock] });
  const calls = (await stream.finalMessage()).content.filter(({ type }) => type === "tool_use");
  assert.deepEqual(calls.map(({ name }) => name), ["weather", "clock"]);
  assert.notEqual(calls[0].id, calls[1].id);
});

test("tokens are counted", async () => {
  const { messages } = ask;
  const short = await client.messages.countTokens({ model, messages });
  const words = [{ role: "user", content: "Good morning ".repeat(50) }];
  const long = await client.messages.countTokens({ model, messages: words });
  assert.ok(short.input_tokens > 0);
  assert.ok(long.input_tokens > short.input_tokens);
});

test("models", async () => {
  const listed = await collect(client.models.list());
  const ours = listed.find(({ id }) => id === model);
  assert.ok(ours.display_name);
  assert.equal((await client.models.retrieve(model)).id, model);
  await assert.rejects(client.models.retrieve("nobody-has-this-model"), Anthropic.NotFoundError);
});

const errors = [
  ["forbidden", Anthropic.PermissionDeniedError, 403, "permission_error"],
  ["missing", Anthropic.NotFoundError, 404, "not_found_error"],
  ["refused", Anthropic.BadRequestError, 400, "invalid_request_error"],
  ["throttled", Anthropic.RateLimitError, 429, "rate_limit_error"],
  ["broken", Anthropic.InternalServerError, gateway ? 502 : 500, "api_error"],
];
for (const [name, kind, status, type] of errors) {
  test(`a ${name} model raises ${kind.name}`, async () => {
    for (const stream of [false, true]) {
      const asked = client.messages.create({ ...ask, model: models[name], stream });
      await assert.rejects(asked, (error) => {
        assert.ok(error instanceof kind, `${error}`);
        assert.equal(error.status, status);
        assert.equal(error.type, type, "the body has Anthropic's shape");
        assert.ok(error.error.error.message);
        assert.ok(error.requestID);
        return true;
      });
    }
  });
}

test("a wrong key raises AuthenticationError", async () => {
  const stranger = client.withOptions({ apiKey: "sk-nobody-has-this-key-0123456789" });
  await assert.rejects(stranger.messages.create(ask), Anthropic.AuthenticationError);
});

test("an error in mid-stream is raised", async () => {
  const stream = client.messages.stream({ ...ask, model: models["error-midway"] });
  let text = "";
  stream.on("text", (piece) => (text += piece));
  await assert.rejects(stream.finalMessage(), Anthropic.APIError);
  assert.ok(text, "something came before");
});

test("the gateway says who answered", { skip: !gateway }, async () => {
  for (const [name, target, fallback] of [
    ["chat", "first", "false"],
    ["failover", "second", "true"],
  ]) {
    const asked = client.messages.create({ ...ask, model: models[name] });
    const { response } = await asked.withResponse();
    assert.equal(response.headers.get("x-used-provider"), target);
    assert.equal(response.headers.get("x-used-fallback"), fallback);
  }
});

test("a cut stream is never shown as a finished one", { skip: !gateway }, async () => {
  const names = [];
  const stream = await client.messages.create({ ...ask, model: models.cut, stream: true });
  await assert.rejects(async () => {
    for await (const { type } of stream) names.push(type);
  }, Anthropic.AnthropicError);
  assert.ok(!names.includes("message_delta") && !names.includes("message_stop"));
});
