"""What is the layered index's own; that it agrees with the oracle is in congruence/."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from search_stand_ins import halved, unit

from sigvault.domain.errors import IndexFailed
from sigvault.indexing import layered
from sigvault.indexing.candidates import MemoryUse
from sigvault.indexing.contents import IndexContents
from sigvault.indexing.exact import ExactIndex
from sigvault.indexing.layered import LayeredIndex
from sigvault.indexing.product import ProductSource

VECTORS = halved(unit(np.random.default_rng(0), 2000, 8))


class Workshop:
    """Makes sources, and can be told to wait or to fail.

    Attributes:
        made: from how many vectors each source was made.
    """

    def __init__(self):
        self.made = []
        self.begun, self.may_go_on = threading.Event(), threading.Event()
        self.may_go_on.set()
        self.error = None

    def __call__(self, vectors):
        self.begun.set()
        assert self.may_go_on.wait(60)
        if self.error is not None:
            raise self.error
        self.made.append(len(vectors))
        return ProductSource(vectors)


def filled(make, count=1000):
    contents = IndexContents(np.arange(count), VECTORS[:count].astype(np.float16))
    return LayeredIndex(8, make, contents)


def assert_agrees(index, oracle):
    np.testing.assert_array_equal(index.rows(), oracle.rows())
    np.testing.assert_array_equal(index.contents().vectors, oracle.contents().vectors)
    found, expected = index.search(VECTORS[:20], 30), oracle.search(VECTORS[:20], 30)
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_changes_and_searches_go_on_while_it_is_compacted():
    workshop = Workshop()
    index, oracle = filled(workshop), ExactIndex(8)
    oracle.add(np.arange(1000), VECTORS[:1000])

    def change(what, *arguments):
        for each in (index, oracle):
            getattr(each, what)(*arguments)

    change("add", np.arange(1000, 1200), VECTORS[1000:1200])
    change("remove", np.arange(0, 1100, 7))
    workshop.begun.clear()
    workshop.may_go_on.clear()
    compaction = threading.Thread(target=index.compact)
    compaction.start()
    assert workshop.begun.wait(60)
    # From the main part, from the old delta, something new, and something that comes back.
    change("remove", np.array([1, 1001, 5000]))
    change("add", np.arange(1200, 1210), VECTORS[1200:1210])
    change("remove", np.array([1202]))
    change("add", np.array([1, 7]), VECTORS[[1, 7]])
    assert_agrees(index, oracle)
    assert len(workshop.made) == 1
    workshop.may_go_on.set()
    compaction.join()
    assert workshop.made == [1000, 1000 + 200 - 158]
    assert len(index) == len(oracle)
    assert_agrees(index, oracle)
    index.compact()
    assert_agrees(index, oracle)


def test_it_is_compacted_by_itself_once_much_has_changed(monkeypatch):
    monkeypatch.setattr(layered, "_FRESH", 50)
    monkeypatch.setattr(layered, "_GONE", 50)
    workshop = Workshop()
    index = filled(workshop)
    index.add(np.arange(1000, 1050), VECTORS[1000:1050])
    index.remove(np.arange(100))
    index.wait()
    assert workshop.made == [1000]
    index.add(np.array([1050]), VECTORS[1050:1051])
    index.wait()
    assert workshop.made == [1000, 951]
    index.remove(np.arange(100, 400))
    index.wait()
    assert workshop.made == [1000, 951, 651]


def test_a_compaction_that_fails_loses_nothing_and_is_tried_again(monkeypatch, caplog):
    monkeypatch.setattr(layered, "_GONE", 50)
    workshop = Workshop()
    index = filled(workshop)
    workshop.error = IndexFailed("the GPU is full")
    index.remove(np.arange(300))
    index.wait()
    assert "costs time alone: the GPU is full" in caplog.text
    assert index.rows().tolist() == list(range(300, 1000))
    workshop.error = None
    index.remove(np.array([300]))
    index.wait()
    assert workshop.made == [1000, 699]
    assert index.rows().tolist() == list(range(301, 1000))


def test_of_two_compactions_at_once_the_later_is_dropped():
    workshop = Workshop()
    index = filled(workshop)
    index.add(np.array([1000]), VECTORS[1000:1001])
    workshop.may_go_on.clear()
    workshop.begun.clear()
    slow = threading.Thread(target=index.compact)
    slow.start()
    assert workshop.begun.wait(60)
    other = threading.Thread(target=index.compact)
    other.start()
    workshop.may_go_on.set()
    slow.join()
    other.join()
    assert index.rows().tolist() == list(range(1001))
    index.remove(np.array([1000]))
    assert index.rows().tolist() == list(range(1000))


def test_a_search_at_work_sees_what_it_began_with():
    class Watched(ProductSource):
        def nearest(self, probes, count):
            index.remove(np.array([3]))
            return super().nearest(probes, count)

    index = filled(Watched, 10)
    assert index.search(VECTORS[3:4], 1).rows[0, 0] == 3
    assert index.search(VECTORS[3:4], 1).rows[0, 0] != 3


def test_the_first_source_may_be_another_than_those_of_compactions():
    first, later = Workshop(), Workshop()
    contents = IndexContents(np.arange(10), VECTORS[:10].astype(np.float16))
    index = LayeredIndex(8, later, contents, make_first=first)
    assert (first.made, later.made) == ([10], [])
    index.remove(np.array([1]))
    index.compact()
    assert (first.made, later.made) == ([10], [9])


def test_contents_that_never_changed_are_not_copied():
    contents = IndexContents(np.arange(5), VECTORS[:5].astype(np.float16))
    index = LayeredIndex(8, ProductSource, contents)
    assert index.contents().vectors is contents.vectors


def test_rows_that_come_out_of_order_are_put_in_order():
    index = filled(ProductSource, 4)
    index.remove(np.array([1]))
    index.add(np.array([9, 1]), VECTORS[[9, 1]])
    index.compact()
    contents = index.contents()
    assert contents.rows.tolist() == [0, 1, 2, 3, 9]
    np.testing.assert_array_equal(contents.vectors, VECTORS[[0, 1, 2, 3, 9]])


def test_vectors_that_16_bits_hold_are_kept_in_them_and_others_in_32():
    index = filled(ProductSource, 4)
    index.add(np.array([4]), VECTORS[4:5])
    index.compact()
    assert index.contents().vectors.dtype == np.float16
    fine = unit(np.random.default_rng(1), 1, 8)
    index.add(np.array([5]), fine)
    index.compact()
    assert index.contents().vectors.dtype == np.float32
    np.testing.assert_array_equal(index.contents().vectors[5:], fine)


def test_memory_is_accounted_for(tmp_path):
    class Costly(ProductSource):
        memory = MemoryUse(host=1, mapped=20, gpu=300)

    index = filled(Costly, 10)
    rows, vectors, gone = 10 * 8, 10 * 8 * 2, 10
    assert index.memory == MemoryUse(rows + vectors + gone + 1, 20, 300)
    index.add(np.array([10]), VECTORS[:1])
    assert index.memory.host == rows + vectors + gone + 1 + 8 * 4
    np.save(tmp_path / "vectors.npy", VECTORS[:10].astype(np.float16))
    mapped = np.asarray(np.load(tmp_path / "vectors.npy", mmap_mode="c"))
    index = LayeredIndex(8, ProductSource, IndexContents(np.arange(10), mapped))
    assert index.memory == MemoryUse(rows + gone, vectors, 0)
    assert LayeredIndex(8, ProductSource).memory == MemoryUse()


def test_whether_it_is_exact_is_what_its_source_says():
    class Approximate(ProductSource):
        exact = False

    assert LayeredIndex(8, Approximate).exact
    assert not filled(Approximate).exact
    assert filled(ProductSource).exact


def test_a_dimension_that_can_not_be_is_refused():
    with pytest.raises(IndexFailed, match="dimension 0"):
        LayeredIndex(0, ProductSource)
    assert LayeredIndex(8, ProductSource).dimension == 8
