"""The sketch of heavy items stays within its bounds, whatever comes, compared with a model that keeps every item."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from kafka_parallel_plugins.heavy_hitters import CAPACITY, NOTHING, HeavyHitters, merge

# more items than there are places, some of them often
items = st.integers(0, 5) | st.integers(0, 3 * CAPACITY)
streams = st.lists(st.tuples(items, st.integers(1, 1000)), max_size=600)


def watched(stream):
    sketch, exact = HeavyHitters(), Counter()
    for item, weight in stream:
        sketch.weigh(item, weight)
        exact[item] += weight
    return sketch, exact


@given(streams)
def test_the_weight_of_an_item_is_within_its_bounds(stream):
    sketch, exact = watched(stream)

    for item, weight in sketch.weights().items():
        assert 0 < weight.least <= exact[item] <= weight.most


@given(streams)
def test_the_error_is_no_more_than_a_place_of_the_whole(stream):
    sketch, exact = watched(stream)

    weights = sketch.weights()
    for item, weight in exact.items():
        assert weights.get(item, NOTHING).least >= weight - exact.total() / CAPACITY


@given(streams)
def test_an_item_that_is_heavier_than_a_place_of_the_whole_is_watched(stream):
    sketch, exact = watched(stream)

    heavy = {item for item, weight in exact.items() if weight > exact.total() / CAPACITY}
    assert heavy <= sketch.weights().keys()


@given(streams)
def test_no_more_items_are_watched_than_there_are_places(stream):
    sketch, exact = watched(stream)

    assert len(sketch.weights()) == min(len(exact), CAPACITY)


@given(st.lists(st.tuples(st.integers(0, CAPACITY - 2), st.integers(1, 1000))))
def test_few_items_are_counted_exactly(stream):
    sketch, exact = watched(stream)

    assert {item: tuple(weight) for item, weight in merge([sketch]).items()} == {
        item: (weight, weight) for item, weight in exact.items()
    }


@settings(max_examples=50)
@given(st.lists(streams, max_size=4))
def test_sketches_of_parts_add_up_and_so_do_their_errors(streams):
    exact = Counter()
    sketches = []
    for stream in streams:
        sketch, part = watched(stream)
        sketches.append(sketch)
        exact.update(part)

    merged = merge(sketches)

    for item, weight in merged.items():
        assert weight.least <= exact[item] <= weight.most
        assert weight.most - weight.least <= 2 * exact.total() / CAPACITY
    for item, weight in exact.items():
        assert merged.get(item, NOTHING).least >= weight - exact.total() / CAPACITY


def test_an_item_that_comes_back_is_not_credited_with_the_weight_of_another():
    sketch = HeavyHitters()
    for item in range(CAPACITY):
        sketch.weigh(item, 10)

    sketch.weigh("new", 1)

    assert sketch.weights()["new"] == (1, 11)
