"""Everything that was changed of a consumer can be undone."""

from __future__ import annotations

from kafka_parallel._runtime.client.changes import Changes


def test_an_entry_is_as_it_was_afterwards():
    config, changes = {"enable_auto_commit": True}, Changes()
    changes.put(config, "enable_auto_commit", value=False)
    assert config == {"enable_auto_commit": False}

    changes.undo()

    assert config == {"enable_auto_commit": True}


def test_an_entry_that_was_not_there_is_gone_afterwards():
    attributes, changes = {}, Changes()
    changes.put(attributes, "poll", value=len)

    changes.undo()

    assert attributes == {}


def test_none_is_a_value_like_any_other():
    config, changes = {"value_deserializer": None}, Changes()
    changes.put(config, "value_deserializer", value=len)

    changes.undo()

    assert config == {"value_deserializer": None}


def test_changes_are_taken_back_in_reverse_order():
    taken_back, changes = [], Changes()
    for number in range(3):
        changes.note(lambda number=number: taken_back.append(number))

    changes.undo()

    assert taken_back == [2, 1, 0]


def test_they_are_taken_back_once():
    taken_back, changes = [], Changes()
    changes.note(lambda: taken_back.append(1))

    changes.undo()
    changes.undo()

    assert taken_back == [1]


def test_a_change_that_cannot_be_taken_back_is_logged_and_keeps_none_of_the_others(caplog):
    taken_back, changes = [], Changes()
    changes.note(lambda: taken_back.append(1))
    changes.note(lambda: {}["no such key"])

    changes.undo()

    assert taken_back == [1]
    assert "could not be undone" in caplog.text
