"""Google's Python package (google-genai) against the server under test."""

import asyncio
import itertools
import unittest

import pydantic
from google import genai
from google.genai import errors, types

from server import IS_GATEWAY, KEY, MODELS, TARGET, URL, WRONG_KEY

CHAT = MODELS["chat"]
HELLO = "Good morning"
ASK_WEATHER = types.UserContent("Use the weather tool")
WEATHER = types.FunctionDeclaration(
    name="weather",
    description="The weather at a place",
    parameters=types.Schema(
        type=types.Type.OBJECT,
        properties={
            "place": types.Schema(type=types.Type.STRING),
            "days": types.Schema(type=types.Type.INTEGER),
        },
        required=["place", "days"],
    ),
)
TOOLS = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[WEATHER])])


def client_with(key):
    options = types.HttpOptions(base_url=URL, timeout=30_000)
    return genai.Client(api_key=key, vertexai=False, http_options=options)


client = client_with(KEY)


class Forecast(pydantic.BaseModel):
    place: str
    degrees: float
    windy: bool


class Generate(unittest.TestCase):
    def test_plain(self):
        answer = client.models.generate_content(
            model=CHAT,
            contents=HELLO,
            config=types.GenerateContentConfig(system_instruction="Be brief"),
        )
        [candidate] = answer.candidates
        self.assertIn(HELLO, answer.text)
        self.assertEqual(candidate.content.role, "model")
        self.assertEqual(candidate.finish_reason, types.FinishReason.STOP)
        usage = answer.usage_metadata
        self.assertGreater(usage.prompt_token_count, 0)
        self.assertGreater(usage.candidates_token_count, 0)
        thoughts = usage.thoughts_token_count or 0
        self.assertEqual(
            usage.total_token_count,
            usage.prompt_token_count + usage.candidates_token_count + thoughts,
        )

    def test_length_limit(self):
        answer = client.models.generate_content(
            model=CHAT, contents=HELLO, config=types.GenerateContentConfig(max_output_tokens=3)
        )
        self.assertEqual(answer.candidates[0].finish_reason, types.FinishReason.MAX_TOKENS)
        self.assertEqual(answer.usage_metadata.candidates_token_count, 3)

    def test_stream(self):
        plain = client.models.generate_content(model=CHAT, contents=HELLO)
        chunks = list(client.models.generate_content_stream(model=CHAT, contents=HELLO))
        self.assertGreater(len(chunks), 1)
        self.assertEqual("".join(chunk.text or "" for chunk in chunks), plain.text)
        *before, last = [chunk.candidates[0].finish_reason for chunk in chunks if chunk.candidates]
        self.assertEqual(set(before), {None})
        self.assertEqual(last, types.FinishReason.STOP)
        self.assertEqual(
            chunks[-1].usage_metadata.candidates_token_count,
            plain.usage_metadata.candidates_token_count,
        )

    def test_structured_output(self):
        answer = client.models.generate_content(
            model=CHAT,
            contents=HELLO,
            config=types.GenerateContentConfig(
                response_mime_type="application/json", response_schema=Forecast
            ),
        )
        self.assertIsInstance(answer.parsed, Forecast)

    def test_a_chat_keeps_its_history(self):
        chat = client.chats.create(model=CHAT)
        self.assertIn("first words", chat.send_message("first words").text)
        pieces = [chunk.text or "" for chunk in chat.send_message_stream("second words")]
        self.assertIn("second words", "".join(pieces))
        self.assertIn("third words", chat.send_message("third words").text)
        # Every piece of a stream is an entry of its own.
        roles = [role for role, _ in itertools.groupby(chat.get_history(), lambda it: it.role)]
        self.assertEqual(roles, ["user", "model"] * 3)

    def test_a_stream_left_early_leaves_the_client_usable(self):
        stream = client.models.generate_content_stream(model=CHAT, contents=HELLO)
        next(stream)
        stream.close()
        self.assertTrue(client.models.generate_content(model=CHAT, contents=HELLO).text)

    def test_many_at_once(self):
        async def ask(number):
            stream = await client.aio.models.generate_content_stream(
                model=CHAT, contents=f"number {number}"
            )
            return "".join([chunk.text or "" async for chunk in stream])

        async def ask_all():
            return await asyncio.gather(*(ask(number) for number in range(32)))

        for number, text in enumerate(asyncio.run(ask_all())):
            self.assertIn(f'"number {number}"', text)


