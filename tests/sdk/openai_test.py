"""OpenAI's Python package against the server under test."""

import asyncio
import json
import unittest

import openai
import pydantic

from server import IS_GATEWAY, KEY, MODELS, TARGET, URL, WRONG_KEY

CHAT = MODELS["chat"]
EMBED = MODELS["embed"]
HELLO = [{"role": "user", "content": "Good morning"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather at a place",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["place", "days"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
ASK_WEATHER = [{"role": "user", "content": "Use the weather tool"}]

client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=30)


class Forecast(pydantic.BaseModel):
    place: str
    degrees: float
    windy: bool


class Chat(unittest.TestCase):
    def test_plain(self):
        answer = client.chat.completions.create(model=CHAT, messages=HELLO)
        [choice] = answer.choices
        self.assertEqual(answer.object, "chat.completion")
        self.assertIn("Good morning", choice.message.content)
        self.assertEqual(choice.message.role, "assistant")
        self.assertEqual(choice.finish_reason, "stop")
        usage = answer.usage
        self.assertGreater(usage.prompt_tokens, 0)
        self.assertGreater(usage.completion_tokens, 0)
        self.assertEqual(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)

    @unittest.skipUnless(TARGET in ("openai", "gemini"), "others give one answer to a request")
    def test_several_choices(self):
        answer = client.chat.completions.create(model=CHAT, messages=HELLO, n=3)
        self.assertEqual([choice.index for choice in answer.choices], [0, 1, 2])
        self.assertEqual(len({choice.message.content for choice in answer.choices}), 3)

    def test_length_limit(self):
        answer = client.chat.completions.create(
            model=CHAT, messages=HELLO, max_completion_tokens=3
        )
        self.assertEqual(answer.choices[0].finish_reason, "length")
        self.assertEqual(answer.usage.completion_tokens, 3)

    def test_stream(self):
        plain = client.chat.completions.create(model=CHAT, messages=HELLO)
        chunks = list(client.chat.completions.create(model=CHAT, messages=HELLO, stream=True))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        self.assertEqual(text, plain.choices[0].message.content)
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        self.assertEqual(chunks[-1].choices[0].finish_reason, "stop")
        self.assertEqual(len({chunk.id for chunk in chunks}), 1)
        # Usage comes only to those who asked for it.
        self.assertTrue(all(chunk.usage is None for chunk in chunks))

    def test_stream_with_usage(self):
        *chunks, last = client.chat.completions.create(
            model=CHAT, messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        self.assertEqual(last.choices, [])
        self.assertGreater(last.usage.completion_tokens, 0)
        self.assertTrue(all(chunk.usage is None for chunk in chunks))

    def test_stream_collected_by_the_package(self):
        with client.chat.completions.stream(model=CHAT, messages=HELLO) as stream:
            deltas = [event.delta for event in stream if event.type == "content.delta"]
            answer = stream.get_final_completion()
        self.assertEqual("".join(deltas), answer.choices[0].message.content)

    def test_structured_output(self):
        answer = client.chat.completions.parse(
            model=CHAT, messages=HELLO, response_format=Forecast
        )
        self.assertIsInstance(answer.choices[0].message.parsed, Forecast)

    def test_a_stream_left_early_leaves_the_client_usable(self):
        with client.chat.completions.create(model=CHAT, messages=HELLO, stream=True) as stream:
            next(iter(stream))
        self.assertTrue(client.chat.completions.create(model=CHAT, messages=HELLO).choices)

    def test_many_at_once(self):
        async def ask(number):
            message = {"role": "user", "content": f"number {number}"}
            async with await everyone.chat.completions.create(
                model=CHAT, messages=[message], stream=True
            ) as stream:
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        async def ask_all():
            async with everyone:
                return await asyncio.gather(*(ask(number) for number in range(32)))

        everyone = openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
        for number, text in enumerate(asyncio.run(ask_all())):
            self.assertIn(f'"number {number}"', text)


class Tools(unittest.TestCase):
    def assert_called(self, call):
        self.assertEqual(call.function.name, "weather")
        arguments = json.loads(call.function.arguments)
        self.assertIsInstance(arguments["place"], str)
        self.assertIsInstance(arguments["days"], int)

    def test_plain_and_back(self):
        answer = client.chat.completions.create(
            model=CHAT, messages=ASK_WEATHER, tools=[WEATHER]
        )
        [choice] = answer.choices
        self.assertEqual(choice.finish_reason, "tool_calls")
        [call] = choice.message.tool_calls
        self.assert_called(call)

        result = {"role": "tool", "tool_call_id": call.id, "content": "rain, 9 degrees"}
        answer = client.chat.completions.create(
            model=CHAT,
            messages=[*ASK_WEATHER, choice.message, result],
            tools=[WEATHER],
        )
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertIn("rain, 9 degrees", answer.choices[0].message.content)

    def test_stream(self):
        with client.chat.completions.stream(
            model=CHAT, messages=ASK_WEATHER, tools=[WEATHER], parallel_tool_calls=False
        ) as stream:
            names = [event.type for event in stream]
            [choice] = stream.get_final_completion().choices
        self.assertIn("tool_calls.function.arguments.delta", names)
        self.assertEqual(choice.finish_reason, "tool_calls")
        [call] = choice.message.tool_calls
        self.assert_called(call)

    def test_parallel(self):
        clock = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}
        chunks = client.chat.completions.create(
            model=CHAT,
            messages=[{"role": "user", "content": "in parallel, please"}],
            tools=[WEATHER, clock],
            stream=True,
        )
        names = {}
        for chunk in chunks:
            for call in chunk.choices[0].delta.tool_calls or []:
                if call.function.name:
                    names[call.index] = call.function.name
        self.assertEqual(names, {0: "weather", 1: "clock"})


class Responses(unittest.TestCase):
    def test_plain(self):
        answer = client.responses.create(model=CHAT, input="Good morning", store=False)
        self.assertEqual(answer.status, "completed")
        self.assertIn("Good morning", answer.output_text)
        self.assertGreater(answer.usage.output_tokens, 0)

    def test_stream(self):
        plain = client.responses.create(model=CHAT, input="Good morning", store=False)
        events = list(
            client.responses.create(model=CHAT, input="Good morning", store=False, stream=True)
        )
        self.assertEqual(events[0].type, "response.created")
        self.assertEqual(events[-1].type, "response.completed")
        numbers = [event.sequence_number for event in events]
        self.assertEqual(numbers, sorted(set(numbers)))
        deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
        self.assertEqual("".join(deltas), plain.output_text)
        self.assertEqual(events[-1].response.output_text, plain.output_text)

    def test_tool(self):
        tool = {"type": "function", **WEATHER["function"]}
        with client.responses.stream(
            model=CHAT, input="Use the weather tool", tools=[tool], store=False
        ) as stream:
            for _ in stream:
                pass
            answer = stream.get_final_response()
        [call] = [item for item in answer.output if item.type == "function_call"]
        self.assertEqual(call.name, "weather")
        self.assertIsInstance(json.loads(call.arguments)["days"], int)

        said = {"role": "user", "content": "Use the weather tool"}
        result = {
            "type": "function_call_output",
            "call_id": call.call_id,
            "output": "rain, 9 degrees",
        }
        answer = client.responses.create(
            model=CHAT, input=[said, *answer.output, result], tools=[tool], store=False
        )
        self.assertIn("rain, 9 degrees", answer.output_text)

    def test_errors(self):
        for name, kind in (
            ("refused", openai.BadRequestError),
            ("throttled", openai.RateLimitError),
            ("broken", openai.InternalServerError),
        ):
            for stream in (False, True):
                with self.subTest(name, stream=stream), self.assertRaises(kind) as caught:
                    client.responses.create(
                        model=MODELS[name], input="Good morning", store=False, stream=stream
                    )
                self.assertTrue(caught.exception.body["message"])


class Others(unittest.TestCase):
    @unittest.skipIf(TARGET == "anthropic", "it has no embeddings")
    def test_embeddings(self):
        texts = ["one", "another"]
        # The package asks for base64 unless told otherwise, and decodes it.
        packed = client.embeddings.create(model=EMBED, input=texts)
        plain = client.embeddings.create(model=EMBED, input=texts, encoding_format="float")
        self.assertEqual([row.index for row in packed.data], [0, 1])
        for ours, theirs in zip(packed.data, plain.data, strict=True):
            self.assertGreater(len(ours.embedding), 1)
            for a, b in zip(ours.embedding, theirs.embedding, strict=True):
                self.assertAlmostEqual(a, b, places=5)
        self.assertNotEqual(packed.data[0].embedding, packed.data[1].embedding)
        self.assertGreater(packed.usage.prompt_tokens, 0)

    @unittest.skipIf(TARGET == "anthropic", "it has no embeddings")
    def test_many_embeddings_of_a_length(self):
        texts = [f"text number {number}" for number in range(120)]
        many = client.embeddings.create(model=EMBED, input=texts, dimensions=256)
        self.assertEqual([row.index for row in many.data], list(range(120)))
        last = client.embeddings.create(model=EMBED, input=texts[-1], dimensions=256)
        self.assertEqual(len(last.data[0].embedding), 256)
        self.assertEqual(many.data[-1].embedding, last.data[0].embedding)

    @unittest.skipIf(TARGET == "anthropic", "it has no embeddings")
    def test_a_wrong_request_for_embeddings(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            client.embeddings.create(model=EMBED, input=[])
        self.assertEqual(caught.exception.param, "input")

    def test_count_tokens(self):
        short = client.responses.input_tokens.count(model=CHAT, input="Good morning")
        long = client.responses.input_tokens.count(model=CHAT, input="Good morning " * 50)
        self.assertGreater(short.input_tokens, 0)
        self.assertGreater(long.input_tokens, short.input_tokens)
        raw = client.responses.input_tokens.with_raw_response.count(model=CHAT, input="hi")
        # Servers that speak OpenAI's API do not count; the others do.
        estimated = "true" if IS_GATEWAY and TARGET == "openai" else None
        self.assertEqual(raw.headers.get("x-pilothouse-estimated"), estimated)

    def test_completions(self):
        plain = client.completions.create(model=CHAT, prompt="Good morning", max_tokens=40)
        self.assertEqual(plain.object, "text_completion")
        chunks = client.completions.create(
            model=CHAT, prompt="Good morning", max_tokens=40, stream=True
        )
        self.assertEqual("".join(chunk.choices[0].text for chunk in chunks), plain.choices[0].text)

    def test_models(self):
        listed = {model.id: model for model in client.models.list()}
        self.assertIn(CHAT, listed)
        self.assertEqual(client.models.retrieve(CHAT), listed[CHAT])
        with self.assertRaises(openai.NotFoundError):
            client.models.retrieve("nobody/has-this-model")


class Errors(unittest.TestCase):
    def assert_raises(self, kind, status, model, **changes):
        for stream in (False, True):
            with self.subTest(stream=stream), self.assertRaises(kind) as caught:
                client.with_options(**changes).chat.completions.create(
                    model=model, messages=HELLO, stream=stream
                )
            error = caught.exception
            self.assertEqual(type(error), kind)
            self.assertEqual(error.status_code, status)
            # The package shows `error.message` only if the body has OpenAI's shape.
            self.assertTrue(error.body["message"])
            self.assertTrue(error.type)
            self.assertTrue(error.request_id)
            self.assertNotIn(KEY, str(error))
        return error

    def test_wrong_key(self):
        error = self.assert_raises(openai.AuthenticationError, 401, CHAT, api_key=WRONG_KEY)
        self.assertEqual(error.code, "invalid_api_key")
        self.assertNotIn(WRONG_KEY, str(error))

    def test_forbidden_model(self):
        self.assert_raises(openai.PermissionDeniedError, 403, MODELS["forbidden"])

    def test_unknown_model(self):
        error = self.assert_raises(openai.NotFoundError, 404, MODELS["missing"])
        self.assertEqual(error.code, "model_not_found")

    def test_bad_request(self):
        self.assert_raises(openai.BadRequestError, 400, MODELS["refused"])

    def test_malformed_body(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            client.post("/chat/completions", cast_to=object, content=b'{"model": ')
        self.assertEqual(caught.exception.type, "invalid_request_error")

    def test_rate_limit(self):
        error = self.assert_raises(openai.RateLimitError, 429, MODELS["throttled"])
        self.assertGreaterEqual(int(error.response.headers["retry-after"]), 1)

    def test_server_error(self):
        # A provider's own 500 stays one; through the gateway it is a bad gateway.
        status = 502 if IS_GATEWAY else 500
        self.assert_raises(openai.InternalServerError, status, MODELS["broken"])

    def test_unknown_path(self):
        with self.assertRaises(openai.NotFoundError):
            client.post("/no/such/path", cast_to=object, body={})

    def test_an_error_in_mid_stream_is_raised(self):
        text = ""
        with self.assertRaises(openai.APIError) as caught:
            for chunk in client.chat.completions.create(
                model=MODELS["error-midway"], messages=HELLO, stream=True
            ):
                text += chunk.choices[0].delta.content or ""
        self.assertTrue(text, "something came before")
        self.assertTrue(caught.exception.message)


@unittest.skipUnless(IS_GATEWAY, "only the gateway")
class Gateway(unittest.TestCase):
    def test_says_who_answered(self):
        raw = client.chat.completions.with_raw_response.create(model=CHAT, messages=HELLO)
        self.assertEqual(raw.headers["x-used-provider"], "first")
        self.assertEqual(raw.headers["x-used-fallback"], "false")
        self.assertEqual(raw.headers["x-pilothouse-attempts"], "1")
        self.assertTrue(raw.headers["x-request-id"])
        self.assertTrue(raw.headers["x-pilothouse-route"].endswith(f"/{CHAT}"))

    def test_fails_over(self):
        for stream in (False, True):
            with self.subTest(stream=stream):
                raw = client.chat.completions.with_raw_response.create(
                    model=MODELS["failover"], messages=HELLO, stream=stream
                )
                self.assertEqual(raw.headers["x-used-provider"], "second")
                self.assertEqual(raw.headers["x-used-fallback"], "true")
                if stream:
                    self.assertTrue(list(raw.parse()))

    def test_a_cut_stream_is_never_shown_as_a_finished_one(self):
        finished = []
        with self.assertRaises(openai.APIError):
            for chunk in client.chat.completions.create(
                model=MODELS["cut"], messages=HELLO, stream=True
            ):
                finished.append(chunk.choices[0].finish_reason)
        self.assertEqual(set(finished), {None})

    def test_lists_only_what_may_be_called(self):
        listed = {model.id for model in client.models.list()}
        self.assertNotIn(MODELS["forbidden"], listed)


if __name__ == "__main__":
    unittest.main()
