"""The clients of clouds in the official Python packages, against the simulated clouds: what they send is
what the gateway has to send."""

import os
import unittest

# What the packages would look for elsewhere; they are told everything.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull

import anthropic
import openai

from server import KEY, URL, WRONG_KEY

HELLO = [{"role": "user", "content": "Good morning"}]
MESSAGE = {"max_tokens": 100, "messages": HELLO}
NAMED = {"max_retries": 0}
BETA = "context-management-2025-06-27"


class Claude:
    """What every cloud's client of Claude does."""

    def test_a_message(self):
        message = self.client(KEY).messages.create(model=self.model, **MESSAGE)
        self.assertIn("Good morning", message.content[0].text)
        self.assertGreater(message.usage.input_tokens, 0)

    def test_a_stream(self):
        with self.client(KEY).messages.stream(model=self.model, **MESSAGE) as stream:
            text = "".join(stream.text_stream)
            message = stream.get_final_message()
        self.assertIn("Good morning", text)
        self.assertEqual(message.stop_reason, "end_turn")
        self.assertLess(message.usage.input_tokens, 100)

    def test_a_beta_opens_a_member(self):
        edits = {"edits": [{"type": "clear_tool_uses_20250919"}]}
        messages = self.client(KEY).beta.messages
        message = messages.create(
            model=self.model, betas=[BETA], context_management=edits, **MESSAGE
        )
        self.assertEqual(message.stop_reason, "end_turn")
        with self.assertRaises(anthropic.BadRequestError):
            messages.create(model=self.model, context_management=edits, **MESSAGE)

    def test_an_unknown_beta(self):
        with self.assertRaises(anthropic.BadRequestError):
            self.client(KEY).beta.messages.create(model=self.model, betas=["x"], **MESSAGE)

    def test_a_wrong_key(self):
        with self.assertRaises(anthropic.APIStatusError) as raised:
            self.client(WRONG_KEY).messages.create(model=self.model, **MESSAGE)
        self.assertIn(raised.exception.status_code, (401, 403))


class Bedrock(Claude, unittest.TestCase):
    model = "eu.anthropic.claude-sim-v1:0"

    def client(self, key):
        return anthropic.AnthropicBedrock(
            base_url=URL, api_key=key, aws_region="eu-central-1", **NAMED
        )


class Foundry(Claude, unittest.TestCase):
    model = "my-deployment"

    def client(self, key):
        return anthropic.AnthropicFoundry(base_url=f"{URL}/anthropic", api_key=key, **NAMED)

    def test_a_count(self):
        count = self.client(KEY).messages.count_tokens(model=self.model, messages=HELLO)
        self.assertGreater(count.input_tokens, 0)


class Vertex(Claude, unittest.TestCase):
    model = "claude-sim@20250929"

    def client(self, key):
        return anthropic.AnthropicVertex(
            base_url=f"{URL}/v1", access_token=key, project_id="p", region="us-east5", **NAMED
        )

    def test_a_count(self):
        count = self.client(KEY).messages.count_tokens(model=self.model, messages=HELLO)
        self.assertGreater(count.input_tokens, 0)

    def test_another_spelling(self):
        with self.assertRaises(anthropic.NotFoundError):
            self.client(KEY).messages.create(model="claude-sim-20250929", **MESSAGE)


class Azure(unittest.TestCase):
    def clients(self):
        dated = openai.AzureOpenAI(
            azure_endpoint=URL, api_key=KEY, api_version="2024-10-21", **NAMED
        )
        v1 = openai.OpenAI(base_url=f"{URL}/openai/v1", api_key=KEY, **NAMED)
        project = openai.OpenAI(
            base_url=f"{URL}/api/projects/p/openai/v1",
            api_key=KEY,
            default_query={"api-version": "preview"},
            **NAMED,
        )
        return {"dated": dated, "v1": v1, "project": project}

    def test_every_form_answers(self):
        for form, client in self.clients().items():
            with self.subTest(form):
                chat = client.chat.completions.create(model="my-deployment", messages=HELLO)
                self.assertIn("Good morning", chat.choices[0].message.content)
                stream = client.chat.completions.create(
                    model="my-deployment", messages=HELLO, stream=True
                )
                first, *chunks = stream
                self.assertEqual(first.choices, [])
                text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
                self.assertIn("Good morning", text)
                answer = client.responses.create(model="my-deployment", input="Good morning")
                self.assertIn("Good morning", answer.output_text)
                vectors = client.embeddings.create(model="my-deployment", input="Good morning")
                self.assertEqual(len(vectors.data), 1)

    def test_a_version_is_needed(self):
        client = openai.OpenAI(
            base_url=f"{URL}/openai/deployments/my-deployment", api_key=KEY, **NAMED
        )
        with self.assertRaises(openai.NotFoundError):
            client.chat.completions.create(model="my-deployment", messages=HELLO)


class VertexOpenAI(unittest.TestCase):
    def test_a_chat(self):
        client = openai.OpenAI(
            base_url=f"{URL}/v1/projects/p/locations/global/endpoints/openapi",
            api_key=KEY,
            **NAMED,
        )
        chat = client.chat.completions.create(model="google/gemini-sim", messages=HELLO)
        self.assertIn("Good morning", chat.choices[0].message.content)
        with self.assertRaises(openai.BadRequestError):
            client.chat.completions.create(model="gemini-sim", messages=HELLO)


if __name__ == "__main__":
    unittest.main()
