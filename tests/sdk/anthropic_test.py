"""Anthropic's Python package against the server under test."""

import asyncio
import unittest

import anthropic

from server import IS_GATEWAY, KEY, MODELS, TARGET, URL, WRONG_KEY

CHAT = MODELS["chat"]
HELLO = {"messages": [{"role": "user", "content": "Good morning"}], "max_tokens": 100}
WEATHER = {
    "name": "weather",
    "description": "The weather at a place",
    "input_schema": {
        "type": "object",
        "properties": {"place": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["place", "days"],
    },
}
ASK_WEATHER = {"role": "user", "content": "Use the weather tool"}

client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0, timeout=30)


class Messages(unittest.TestCase):
    def test_plain(self):
        answer = client.messages.create(model=CHAT, system="Be brief", **HELLO)
        [block] = [block for block in answer.content if block.type == "text"]
        self.assertEqual(answer.type, "message")
        self.assertEqual(answer.role, "assistant")
        self.assertIn("Good morning", block.text)
        self.assertEqual(answer.stop_reason, "end_turn")
        self.assertGreater(answer.usage.input_tokens, 0)
        self.assertGreater(answer.usage.output_tokens, 0)

    def test_length_limit(self):
        answer = client.messages.create(model=CHAT, **{**HELLO, "max_tokens": 3})
        self.assertEqual(answer.stop_reason, "max_tokens")
        self.assertEqual(answer.usage.output_tokens, 3)

    def test_stream(self):
        plain = client.messages.create(model=CHAT, **HELLO)
        with client.messages.stream(model=CHAT, **HELLO) as stream:
            text = "".join(stream.text_stream)
            answer = stream.get_final_message()
        self.assertEqual(text, plain.content[0].text)
        self.assertEqual(answer.content[0].text, text)
        self.assertEqual(answer.stop_reason, "end_turn")
        self.assertEqual(answer.usage.output_tokens, plain.usage.output_tokens)

    def test_events(self):
        events = client.messages.create(model=CHAT, stream=True, **HELLO)
        names = [event.type for event in events if event.type != "ping"]
        self.assertEqual(names[:2], ["message_start", "content_block_start"])
        self.assertEqual(names[-3:], ["content_block_stop", "message_delta", "message_stop"])
        self.assertEqual(set(names[2:-3]), {"content_block_delta"})

    def test_a_stream_left_early_leaves_the_client_usable(self):
        with client.messages.stream(model=CHAT, **HELLO) as stream:
            next(iter(stream))
        self.assertTrue(client.messages.create(model=CHAT, **HELLO).content)

    def test_count_tokens(self):
        short = client.messages.count_tokens(model=CHAT, messages=HELLO["messages"])
        long = client.messages.count_tokens(
            model=CHAT, messages=[{"role": "user", "content": "Good morning " * 50}]
        )
        self.assertGreater(short.input_tokens, 0)
        self.assertGreater(long.input_tokens, short.input_tokens)
        raw = client.messages.with_raw_response.count_tokens(
            model=CHAT, messages=HELLO["messages"]
        )
        estimated = raw.headers.get("x-pilothouse-estimated")
        # Servers that speak OpenAI's API do not count; the others do.
        self.assertEqual(estimated, "true" if TARGET == "openai" else None)

    def test_bearer_token(self):
        with anthropic.Anthropic(
            base_url=URL, auth_token=KEY, max_retries=0, default_headers={"x-api-key": anthropic.Omit()}
        ) as bearer:
            self.assertTrue(bearer.messages.create(model=CHAT, **HELLO).content)

    def test_many_at_once(self):
        async def ask(number):
            async with everyone.messages.stream(
                model=CHAT,
                max_tokens=100,
                messages=[{"role": "user", "content": f"number {number}"}],
            ) as stream:
                return await stream.get_final_text()

        async def ask_all():
            async with everyone:
                return await asyncio.gather(*(ask(number) for number in range(32)))

        everyone = anthropic.AsyncAnthropic(base_url=URL, api_key=KEY, max_retries=0)
        for number, text in enumerate(asyncio.run(ask_all())):
            self.assertIn(f'"number {number}"', text)


