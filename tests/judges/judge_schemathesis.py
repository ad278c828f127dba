"""Check the sandbox against the strict specifications with schemathesis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import regenerate
from recorder import forgetful
from sinchvoice import CallLeg, PstnEndpoint, SipEndpoint, svaml
from sinchvoice.sandbox import Sandbox, running

# The first id is that of the examples in the specification.
CALLS = ["4398599d1ba84ef3bde0a82dfb61abed", "4398599d1ba84ef3bde0a82dfb61abee"]
CONFERENCE = "MyConfId"

# Every phase, valid and invalid data, and every check of schemathesis.
CONFIGURATION = f"""
seed = 1
# A run without accepted requests proves nothing.
warnings = {{ fail-on = true }}

[generation]
max-examples = 30
database = "none"

[checks]
enabled = true

[dictionaries]
calls = {{ values = {json.dumps(CALLS)} }}

[parameters]
"path.callId" = {{ dictionary = "calls", probability = 0.8 }}
"""


def sandbox_with_calls(middleware: Any) -> Any:
    """A sandbox that is reset after each change, with calls that accept every action."""

    def renewed(app: Any) -> Any:
        async def answer(scope: Any, receive: Any, send: Any) -> None:
            await app(scope, receive, send)
            # Placed callouts stay for later requests.
            if scope["method"] in ("PATCH", "DELETE") or "/configuration/" in scope["path"]:
                box.reset()
                add_calls(box)

        return middleware(answer)

    with running(populated=False, middleware=renewed) as box:
        add_calls(box)
        yield box


def add_calls(box: Sandbox) -> None:
    """Add parked calls, because others refuse valid requests for their state.

    They are also participants of a conference, unlike real parked calls.
    """
    for call_id, end in zip(CALLS, [PstnEndpoint("+12125550123"), SipEndpoint("a@b")], strict=True):
        call = box.add_call(call_id=call_id, to=end, from_=PstnEndpoint("+46730170101"))
        call.carry_out([], [svaml.Park()], CallLeg.CALLER)
        call.conference_id, call.joined = CONFERENCE, box.clock.now


@pytest.fixture
def box(request: pytest.FixtureRequest) -> Any:
    yield from sandbox_with_calls(getattr(request, "param", lambda app: app))


Judge = Callable[[str, Sandbox], tuple[int, dict[str, Any]]]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    def run(spec: str, box: Sandbox) -> tuple[int, dict[str, Any]]:
        """Return the exit code and report of schemathesis."""
        document, report = tmp_path / f"{spec}.json", tmp_path / "report.json"
        document.write_text(json.dumps(regenerate.strict(spec)), encoding="utf-8")
        configuration = tmp_path / "schemathesis.toml"
        configuration.write_text(CONFIGURATION, encoding="utf-8")
        # The URL replaces that of every server, including the one for configuration.
        assert box.configuration_url == box.calling_url
        url = {"calling": box.calling_url, "reporting": box.reporting_url}[spec]
        hooks = {
            "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
            "PYTHONPATH": str(Path(__file__).parent),
            "CONFERENCE": CONFERENCE,
            "NUMBERS": ",".join(number.number for number in box.account_numbers),
        }
        command = [
            *(sys.executable, "-m", "schemathesis.cli", f"--config-file={configuration}"),
            *("run", str(document), f"--url={url}", f"--report-json-path={report}"),
        ]
        done = subprocess.run(
            command, env={**os.environ, **box.environ, **hooks}, cwd=tmp_path, check=False
        )
        return done.returncode, json.loads(report.read_text(encoding="utf-8"))

    return run


@pytest.mark.parametrize("spec", ["calling", "reporting"])
def test_the_sandbox_matches_its_strict_specification(spec: str, box: Sandbox, judge: Judge):
    code, report = judge(spec, box)
    assert (code, report["failures"], report["errors"]) == (0, [], [])
    phases = {name for name, phase in report["phases"].items() if phase["status"] == "success"}
    # No reporting operation has a link to another.
    assert phases >= {"examples", "coverage", "fuzzing"}
    assert spec == "reporting" or "stateful" in phases
    # Most valid requests must succeed, or the run has not covered much.
    assert len(report["valid_rates"]) == {"calling": 14, "reporting": 3}[spec]
    for operation, rates in report["valid_rates"].items():
        for phase, count in rates.items():
            assert count["accepted"] > sum(count.values()) / 2, f"{operation}, {phase}: {count}"


@pytest.mark.parametrize("box", [forgetful], indirect=True)
def test_an_incomplete_answer_is_detected(box: Sandbox, judge: Judge):
    code, report = judge("reporting", box)
    assert code == 1
    assert report["failures"] != []
