// OpenAI's Node.js package against the server under test.
//
// CommonJS, because only `require` looks into NODE_PATH: the packages are installed elsewhere.
"use strict";

const assert = require("node:assert/strict");
const { test } = require("node:test");
const OpenAI = require("openai");

// As tests/sdk.rs describes it.
const { url, key, gateway, target, models } = JSON.parse(process.env.PILOTHOUSE_SDK);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, timeout: 30_000 });

const model = models.chat;
const messages = [{ role: "user", content: "Good morning" }];
const weather = {
  name: "weather",
  description: "The weather at a place",
  parameters: {
    type: "object",
    properties: { place: { type: "string" }, days: { type: "integer" } },
    required: ["place", "days"],
    additionalProperties: false,
  },
};
const tools = [{ type: "function", function: weather }];
const askWeather = [{ role: "user", content: "Use the weather tool" }];

async function collect(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

function assertCalled({ name, arguments: text }) {
  assert.equal(name, "weather");
  const given = JSON.parse(text);
  assert.equal(typeof given.place, "string");
  assert.ok(Number.isInteger(given.days));
}

test("chat", async () => {
  const answer = await client.chat.completions.create({ model, messages });
  assert.match(answer.choices[0].message.content, /Good morning/);
  assert.equal(answer.choices[0].finish_reason, "stop");
  const { prompt_tokens: asked, completion_tokens: answered, total_tokens: all } = answer.usage;
  assert.ok(asked > 0 && answered > 0);
  assert.equal(all, asked + answered);
});

test("chat as a stream", async () => {
  const plain = await client.chat.completions.create({ model, messages });
  const chunks = await collect(
    await client.chat.completions.create({ model, messages, stream: true }),
  );
  const text = chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join("");
  assert.equal(text, plain.choices[0].message.content);
  assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
  assert.ok(chunks.every((chunk) => !chunk.usage), "usage was not asked for");
});

test("chat as a stream with usage", async () => {
  const chunks = await collect(
    await client.chat.completions.create({
      model,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    }),
  );
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.ok(chunks.at(-1).usage.completion_tokens > 0);
});

test("a stream left early leaves the client usable", async () => {
  const stream = await client.chat.completions.create({ model, messages, stream: true });
  for await (const _ of stream) break;
  const answer = await client.chat.completions.create({ model, messages });
  assert.equal(answer.choices.length, 1);
});

test("a tool, and back", async () => {
  const asked = await client.chat.completions.create({ model, messages: askWeather, tools });
  const [choice] = asked.choices;
  assert.equal(choice.finish_reason, "tool_calls");
  const [call] = choice.message.tool_calls;
  assertCalled(call.function);
  const result = { role: "tool", tool_call_id: call.id, content: "rain, 9 degrees" };
  const answer = await client.chat.completions.create({
    model,
    messages: [...askWeather, choice.message, result],
    tools,
  });
  assert.match(answer.choices[0].message.content, /rain, 9 degrees/);
});

test("a tool in a stream", async () => {
  const stream = client.chat.completions.stream({ model, messages: askWeather, tools });
  const answer = await stream.finalChatCompletion();
  assert.equal(answer.choices[0].finish_reason, "tool_calls");
  assertCalled(answer.choices[0].message.tool_calls[0].function);
});

test("responses", async () => {
  const answer = await client.responses.create({ model, input: "Good morning", store: false });
  assert.equal(answer.status, "completed");
  assert.match(answer.output_text, /Good morning/);
  const events = await collect(
    await client.responses.create({ model, input: "Good morning", store: false, stream: true }),
  );
  assert.equal(events[0].type, "response.created");
  assert.equal(events.at(-1).type, "response.completed");
  const deltas = events.filter((event) => event.type === "response.output_text.delta");
  assert.equal(deltas.map((event) => event.delta).join(""), answer.output_text);
});

test("a tool in responses", async () => {
  const stream = client.responses.stream({
    model,
    input: "Use the weather tool",
    tools: [{ type: "function", strict: true, ...weather }],
    store: false,
  });
  const answer = await stream.finalResponse();
  const call = answer.output.find((item) => item.type === "function_call");
  assertCalled(call);
  const said = { role: "user", content: "Use the weather tool" };
  const result = {
    type: "function_call_output",
    call_id: call.call_id,
    output: "rain, 9 degrees",
  };
  const input = [said, ...answer.output, result];
  const { output_text: text } = await client.responses.create({ model, input, store: false });
  assert.match(text, /rain, 9 degrees/);
});

const none = target === "anthropic" ? "it has no embeddings" : false;
test("embeddings", { skip: none }, async () => {
  const input = ["one", "another"];
  // The package asks for base64 unless told otherwise, and decodes it.
  const packed = await client.embeddings.create({ model: models.embed, input });
  const plain = await client.embeddings.create({ model: models.embed, input, encoding_format: "float" });
  assert.equal(packed.data.length, 2);
  packed.data.forEach(({ embedding }, row) => {
    assert.equal(embedding.length, plain.data[row].embedding.length);
    embedding.forEach((value, at) => {
      assert.ok(Math.abs(value - plain.data[row].embedding[at]) < 1e-5);
    });
  });
});

test("completions", async () => {
  const ask = { model, prompt: "Good morning", max_tokens: 40 };
  const plain = await client.completions.create(ask);
  const chunks = await collect(await client.completions.create({ ...ask, stream: true }));
  assert.equal(chunks.map((chunk) => chunk.choices[0].text).join(""), plain.choices[0].text);
});

test("models", async () => {
  const listed = await collect(await client.models.list());
  const ours = listed.find(({ id }) => id === model);
  assert.ok(ours);
  assert.deepEqual({ ...(await client.models.retrieve(model)) }, { ...ours });
  await assert.rejects(client.models.retrieve("nobody/has-this-model"), OpenAI.NotFoundError);
});

const errors = [
  ["forbidden", OpenAI.PermissionDeniedError, 403],
  ["missing", OpenAI.NotFoundError, 404],
  ["refused", OpenAI.BadRequestError, 400],
  ["throttled", OpenAI.RateLimitError, 429],
  ["broken", OpenAI.InternalServerError, gateway ? 502 : 500],
];
for (const [name, kind, status] of errors) {
  test(`a ${name} model raises ${kind.name}`, async () => {
    for (const stream of [false, true]) {
      const asked = client.chat.completions.create({ model: models[name], messages, stream });
      await assert.rejects(asked, (error) => {
        assert.ok(error instanceof kind, `${error}`);
        assert.equal(error.status, status);
        assert.ok(error.error.message, "the body has OpenAI's shape");
        assert.ok(error.requestID);
        return true;
      });
    }
  });
}

test("a wrong key raises AuthenticationError", async () => {
  const stranger = client.withOptions({ apiKey: "sk-nobody-has-this-key-0123456789" });
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
  await assert.rejects(
    stranger.chat.completions.create({ model, messages }),
    OpenAI.AuthenticationError,
  );
});

test("an error in mid-stream is raised", async () => {
  const stream = await client.chat.completions.create({
    model: models["error-midway"],
    messages,
    stream: true,
  });
  await assert.rejects(collect(stream), OpenAI.APIError);
});

test("the gateway says who answered", { skip: !gateway }, async () => {
  for (const [name, target, fallback] of [
    ["chat", "first", "false"],
    ["failover", "second", "true"],
  ]) {
    const asked = client.chat.completions.create({ model: models[name], messages });
    const { response } = await asked.withResponse();
    assert.equal(response.headers.get("x-used-provider"), target);
    assert.equal(response.headers.get("x-used-fallback"), fallback);
  }
});

test("a cut stream is never shown as a finished one", { skip: !gateway }, async () => {
  const stream = await client.chat.completions.create({
    model: models.cut,
    messages,
    stream: true,
  });
  await assert.rejects(collect(stream), OpenAI.APIError);
});