class Tools(unittest.TestCase):
    def assert_called(self, answer):
        self.assertEqual(answer.stop_reason, "tool_use")
        [call] = [block for block in answer.content if block.type == "tool_use"]
        self.assertEqual(call.name, "weather")
        self.assertIsInstance(call.input["place"], str)
        self.assertIsInstance(call.input["days"], int)
        return call

    def test_plain_and_back(self):
        answer = client.messages.create(
            model=CHAT, max_tokens=100, messages=[ASK_WEATHER], tools=[WEATHER]
        )
        call = self.assert_called(answer)
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "rain, 9 degrees"}
        answer = client.messages.create(
            model=CHAT,
            max_tokens=100,
            messages=[
                ASK_WEATHER,
                {"role": "assistant", "content": answer.content},
                {"role": "user", "content": [result]},
            ],
            tools=[WEATHER],
        )
        self.assertEqual(answer.stop_reason, "end_turn")
        self.assertIn("rain, 9 degrees", answer.content[0].text)

    def test_stream(self):
        with client.messages.stream(
            model=CHAT, max_tokens=100, messages=[ASK_WEATHER], tools=[WEATHER]
        ) as stream:
            pieces = [event.partial_json for event in stream if event.type == "input_json"]
            answer = stream.get_final_message()
        self.assertTrue(pieces)
        self.assert_called(answer)


    def test_stream_and_back(self):
        asked = [ASK_WEATHER]
        for _ in range(2):
            with client.messages.stream(
                model=CHAT, max_tokens=100, messages=asked, tools=[WEATHER]
            ) as stream:
                answer = stream.get_final_message()
            calls = [block for block in answer.content if block.type == "tool_use"]
            results = [
                {"type": "tool_result", "tool_use_id": call.id, "content": "rain, 9 degrees"}
                for call in calls
            ]
            asked += [{"role": "assistant", "content": answer.content}]
            asked += [{"role": "user", "content": results}]
        self.assertEqual(answer.stop_reason, "end_turn")
        self.assertIn("rain, 9 degrees", answer.content[0].text)


class Models(unittest.TestCase):
    def test_list_and_retrieve(self):
        listed = {model.id: model for model in client.models.list()}
        self.assertIn(CHAT, listed)
        self.assertEqual(listed[CHAT].type, "model")
        self.assertTrue(listed[CHAT].display_name)
        self.assertEqual(client.models.retrieve(CHAT).id, CHAT)
        with self.assertRaises(anthropic.NotFoundError):
            client.models.retrieve("nobody-has-this-model")

    def test_pages(self):
        one_by_one = [model.id for model in client.models.list(limit=1)]
        at_once = [model.id for model in client.models.list(limit=1000)]
        self.assertEqual(one_by_one, at_once)


class Errors(unittest.TestCase):
    def assert_raises(self, kind, status, name, model, **changes):
        for stream in (False, True):
            with self.subTest(stream=stream), self.assertRaises(kind) as caught:
                client.with_options(**changes).messages.create(model=model, stream=stream, **HELLO)
            error = caught.exception
            self.assertEqual(type(error), kind)
            self.assertEqual(error.status_code, status)
            # Both are read from the body, which has to have Anthropic's shape for it.
            self.assertEqual(error.type, name)
            self.assertTrue(error.api_message)
            self.assertEqual(error.body["type"], "error")
            self.assertTrue(error.request_id)
            self.assertNotIn(KEY, str(error))
        return error

    def test_wrong_key(self):
        error = self.assert_raises(
            anthropic.AuthenticationError, 401, "authentication_error", CHAT, api_key=WRONG_KEY
        )
        self.assertNotIn(WRONG_KEY, str(error))

    def test_forbidden_model(self):
        self.assert_raises(
            anthropic.PermissionDeniedError, 403, "permission_error", MODELS["forbidden"]
        )

    def test_unknown_model(self):
        self.assert_raises(anthropic.NotFoundError, 404, "not_found_error", MODELS["missing"])

    def test_bad_request(self):
        self.assert_raises(
            anthropic.BadRequestError, 400, "invalid_request_error", MODELS["refused"]
        )

    def test_rate_limit(self):
        error = self.assert_raises(
            anthropic.RateLimitError, 429, "rate_limit_error", MODELS["throttled"]
        )
        self.assertGreaterEqual(int(error.response.headers["retry-after"]), 1)

    def test_server_error(self):
        status = 502 if IS_GATEWAY else 500
        self.assert_raises(anthropic.InternalServerError, status, "api_error", MODELS["broken"])

    def test_an_error_in_mid_stream_is_raised(self):
        text = ""
        with self.assertRaises(anthropic.APIStatusError):
            with client.messages.stream(model=MODELS["error-midway"], **HELLO) as stream:
                for piece in stream.text_stream:
                    text += piece
        self.assertTrue(text, "something came before")

    def test_unknown_path(self):
        with self.assertRaises(anthropic.NotFoundError):
            client.post("/v1/messages/no/such/path", cast_to=object, body={})


@unittest.skipUnless(IS_GATEWAY, "only the gateway")
class Gateway(unittest.TestCase):
    def test_says_who_answered(self):
        raw = client.messages.with_raw_response.create(model=CHAT, **HELLO)
        self.assertEqual(raw.headers["x-used-provider"], "first")
        self.assertEqual(raw.headers["x-used-fallback"], "false")

    def test_fails_over(self):
        raw = client.messages.with_raw_response.create(model=MODELS["failover"], **HELLO)
        self.assertEqual(raw.headers["x-used-provider"], "second")
        self.assertEqual(raw.headers["x-used-fallback"], "true")

    def test_a_cut_stream_is_never_shown_as_a_finished_one(self):
        names = []
        with self.assertRaises(anthropic.APIError):
            for event in client.messages.create(model=MODELS["cut"], stream=True, **HELLO):
                names.append(event.type)
        self.assertNotIn("message_delta", names)
        self.assertNotIn("message_stop", names)


if __name__ == "__main__":
    unittest.main()
