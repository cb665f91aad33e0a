"""Callers with the official SDKs, who count what went wrong. Runs until SIGTERM, lets what runs
then end, and prints one line of JSON for each event, which says in `event` what it is.

    traffic.py BASE KEY WORDS

BASE is the gateway's address, WORDS the length of the long streams.

No SDK repeats anything here: whatever a caller would have to repeat counts as failed.
"""

import itertools
import json
import signal
import sys
import threading
import time

import anthropic
import openai

# Between two calls of one caller, so that a small machine has time for what is tested.
PAUSE = 0.1
# The longest silence in a healthy stream here is half a second.
LIMIT = 60

PLAIN_WORDS = 12
HELLO = [{"role": "user", "content": "hello"}]

stopping = threading.Event()
writing = threading.Lock()


def say(**event):
    """One line, whole."""
    with writing:
        print(json.dumps(event), flush=True)


class Wrong(Exception):
    """An answer that is not whole."""


def check(text, words, finish, wanted):
    """Whether all of an answer came, and its end."""
    if finish != wanted:
        raise Wrong(f"ended with {finish!r}")
    if len(text.split()) != words:
        raise Wrong(f"{len(text.split())} words of {words}")


def chat(client):
    """OpenAI's API, plain."""
    answer = client.chat.completions.create(model="chat", messages=HELLO)
    choice = answer.choices[0]
    check(choice.message.content, PLAIN_WORDS, choice.finish_reason, "stop")


def chat_stream(client, model="chat", words=PLAIN_WORDS, began=lambda: None):
    """OpenAI's API, streamed."""
    text, finish = "", None
    stream = client.chat.completions.create(model=model, messages=HELLO, stream=True)
    for chunk in stream:
        for choice in chunk.choices:
            if choice.delta.content:
                began()
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    check(text, words, finish, "stop")


def message(client):
    """Anthropic's API, plain."""
    answer = client.messages.create(model="claude", max_tokens=500, messages=HELLO)
    check(answer.content[0].text, PLAIN_WORDS, answer.stop_reason, "end_turn")


def message_stream(client, model="claude", words=PLAIN_WORDS, began=lambda: None):
    """Anthropic's API, streamed."""
    with client.messages.stream(model=model, max_tokens=5000, messages=HELLO) as stream:
        text = ""
        for piece in stream.text_stream:
            began()
            text += piece
        end = stream.get_final_message().stop_reason
    check(text, words, end, "end_turn")


def repeat(kind, call, fresh=None):
    """Calls again and again, with the same connections or with a fresh client each time."""
    first = True
    while not stopping.is_set():
        started = time.time()
        try:
            call(*([fresh()] if fresh else []))
        except Exception as error:  # noqa: BLE001 Whatever it is, the caller did not get its answer.
            request = getattr(getattr(error, "response", None), "headers", {}).get("x-request-id")
            said = f"{type(error).__name__}: {error}"
            cause = repr(error.__cause__) if error.__cause__ else None
            say(event="failed", kind=kind, said=said, cause=cause, began=started, request=request)
        else:
            say(event="answered", kind=kind, seconds=time.time() - started, first=first)
            first = False
        stopping.wait(PAUSE)


def stream_repeatedly(kind, call):
    """Long streams: their beginning counts as the caller's first sign of life."""
    shown = []

    def began():
        if not shown:
            shown.append(True)
            say(event="answered", kind=kind, seconds=0, first=True)

    repeat(kind, lambda: call(began))


def main():
    """Starts the callers, waits for the signal, then for them."""
    base, key, words = sys.argv[1], sys.argv[2], int(sys.argv[3])

    def openai_client():
        return openai.OpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0, timeout=LIMIT)

    def anthropic_client():
        return anthropic.Anthropic(base_url=base, api_key=key, max_retries=0, timeout=LIMIT)

    callers = []
    numbers = itertools.count(1)

    def caller(kind, body, *arguments):
        name = f"{kind} {next(numbers)}"
        callers.append(threading.Thread(target=body, args=(name, *arguments), daemon=True))

    for _ in range(2):
        client, other = openai_client(), anthropic_client()
        caller("chat", repeat, lambda c=client: chat(c))
        caller("chat stream", repeat, lambda c=client: chat_stream(c))
        caller("message", repeat, lambda c=other: message(c))
        caller("message stream", repeat, lambda c=other: message_stream(c))
    # A client is dear to make, so there is one such caller.
    caller("chat, new connection", repeat, chat, openai_client)
    for _ in range(3):
        client, other = openai_client(), anthropic_client()
        caller("long chat stream", stream_repeatedly,
               lambda began, c=client: chat_stream(c, "slow", words, began))
        caller("long message stream", stream_repeatedly,
               lambda began, c=other: message_stream(c, "slow-claude", words, began))
    say(event="callers", names=len(callers))

    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    for thread in callers:
        thread.start()
    for thread in callers:
        # With a limit, so that the signal's handler gets its turn.
        while thread.is_alive():
            thread.join(0.5)
    say(event="ended")


if __name__ == "__main__":
    main()
