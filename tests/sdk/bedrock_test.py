"""AWS's Python package (boto3), asking Amazon Bedrock's runtime, against the server under test."""

import json
import os
import unittest
from concurrent.futures import ThreadPoolExecutor

# What the package would look for elsewhere; it is told everything.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from server import CA, IS_GATEWAY, KEY, MODELS, TARGET, URL, WRONG_KEY

CHAT = MODELS["chat"]
HELLO = {"messages": [{"role": "user", "content": [{"text": "Good morning"}]}]}
WEATHER = {
    "toolSpec": {
        "name": "weather",
        "description": "The weather at a place",
        "inputSchema": {
            "json": {
                "type": "object",
                "properties": {"place": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["place", "days"],
            }
        },
    }
}
ASK_WEATHER = {"role": "user", "content": [{"text": "Use the weather tool"}]}
TOOLS = {"toolConfig": {"tools": [WEATHER]}}


def client_with(key):
    # The only way to give the package a key of Bedrock's.
    os.environ["AWS_BEARER_TOKEN_BEDROCK"] = key
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=URL,
        region_name="us-east-1",
        verify=CA,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=30, max_pool_connections=32),
    )


client = client_with(KEY)


def streamed(asking=client, **request):
    """The events of a stream, each as its name and what it holds."""
    for event in asking.converse_stream(**request)["stream"]:
        [(name, held)] = event.items()
        yield name, held


def collected(events):
    """The message, the reason why it ends and the usage that a stream tells of."""
    message, reason, usage = {"content": []}, None, None
    for name, held in events:
        match name:
            case "messageStart":
                message["role"] = held["role"]
            case "contentBlockStart":
                start = held["start"]["toolUse"]
                message["content"].append({"toolUse": {**start, "input": ""}})
            case "contentBlockDelta":
                delta, content = held["delta"], message["content"]
                if "toolUse" in delta:
                    content[held["contentBlockIndex"]]["toolUse"]["input"] += delta["toolUse"]["input"]
                    continue
                if "reasoningContent" in delta:
                    # A signature alone, which is Google's for the text before it.
                    signed = {"text": "", **delta["reasoningContent"]}
                    content.append({"reasoningContent": {"reasoningText": signed}})
                    continue
                if held["contentBlockIndex"] == len(content):
                    content.append({"text": ""})
                content[held["contentBlockIndex"]]["text"] += delta["text"]
            case "messageStop":
                reason = held["stopReason"]
            case "metadata":
                usage = held["usage"]
    return message, reason, usage


class Converse(unittest.TestCase):
    def test_plain(self):
        answer = client.converse(modelId=CHAT, system=[{"text": "Be brief"}], **HELLO)
        message = answer["output"]["message"]
        [block] = [block for block in message["content"] if "text" in block]
        self.assertEqual(message["role"], "assistant")
        self.assertIn("Good morning", block["text"])
        self.assertEqual(answer["stopReason"], "end_turn")
        usage = answer["usage"]
        self.assertGreater(usage["inputTokens"], 0)
        self.assertGreater(usage["outputTokens"], 0)
        self.assertEqual(usage["totalTokens"], usage["inputTokens"] + usage["outputTokens"])
        self.assertGreaterEqual(answer["metrics"]["latencyMs"], 0)

    def test_length_limit(self):
        answer = client.converse(modelId=CHAT, inferenceConfig={"maxTokens": 3}, **HELLO)
        self.assertEqual(answer["stopReason"], "max_tokens")
        self.assertEqual(answer["usage"]["outputTokens"], 3)

    def test_stream(self):
        plain = client.converse(modelId=CHAT, **HELLO)
        events = list(streamed(modelId=CHAT, **HELLO))
        message, reason, usage = collected(events)
        self.assertEqual(message, plain["output"]["message"])
        self.assertEqual(reason, "end_turn")
        self.assertEqual(usage["outputTokens"], plain["usage"]["outputTokens"])
        names = [name for name, _ in events if name != "contentBlockStart"]
        self.assertEqual(names[0], "messageStart")
        self.assertEqual(names[-3:], ["contentBlockStop", "messageStop", "metadata"])
        if TARGET == "gemini":
            # Google signs its texts, and signatures have blocks of their own here.
            names.remove("contentBlockStop")
        self.assertEqual(set(names[1:-3]), {"contentBlockDelta"})
        self.assertGreater(len(names), 6)

    def test_a_stream_left_early_leaves_the_client_usable(self):
        stream = client.converse_stream(modelId=CHAT, **HELLO)["stream"]
        next(iter(stream))
        stream.close()
        self.assertTrue(client.converse(modelId=CHAT, **HELLO)["output"])

    def test_many_at_once(self):
        def ask(number):
            said = {"role": "user", "content": [{"text": f"number {number}"}]}
            message, _, _ = collected(streamed(modelId=CHAT, messages=[said]))
            return message["content"][0]["text"]

        with ThreadPoolExecutor(32) as everyone:
            for number, text in enumerate(everyone.map(ask, range(32))):
                self.assertIn(f'"number {number}"', text)


