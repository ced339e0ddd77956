"""The judge sees every fault, and nothing else."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from kafka import TopicPartition

from kafka_parallel.testing.history import ENTRY, History, HistoryError, Kind, Produced, judge, main, read

PRODUCED = Produced("t", {0: {0: b"a", 1: b"a", 2: b"b"}})


def record(offset, key=b"a"):
    return SimpleNamespace(topic="t", partition=0, offset=offset, key=key)


@pytest.fixture
def history(tmp_path):
    found = History(tmp_path / "history", run=1)
    yield found
    found.close()


def run(history, *records):
    for each in records:
        history.recording(lambda _: None)(each)


def verdict(history, produced=PRODUCED):
    return judge(read(history.path), produced)


def test_a_history_in_order_is_good(history):
    run(history, record(0), record(1), record(2, b"b"))
    history.committed("t", {0: 3})

    assert verdict(history).is_good
    assert (verdict(history).repeated, verdict(history).needless) == (0, [])


def test_a_coroutine_ends_when_it_has_been_awaited(history):
    async def handle(record):
        assert [entry.kind for entry in read(history.path)] == [Kind.START]
        await asyncio.sleep(0)

    asyncio.run(history.recording(handle)(record(0)))

    assert [entry.kind for entry in read(history.path)] == [Kind.START, Kind.END]


def test_what_nobody_finished_is_lost(history):
    run(history, record(0), record(2, b"b"))

    assert verdict(history).lost == [(0, 1)]


def test_an_earlier_record_of_a_key_after_a_later_one_is_out_of_order(history):
    run(history, record(1), record(0), record(2, b"b"))

    assert verdict(history).reordered == [(0, 0)]


def test_a_new_assignment_may_go_back(history):
    run(history, record(0), record(1), record(2, b"b"))
    history.assigned([TopicPartition("t", 0)])
    run(history, record(0))

    assert verdict(history).is_good
    assert verdict(history).repeated == 1


def test_two_records_of_a_key_at_once_overlap(history):
    history.recording(lambda _: run(history, record(1)))(record(0))

    assert verdict(history).overlapping == [(0, 1)]


def test_a_commit_above_unfinished_work_is_too_far(history):
    run(history, record(0))
    history.committed("t", {0: 2})

    assert verdict(history).committed_too_far == [(0, 1)]


def test_a_repeat_below_a_known_commit_is_needless(history):
    run(history, record(0), record(1))
    history.committed("t", {0: 1})
    history.assigned([TopicPartition("t", 0)])
    run(history, record(0), record(1))

    assert verdict(history).needless == [(0, 0)]


def test_a_killed_process_holds_no_key(history):
    def die(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        history.recording(die)(record(0))
    history.killed(1)
    run(history, record(0), record(1), record(2, b"b"))

    assert verdict(history).is_good


def test_at_a_kill_only_what_its_process_had_finished_may_be_repeated(history, tmp_path):
    other = History(history.path, run=2)
    run(history, record(0))
    run(other, record(1))
    history.killed(1)
    run(other, record(0), record(1), record(2, b"b"))
    other.close()

    assert verdict(history).unexplained == [(0, 1)]


def test_any_byte_that_changes_is_noticed(history):
    run(history, record(0))
    whole = history.path.read_bytes()
    for place in range(len(whole)):
        broken = bytearray(whole)
        broken[place] ^= 0x10
        history.path.write_bytes(broken)
        with pytest.raises(HistoryError, match="is corrupt: entry"):
            read(history.path)


def test_a_history_without_its_beginning_is_refused(history):
    run(history, record(0))
    history.path.write_bytes(history.path.read_bytes()[ENTRY.size :])

    with pytest.raises(HistoryError, match="is cut: it has no beginning"):
        read(history.path)


def test_the_command_tells_what_is_in_a_history(history, capsys):
    run(history, record(0))

    assert main([str(history.path)]) == 0
    assert "2 entries of 1 runs: 1 end, 1 start" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["no-such-file"], [__file__]])
def test_the_command_fails_in_a_sentence(arguments, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("data", "error"), [(b"x" * (ENTRY.size - 1), "is cut"), (b"x" * ENTRY.size, "is corrupt: entry 0")]
)
def test_a_history_that_is_cut_or_corrupt_is_refused(tmp_path, data, error):
    (tmp_path / "history").write_bytes(data)

    with pytest.raises(HistoryError, match=error):
        read(tmp_path / "history")


def test_an_entry_that_is_half_written_is_still_to_come(history):
    run(history, record(0))
    whole = history.path.read_bytes()
    history.path.write_bytes(whole[:-1])

    assert [entry.kind for entry in read(history.path, is_growing=True)] == [Kind.START]
    with pytest.raises(HistoryError, match="is cut"):
        read(history.path)


def test_a_history_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(HistoryError, match="cannot be read"):
        read(tmp_path / "history")
