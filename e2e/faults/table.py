"""What callers get while a provider fails: a row for each kind of failure, with two targets and
default settings, as OpenAI's own SDK sees it. Prints a table in Markdown; exits with 1 if an answer
is not whole and no honest error either.

    table.py BINARY [TEXT]     TEXT: only rows whose name holds it
"""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import openai

ALPHA, BRAVO, GATEWAY, ADMIN = 19101, 19102, 19103, 19104

# What the first target does (see `pilothouse simulate --help`), and what the caller is to get: the
# whole answer, or the status of an error.
WHOLE = "whole"
ROWS = [
    ("429, `retry-after` 2 s, then fine", "status=429;retry-after=2;times=1", WHOLE),
    ("429 for good, `retry-after` 600 s", "status=429;retry-after=600", WHOLE),
    ("429 for good, without a word", "status=429", WHOLE),
    ("500 once", "status=500;times=1", WHOLE),
    ("503 once", "status=503;times=1", WHOLE),
    ("529 once", "status=529;times=1", WHOLE),
    ("500 for good", "status=500", WHOLE),
    ("connection reset before the headers", "reset", WHOLE),
    ("connection closed before the headers", "close", WHOLE),
    ("accepts and never answers", "silent", WHOLE),
    ("first token after 20 s", "first=20s", WHOLE),
    ("cut in the middle", "cut=9:reset", WHOLE),
    ("cut in the middle, with a clean close", "cut=9:end", WHOLE),
    ("stalls in the middle", "stall=9", WHOLE),
    ("one malformed event", "garbage=9", WHOLE),
    ("no end marker", "no-end", WHOLE),
    ("an error event before content", "error=0", WHOLE),
    ("an error event after content", "error=9", WHOLE),
    ("context too long", "status=400;code=context_length_exceeded", WHOLE),
    ("refused by policy", "status=400;code=content_filter", 400),
    ("401", "status=401", WHOLE),
    ("404, no such model", "status=404;code=model_not_found", WHOLE),
    ("a page of HTML", "body=html", WHOLE),
    ("an empty body", "body=empty", WHOLE),
    ("500 for good at both targets", "status=500", 502),
]
# A plain request to a silent target waits as long as a slow model may take: two minutes.
SLOW_IF_PLAIN = ("silent", "stall=9")

HELLO = [{"role": "user", "content": "hello"}]


def route(name, first, second):
    """A route as a user writes it, with nothing set but two targets."""
    targets = "".join(
        f'  - {{name: {target}, provider: vllm, baseURL: "http://127.0.0.1:{port}/v1",\n'
        f'     model: "{model}", priority: {priority}}}\n'
        for priority, (target, port, model) in enumerate(
            [("alpha", ALPHA, first), ("bravo", BRAVO, second)]
        )
    )
    return (
        "---\napiVersion: pilothouse.dev/v1alpha1\nkind: ModelRoute\n"
        f"metadata: {{name: {name}, namespace: ai}}\nspec:\n  targets:\n{targets}"
    )


def routes():
    for number, (_, fault, wanted) in enumerate(ROWS):
        second = fault if wanted == 502 else ""
        for kind in ("plain", "stream"):
            # A model name of its own: what is remembered of one row must not spare the next.
            names = [f"{side}{number}{kind}" for side in "ab"]
            yield route(f"r{number}-{kind}", f"{names[0]};{fault}", f"{names[1]};{second}")
    yield route("sound", "sound", "sound")


def ask(client, model, stream):
    """The text, or the error that was told, and how long it took."""
    begun = time.monotonic()
    try:
        if stream:
            chunks = client.chat.completions.create(model=model, messages=HELLO, stream=True)
            said = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
            got = "".join(said)
        else:
            answer = client.chat.completions.create(model=model, messages=HELLO)
            got = answer.choices[0].message.content
    except openai.APIError as error:
        got = error
    return got, time.monotonic() - begun


def line_of(log, model):
    """The access log's line of the request for that model; it is written a moment later."""
    for _ in range(100):
        lines = [json.loads(line) for line in log.read_text().splitlines() if line[:1] == "{"]
        found = [line for line in lines if line.get("model") == model]
        if found:
            return found[-1]
        time.sleep(0.05)
    raise SystemExit(f"no line of {model} in the log")


def told(got, whole, wanted):
    """A cell of the table, and whether it is what it should be."""
    if isinstance(got, openai.APIStatusError):
        return f"{got.status_code} `{got.code}`", got.status_code == wanted
    if isinstance(got, openai.APIError):
        return f"an error in the stream: `{got.code}`", False
    return ("whole", wanted == WHOLE) if got == whole else (f"**not whole**: {got!r}", False)


def table(log, only):
    client = openai.OpenAI(
        api_key="none", base_url=f"http://127.0.0.1:{GATEWAY}/v1", max_retries=0, timeout=300
    )
    whole, _ = ask(client, "sound", False)
    print("| the first target | plain | tries | streamed | tries |\n|---|---|---|---|---|")
    right = True
    for number, (name, fault, wanted) in enumerate(ROWS):
        if only not in name:
            continue
        cells = []
        for kind in ("plain", "stream"):
            if kind == "plain" and fault in SLOW_IF_PLAIN:
                cells += ["(2 min: `make test-long`)", ""]
                continue
            model = f"r{number}-{kind}"
            got, took = ask(client, model, kind == "stream")
            cell, is_right = told(got, whole, wanted)
            right &= is_right
            line = line_of(log, model)
            resumed = ", resumed" if line.get("resumes") else ""
            cells += [f"{cell}, {took:.2f} s", f"{line['attempts']}{resumed}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return right


def wait_until_ready():
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{ADMIN}/readyz", timeout=1)
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the gateway is not ready after 20 s")


def main():
    binary, only = sys.argv[1], (sys.argv[2] if len(sys.argv) > 2 else "")
    with tempfile.TemporaryDirectory() as folder:
        manifests, log = Path(folder, "routes"), Path(folder, "log")
        manifests.mkdir()
        manifests.joinpath("routes.yaml").write_text("".join(routes()))
        # One name: what one simulator began, the other can go on with.
        providers = [f"--listen=127.0.0.1:{port}" for port in (ALPHA, BRAVO)] + ["--name=sim"] * 2
        gateway = [
            f"--listen=127.0.0.1:{GATEWAY}",
            f"--admin-listen=127.0.0.1:{ADMIN}",
            f"--manifests={manifests}",
            "--anonymous",
        ]
        with log.open("w") as out:
            running = [
                subprocess.Popen([binary, "simulate", *providers], stdout=subprocess.DEVNULL),
                subprocess.Popen([binary, "serve", *gateway], stdout=out, stderr=out),
            ]
        try:
            wait_until_ready()
            return table(log, only)
        finally:
            for process in running:
                process.terminate()


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
