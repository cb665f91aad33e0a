"""An official package's own tests (`tests/api_resources`) against the server under test.

Those tests were made for a mock of the vendor's API that heeds no value. What cannot pass is listed in
`suites/NAME.json`, each case with the reason; a case that fails and is not listed is a failure, and so
is one that is listed and passes.
"""

import collections
import json
import os
import pathlib
import sys

import pytest

_described = json.loads(os.environ["PILOTHOUSE_SDK"])
TARGET: str = _described["target"]
HERE = pathlib.Path(__file__).parent


class Entry:
    """Cases that fail, and why. A case is FILE::TEST or, for one of its variants, FILE::TEST[VARIANT];
    `{one,another}` stands for each of them."""

    def __init__(self, why: str, cases: list[str], targets: list[str] | None = None):
        self.why = why
        applies = targets is None or TARGET in targets
        self.cases = [one for case in cases if applies for one in _expanded(case)]


def _expanded(case: str) -> list[str]:
    before, brace, rest = case.partition("{")
    if not brace:
        return [case]
    choices, _, after = rest.partition("}")
    return [one for choice in choices.split(",") for one in _expanded(before + choice + after)]


class Expectations:
    """A plugin of pytest that holds every outcome against what is listed."""

    def __init__(self, listed: list[Entry]):
        self.listed = listed
        self.matched: set[str] = set()
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.wrong: list[str] = []

    def why(self, file: pathlib.Path, item) -> str | None:
        names = {f"{file}::{item.originalname}", f"{file}::{item.name}"}
        for entry in self.listed:
            if found := names.intersection(entry.cases):
                self.matched |= found
                return entry.why
        return None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self):
        # The tests' own key is too short for any server that checks keys.
        sys.modules["tests.conftest"].api_key = _described["key"]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        if report.when != "call" and report.passed:
            return report
        file = item.path.relative_to(API_RESOURCES)
        shown = f"{file}::{item.cls.__name__ if item.cls else ''}::{item.name}"
        why = self.why(file, item)
        if report.skipped:
            # Skipped by the vendor: the case does not hold for the mock either.
            self.outcomes["skipped"] += 1
        elif report.passed and why is not None:
            self.wrong.append(f"{shown} passes, but is listed: {why}")
        elif report.failed and why is None:
            self.wrong.append(f"{shown} fails: {_last_line(call)}")
        elif report.failed:
            self.outcomes["failed as listed"] += 1
            report.outcome = "skipped"
            report.longrepr = (str(item.path), 0, why)
        else:
            self.outcomes["passed"] += 1
        return report

    def problems(self) -> list[str]:
        listed = {case for entry in self.listed for case in entry.cases}
        unused = [f"no such case: {case}" for case in sorted(listed - self.matched)]
        return self.wrong + unused


def _last_line(call) -> str:
    return str(call.excinfo.value).strip().replace("\n", " ")[:400] if call.excinfo else ""


def main() -> int:
    name = _described["suite"]
    listed = json.loads((HERE / "suites" / f"{name}.json").read_text())
    expectations = Expectations([Entry(**entry) for entry in listed["expected"]])
    paths = [str(API_RESOURCES / file) for file in listed["files"]]
    # The package's own settings run its tests in parallel by a plugin that is not installed here.
    status = pytest.main(
        ["-o", "addopts=", "-p", "no:cacheprovider", "-q", "--no-header", "--tb=no", *paths],
        plugins=[expectations],
    )
    problems = expectations.problems()
    counts = ", ".join(f"{count} {what}" for what, count in sorted(expectations.outcomes.items()))
    print(f"SUITE {name} against {TARGET}: {counts}, {len(problems)} wrong")
    for problem in problems:
        print(f"  {problem}")
    return 1 if problems or status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) else 0


if __name__ == "__main__":
    [SOURCES] = pathlib.Path(_described["sources"]).glob(f"{_described['suite']}-*/")
    API_RESOURCES = SOURCES / "tests" / "api_resources"
    os.chdir(SOURCES)
    os.environ["TEST_API_BASE_URL"] = _described["url"]
    sys.path.insert(0, str(SOURCES))
    sys.exit(main())
