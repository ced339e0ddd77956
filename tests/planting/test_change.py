"""A planted bug is found where code has moved and is written otherwise, and a missing one is named precisely."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from tests.planting.change import Change, Misplaced, planted, planted_in

SOURCE = dedent('''
    """A module."""

    LIMIT = 3


    def first(values):
        """The first of *values*."""
        return values[0] if values else LIMIT


    class Counter:
        step = 1

        def count(self, values):
            for value in values:
                # what is not wanted
                if value is None:
                    continue
                self.total += self.step
                self.log("counted",
                         value)
            try:
                self.flush()
            except OSError:
                self.retry()
            except ValueError as error:
                self.fail(error)
            return self.total

        @property
        def last(self):
            return self._last

        @last.setter
        def last(self, value):
            self._last = value

        def outer(self):
            def inner():
                return self.step
            return inner
''')


def changed(where, old, new, nth=None):
    return planted_in(SOURCE, Change(f"m{where and ':'}{where}", old, new, nth))


def same(one, other):
    return ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))


@pytest.mark.parametrize(
    ("where", "old", "new", "before", "after"),
    [
        ("first", "values[0] if values else LIMIT", "values[0]", "values[0] if values else LIMIT", "values[0]"),
        ("first", "LIMIT", "0", "else LIMIT", "else 0"),
        ("", "LIMIT = 3", "LIMIT = 4", "LIMIT = 3", "LIMIT = 4"),
        ("Counter", "step = 1", "step = 2", "step = 1", "step = 2"),
        ("Counter.count", "value is None", "False", "value is None", "False"),
        ("Counter.last", "self._last = value", "self._last = None", "self._last = value", "self._last = None"),
        ("Counter.outer.inner", "self.step", "0", "return self.step\n        return", "return 0\n        return"),
        ("Counter.count", "self.flush()", "pass", "self.flush()", "pass"),
        ("Counter.count", "OSError", "()", "except OSError", "except ()"),
    ],
)
def test_a_part_of_a_scope_is_replaced(where, old, new, before, after):
    assert SOURCE.count(before) == 1
    assert same(changed(where, old, new), SOURCE.replace(before, after))


def test_quotes_line_breaks_and_comments_do_not_count():
    one = changed("Counter.count", "self.log(\n  'counted', value)  # to the log", "self.log('seen', value)")

    assert same(one, SOURCE.replace('"counted"', '"seen"'))


def test_statements_are_found_one_after_the_other():
    old = """
        if value is None:
            continue
        self.total += self.step
    """

    assert "value is None" not in changed("Counter.count", old, "self.total += 1")


def test_statements_that_are_not_beside_each_other_are_not_found():
    with pytest.raises(Misplaced):
        changed("Counter.count", "self.total += self.step\nself.flush()", "pass")


def test_statements_are_removed():
    assert same(changed("Counter.count", "self.total += self.step", ""), SOURCE.replace("self.total += self.step", ""))


def test_where_the_only_statement_is_removed_nothing_happens():
    assert same(changed("Counter.count", "self.flush()", ""), SOURCE.replace("self.flush()", "pass"))


def test_one_statement_becomes_several():
    new = """
        self.flush()
        self.flush()
    """
    again = SOURCE.replace("self.flush()", "self.flush()\n            self.flush()")

    assert same(changed("Counter.count", "self.flush()", new), again)


def test_an_except_clause_is_replaced_alone():
    clauses = "except OSError:\n    raise\nexcept ValueError as e:\n    raise"
    result = changed("Counter.count", "except OSError:\n    self.retry()", clauses)

    assert "self.retry" not in result
    assert result.count("except") == 3


def test_an_except_clause_is_removed():
    assert "OSError" not in changed("Counter.count", "except OSError:\n    self.retry()", "")


def test_a_place_in_another_function_does_not_count():
    with pytest.raises(Misplaced, match=r"^m:first has no longer in it:\n    self\.flush\(\)$"):
        changed("first", "self.flush()", "pass")


def test_a_place_that_is_gone_is_shown_with_what_is_like_it():
    with pytest.raises(
        Misplaced, match=r"has no longer in it:\n    value is not None\nthe nearest is:\n    value is None"
    ):
        changed("Counter.count", "value is not None", "False")


def test_a_function_that_is_gone_is_named_with_those_of_its_name():
    with pytest.raises(Misplaced, match=r"^m:Gauge.count is gone; the module has Counter.count$"):
        changed("Gauge.count", "self.flush()", "pass")


def test_a_function_that_was_renamed_is_named_with_those_of_a_like_name():
    with pytest.raises(Misplaced, match=r"^m:Counter.counts is gone; the module has Counter.count"):
        changed("Counter.counts", "self.flush()", "pass")


def test_a_module_that_is_gone_is_named():
    with pytest.raises(Misplaced, match=r"^there is no module kafka_parallel\._core\.gone any more$"):
        planted(Change("kafka_parallel._core.gone:f", "a", "b"))


def test_what_is_there_twice_needs_a_number():
    with pytest.raises(Misplaced, match=r"^m:first has this 2 times, say by nth= which one"):
        changed("first", "values", "()")
    assert "return ()[0] if values" in changed("first", "values", "()", 2)
    assert "return values[0] if ()" in changed("first", "values", "()", 1)


def test_a_number_beyond_what_is_there_is_refused():
    with pytest.raises(Misplaced, match=r"^m:first has this 2 times, not 3"):
        changed("first", "values", "()", 3)


def test_what_would_be_no_python_is_refused():
    with pytest.raises(SyntaxError):
        changed("first", "return values[0] if values else LIMIT", "continue")


def test_a_module_of_the_library_is_written_with_the_change():
    source = planted(Change("kafka_parallel._core.offsets", "from __future__ import annotations", "import this"))

    assert "import this" in source