class Tools(unittest.TestCase):
    def assert_called(self, parts):
        [call] = [part.function_call for part in parts if part.function_call]
        self.assertEqual(call.name, "weather")
        self.assertIsInstance(call.args["place"], str)
        self.assertIsInstance(call.args["days"], int)
        return call

    def result_of(self, call):
        returned = types.FunctionResponse(
            id=call.id, name=call.name, response={"result": "rain, 9 degrees"}
        )
        return types.Content(role="user", parts=[types.Part(function_response=returned)])

    def test_plain_and_back(self):
        answer = client.models.generate_content(model=CHAT, contents=ASK_WEATHER, config=TOOLS)
        said = answer.candidates[0].content
        call = self.assert_called(said.parts)
        answer = client.models.generate_content(
            model=CHAT, contents=[ASK_WEATHER, said, self.result_of(call)], config=TOOLS
        )
        self.assertEqual(answer.candidates[0].finish_reason, types.FinishReason.STOP)
        self.assertIn("rain, 9 degrees", answer.text)

    def test_stream_and_back(self):
        def ask(contents):
            stream = client.models.generate_content_stream(
                model=CHAT, contents=contents, config=TOOLS
            )
            contents = [chunk.candidates[0].content for chunk in stream if chunk.candidates]
            parts = [part for content in contents if content for part in content.parts or []]
            # Google ends a stream with an empty text, and wants none back.
            return [part for part in parts if part.text != "" or part.thought_signature]

        parts = ask(ASK_WEATHER)
        call = self.assert_called(parts)
        said = types.Content(role="model", parts=parts)
        parts = ask([ASK_WEATHER, said, self.result_of(call)])
        self.assertIn("rain, 9 degrees", "".join(part.text or "" for part in parts))

    def test_called_by_the_package(self):
        asked = []

        def weather(place: str, days: int) -> str:
            """The weather at a place."""
            asked.append((place, days))
            return "rain, 9 degrees"

        chat = client.chats.create(
            model=CHAT, config=types.GenerateContentConfig(tools=[weather])
        )
        answer = chat.send_message("Use the weather tool")
        self.assertEqual(len(asked), 1)
        self.assertIn("rain, 9 degrees", answer.text)

    def test_parallel(self):
        clock = types.FunctionDeclaration(name="clock", description="The time of day")
        answer = client.models.generate_content(
            model=CHAT,
            contents="in parallel, please",
            config=types.GenerateContentConfig(
                tools=[types.Tool(function_declarations=[WEATHER, clock])]
            ),
        )
        self.assertEqual([call.name for call in answer.function_calls], ["weather", "clock"])


class Others(unittest.TestCase):
    def test_count_tokens(self):
        short = client.models.count_tokens(model=CHAT, contents=HELLO)
        long = client.models.count_tokens(model=CHAT, contents=HELLO * 50)
        self.assertGreater(short.total_tokens, 0)
        self.assertGreater(long.total_tokens, short.total_tokens)
        headers = short.sdk_http_response.headers
        # Servers that speak OpenAI's API do not count; the others do.
        estimated = "true" if TARGET == "openai" else None
        self.assertEqual(headers.get("x-pilothouse-estimated"), estimated)

    @unittest.skipUnless(TARGET == "gemini", "Google's own requests go to Google alone")
    def test_embeddings(self):
        config = types.EmbedContentConfig(output_dimensionality=8)
        answer = client.models.embed_content(
            model=MODELS["embed"], contents=["one", "another"], config=config
        )
        self.assertEqual([len(row.values) for row in answer.embeddings], [8, 8])


class Models(unittest.TestCase):
    def test_list_and_get(self):
        listed = [model.name for model in client.models.list()]
        self.assertIn(f"models/{CHAT}", listed)
        self.assertEqual(client.models.get(model=CHAT).name, f"models/{CHAT}")
        with self.assertRaises(errors.ClientError) as caught:
            client.models.get(model="nobody-has-this-model")
        self.assertEqual(caught.exception.code, 404)


class Errors(unittest.TestCase):
    def assert_raises(self, kind, code, status, model, asking=client):
        def plain():
            asking.models.generate_content(model=model, contents=HELLO)

        def streamed():
            list(asking.models.generate_content_stream(model=model, contents=HELLO))

        for ask in (plain, streamed):
            with self.subTest(ask.__name__), self.assertRaises(kind) as caught:
                ask()
            error = caught.exception
            self.assertEqual(error.code, code)
            # Both are read from the body, which has to have Google's shape for it.
            self.assertEqual(error.status, status)
            self.assertTrue(error.message)
            self.assertNotIn(KEY, str(error))
        return error

    def test_wrong_key(self):
        # Google itself calls it an invalid argument.
        code, status = (401, "UNAUTHENTICATED") if IS_GATEWAY else (400, "INVALID_ARGUMENT")
        error = self.assert_raises(
            errors.ClientError, code, status, CHAT, asking=client_with(WRONG_KEY)
        )
        self.assertNotIn(WRONG_KEY, str(error))

    def test_forbidden_model(self):
        self.assert_raises(errors.ClientError, 403, "PERMISSION_DENIED", MODELS["forbidden"])

    def test_unknown_model(self):
        self.assert_raises(errors.ClientError, 404, "NOT_FOUND", MODELS["missing"])

    def test_bad_request(self):
        self.assert_raises(errors.ClientError, 400, "INVALID_ARGUMENT", MODELS["refused"])

    def test_rate_limit(self):
        error = self.assert_raises(
            errors.ClientError, 429, "RESOURCE_EXHAUSTED", MODELS["throttled"]
        )
        self.assertGreaterEqual(int(error.response.headers["retry-after"]), 1)

    def test_server_error(self):
        code, status = (502, "UNAVAILABLE") if IS_GATEWAY else (500, "INTERNAL")
        self.assert_raises(errors.ServerError, code, status, MODELS["broken"])

    def test_an_error_in_mid_stream_is_raised(self):
        text = ""
        with self.assertRaises(errors.APIError):
            for chunk in client.models.generate_content_stream(
                model=MODELS["error-midway"], contents=HELLO
            ):
                text += chunk.text or ""
        self.assertTrue(text, "something came before")


@unittest.skipUnless(IS_GATEWAY, "only the gateway")
class Gateway(unittest.TestCase):
    def test_says_who_answered(self):
        for model, target in (("chat", "first"), ("failover", "second")):
            answer = client.models.generate_content(model=MODELS[model], contents=HELLO)
            self.assertEqual(answer.sdk_http_response.headers["x-used-provider"], target)

    def test_a_cut_stream_is_never_shown_as_a_finished_one(self):
        finished = set()
        with self.assertRaises(Exception):
            for chunk in client.models.generate_content_stream(
                model=MODELS["cut"], contents=HELLO
            ):
                finished.add(chunk.candidates[0].finish_reason)
        self.assertEqual(finished, {None})


if __name__ == "__main__":
    unittest.main()
