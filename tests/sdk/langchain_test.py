"""LangChain with OpenAI's API, as agents use it, against the server under test."""

import unittest

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from server import KEY, MODELS, URL


@tool
def weather(place: str, days: int) -> str:
    """The weather at a place."""
    return "rain, 9 degrees"


def model(**settings):
    return ChatOpenAI(
        model=MODELS["chat"], base_url=f"{URL}/v1", api_key=KEY, max_retries=0, **settings
    )


def streamed(asked, conversation):
    """The whole message, added up from the pieces of a stream."""
    pieces = list(asked.stream(conversation))
    answer = pieces[0]
    for piece in pieces[1:]:
        answer += piece
    return answer


class Chat(unittest.TestCase):
    def test_text(self):
        plain = model().invoke("Good morning")
        answer = streamed(model(), "Good morning")
        self.assertIn("Good morning", plain.content)
        self.assertEqual(answer.content, plain.content)
        self.assertEqual(answer.response_metadata["finish_reason"], "stop")

    def test_usage_is_told_once(self):
        plain = model().invoke("Good morning")
        answer = streamed(model(stream_usage=True), "Good morning")
        self.assertGreater(plain.usage_metadata["output_tokens"], 0)
        self.assertEqual(answer.usage_metadata, plain.usage_metadata)

    def test_an_agents_loop(self):
        for settings in ({}, {"stream_usage": True}):
            with self.subTest(settings=settings):
                self.assert_loop(model(**settings).bind_tools([weather]))

    def test_an_agents_loop_with_responses(self):
        asked = model(use_responses_api=True, store=False).bind_tools([weather])
        self.assert_loop(asked)

    def assert_loop(self, asked):
        conversation = [HumanMessage("Use the weather tool")]
        for _ in range(2):
            answer = streamed(asked, conversation)
            conversation.append(answer)
            for call in answer.tool_calls:
                returned = weather.invoke(call)
                self.assertIsInstance(returned, ToolMessage)
                conversation.append(returned)
        kinds = [type(message).__name__ for message in conversation]
        self.assertEqual(
            kinds, ["HumanMessage", "AIMessageChunk", "ToolMessage", "AIMessageChunk"]
        )
        self.assertIn("rain, 9 degrees", answer.text)


if __name__ == "__main__":
    unittest.main()
