"""Times and ages as people write them on a command line."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import click
import pytest

from kafka_parallel.cli.moments import Age, Moment


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("1h", timedelta(hours=1)),
        ("7d", timedelta(days=7)),
        ("0s", timedelta(0)),
    ],
)
def test_an_age_is_so_long_ago(text, ago):
    before = datetime.now(timezone.utc)
    found = Moment().convert(text, None, None)

    assert before <= found + ago <= datetime.now(timezone.utc)


@pytest.mark.parametrize("text", ["2026-11-01", "2026-11-01T00:00:00", "2026-11-01 00:00:00"])
def test_a_time_is_in_utc(text):
    assert Moment().convert(text, None, None) == datetime(2026, 11, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize("text", ["yesterday", "1w", "-1h", "1.5h", "1 h", "h", "", "9999999d", "2026-13-01"])
def test_what_is_no_time_is_refused_with_the_forms(text):
    with pytest.raises(click.BadParameter, match=r"write 2026-11-01, .* or an age such as 90s, 30m, 1h, 7d"):
        Moment().convert(text, None, None)


def test_an_age_before_all_times_is_refused():
    with pytest.raises(click.BadParameter, match="'999999d' ago is before the year 1"):
        Moment().convert("999999d", None, None)


@pytest.mark.parametrize(("text", "hint"), [("0d", "above 0"), ("30", "such as 30d"), ("d", "such as 30d")])
def test_an_age_must_be_one(text, hint):
    with pytest.raises(click.BadParameter, match=hint):
        Age().convert(text, None, None)
