import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_xproj.errors import InputError, XprojError
from spacy_xproj.pharaoh import format_pharaoh, parse_pharaoh, read_pharaoh, write_pharaoh

LINKS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), unique=True)


def test_parse_keeps_order_and_drops_repeats():
    links = parse_pharaoh("2-1 0-0 2-1 1-10\n", 3, 11)
    assert links.dtype == np.int32
    assert links.tolist() == [[2, 1], [0, 0], [1, 10]]


def test_parse_empty():
    assert parse_pharaoh(" ", 0, 0).shape == (0, 2)


@pytest.mark.parametrize("item", ["1", "1-", "-1-2", "1--2", "1-2-3", "a-1", "1.0-2", "1:2", "²-1", "٣-1"])
def test_parse_names_the_bad_item(item):
    with pytest.raises(XprojError) as err:
        parse_pharaoh(f"0-0 {item}", 5, 5)
    assert repr(item) in str(err.value)


@pytest.mark.parametrize("item, side", [("3-0", "source word 3"), ("0-2", "target word 2")])
def test_parse_names_the_link_out_of_range(item, side):
    with pytest.raises(XprojError) as err:
        parse_pharaoh(f"0-0 {item}", 3, 2)
    assert repr(item) in str(err.value) and side in str(err.value)


@given(LINKS)
def test_format_is_the_inverse(links):
    assert list(map(tuple, parse_pharaoh(format_pharaoh(links), 51, 51).tolist())) == links


@given(st.lists(LINKS, max_size=5))
def test_files(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("pharaoh") / "a.pharaoh"
    write_pharaoh(path, [np.array(row, "i4").reshape(-1, 2) for row in rows])
    assert path.read_bytes().count(b"\n") == len(rows)
    assert [list(map(tuple, row.tolist())) for row in read_pharaoh(path)] == rows


@pytest.mark.parametrize("data, line", [(b"0-0\n\n0-x\n", 3), (b"0-0\n\xff\n", 2), (b"\xef\xbb\xbf0-0\r\n1 2\r\n", 2)])
def test_read_names_file_and_line(tmp_path, data, line):
    path = tmp_path / "a.pharaoh"
    path.write_bytes(data)
    with pytest.raises(InputError) as err:
        list(read_pharaoh(path))
    assert err.value.line == line and str(path) in str(err.value)


def test_read_without_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        next(read_pharaoh(tmp_path / "absent"))


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.pharaoh"
    write_pharaoh(path, [[(0, 0)]])

    def rows():
        yield [(1, 1)]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_pharaoh(path, rows())
    assert path.read_text() == "0-0\n"
    assert list(tmp_path.iterdir()) == [path]
