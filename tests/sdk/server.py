"""The server under test, as tests/sdk.rs describes it in the environment."""

import json
import os

_described = json.loads(os.environ["PILOTHOUSE_SDK"])

#: Without a path: OpenAI's clients append /v1, Anthropic's take it as it is.
URL: str = _described["url"]
#: A key that is accepted.
KEY: str = _described["key"]
#: Whether it is the gateway and not a provider itself.
IS_GATEWAY: bool = _described["gateway"]
#: Models by what happens when they are asked.
MODELS: dict[str, str] = _described["models"]
#: A key of the right form that nobody has.
WRONG_KEY = "sk-nobody-has-this-key-0123456789"
#: What the provider speaks that answers in the end: openai, anthropic, gemini or bedrock.
TARGET: str = _described["target"]
#: The certificate to trust, where the server has one.
CA: str | None = _described.get("ca")
