"""tests/specs/alarm_study.py: no false alarms and no misses in three documents."""

from typing import Any

import alarm_study
import pytest
from spec_diff import Level, worst

HARMLESS = {name: pair for name, *pair in alarm_study.harmless_edits()}
BREAKING = {name: pair for name, *pair in alarm_study.breaking_edits()}


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_edit_raises_no_alarm_either_way(name: str):
    old, new = HARMLESS[name]
    changes = alarm_study.compare(old, new) + alarm_study.compare(new, old)
    assert [change for change in changes if change.level > Level.INFO] == []


@pytest.mark.parametrize("name", BREAKING)
def test_a_breaking_edit_is_an_error(name: str):
    old, new = BREAKING[name]
    assert worst(alarm_study.compare(old, new)) is Level.ERROR


def test_there_are_enough_of_both():
    def documents(some: dict[str, Any]) -> set[str]:
        return {name.partition(":")[0] for name in some}

    assert len(HARMLESS) > 80
    assert len(BREAKING) > 40
    assert documents(HARMLESS) == documents(BREAKING) == set(alarm_study.TEXTS)