class Tools(unittest.TestCase):
    def assert_called(self, message):
        [call] = [block["toolUse"] for block in message["content"] if "toolUse" in block]
        self.assertEqual(call["name"], "weather")
        return call

    def and_back(self, said, call):
        result = {"toolUseId": call["toolUseId"], "content": [{"text": "rain, 9 degrees"}]}
        return [ASK_WEATHER, said, {"role": "user", "content": [{"toolResult": result}]}]

    def test_plain_and_back(self):
        answer = client.converse(modelId=CHAT, messages=[ASK_WEATHER], **TOOLS)
        self.assertEqual(answer["stopReason"], "tool_use")
        said = answer["output"]["message"]
        call = self.assert_called(said)
        self.assertIsInstance(call["input"]["place"], str)
        self.assertIsInstance(call["input"]["days"], int)
        answer = client.converse(modelId=CHAT, messages=self.and_back(said, call), **TOOLS)
        self.assertEqual(answer["stopReason"], "end_turn")
        self.assertIn("rain, 9 degrees", answer["output"]["message"]["content"][0]["text"])

    def test_stream_and_back(self):
        said, reason, _ = collected(streamed(modelId=CHAT, messages=[ASK_WEATHER], **TOOLS))
        self.assertEqual(reason, "tool_use")
        call = self.assert_called(said)
        call["input"] = json.loads(call["input"])
        self.assertIsInstance(call["input"]["days"], int)
        message, _, _ = collected(
            streamed(modelId=CHAT, messages=self.and_back(said, call), **TOOLS)
        )
        self.assertIn("rain, 9 degrees", message["content"][0]["text"])

    def test_parallel(self):
        clock = {"toolSpec": {"name": "clock", "inputSchema": {"json": {"type": "object"}}}}
        said = {"role": "user", "content": [{"text": "in parallel, please"}]}
        message, _, _ = collected(
            streamed(modelId=CHAT, messages=[said], toolConfig={"tools": [WEATHER, clock]})
        )
        calls = [block["toolUse"] for block in message["content"] if "toolUse" in block]
        calls = [call["name"] for call in calls]
        self.assertEqual(calls, ["weather", "clock"])


class Counts(unittest.TestCase):
    def test_count_tokens(self):
        def count(text):
            messages = [{"role": "user", "content": [{"text": text}]}]
            return client.count_tokens(modelId=CHAT, input={"converse": {"messages": messages}})

        short, long = count("Good morning"), count("Good morning " * 50)
        self.assertGreater(short["inputTokens"], 0)
        self.assertGreater(long["inputTokens"], short["inputTokens"])
        headers = short["ResponseMetadata"]["HTTPHeaders"]
        # Servers that speak OpenAI's API do not count; the others do.
        estimated = "true" if TARGET == "openai" else None
        self.assertEqual(headers.get("x-pilothouse-estimated"), estimated)


class Errors(unittest.TestCase):
    def assert_raises(self, kind, status, model, asking=client):
        def plain():
            asking.converse(modelId=model, **HELLO)

        def in_a_stream():
            asking.converse_stream(modelId=model, **HELLO)

        for ask in (plain, in_a_stream):
            with self.subTest(ask.__name__), self.assertRaises(ClientError) as caught:
                ask()
            error = caught.exception
            # Made of the code that the server gives.
            self.assertEqual(type(error).__name__, kind)
            self.assertIsInstance(error, getattr(asking.exceptions, kind))
            self.assertEqual(error.response["ResponseMetadata"]["HTTPStatusCode"], status)
            self.assertTrue(error.response["Error"]["Message"])
            self.assertNotIn(KEY, str(error))
        return error

    def test_wrong_key(self):
        status = 401 if IS_GATEWAY else 403
        error = self.assert_raises(
            "AccessDeniedException", status, CHAT, asking=client_with(WRONG_KEY)
        )
        self.assertNotIn(WRONG_KEY, str(error))

    def test_forbidden_model(self):
        self.assert_raises("AccessDeniedException", 403, MODELS["forbidden"])

    def test_unknown_model(self):
        self.assert_raises("ResourceNotFoundException", 404, MODELS["missing"])

    def test_bad_request(self):
        self.assert_raises("ValidationException", 400, MODELS["refused"])

    def test_rate_limit(self):
        error = self.assert_raises("ThrottlingException", 429, MODELS["throttled"])
        headers = error.response["ResponseMetadata"]["HTTPHeaders"]
        self.assertGreaterEqual(int(headers["retry-after"]), 1)

    def test_server_error(self):
        status = 502 if IS_GATEWAY else 500
        self.assert_raises("InternalServerException", status, MODELS["broken"])

    def test_an_error_in_mid_stream_is_raised(self):
        names = []
        with self.assertRaises(EventStreamError):
            for name, _ in streamed(modelId=MODELS["error-midway"], **HELLO):
                names.append(name)
        self.assertIn("contentBlockDelta", names)
        self.assertNotIn("messageStop", names)


@unittest.skipUnless(IS_GATEWAY, "only the gateway")
class Gateway(unittest.TestCase):
    def test_says_who_answered(self):
        for model, target in (("chat", "first"), ("failover", "second")):
            answer = client.converse(modelId=MODELS[model], **HELLO)
            headers = answer["ResponseMetadata"]["HTTPHeaders"]
            self.assertEqual(headers["x-used-provider"], target)

    def test_a_cut_stream_is_never_shown_as_a_finished_one(self):
        names = []
        with self.assertRaises(Exception):
            for name, _ in streamed(modelId=MODELS["cut"], **HELLO):
                names.append(name)
        self.assertNotIn("messageStop", names)


if __name__ == "__main__":
    unittest.main()
