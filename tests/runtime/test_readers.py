"""Readers give what numpy.load gives, block by block, and answer hostile files with one clear error."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cuvisc.runtime.data.arrays import MemoryArray
from cuvisc.runtime.data.opening import open_cube
from cuvisc.runtime.data.source import CubeSource, cut, read_array
from cuvisc.schema.errors import DataError

SHAPES = arrays.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=6)
DTYPES = st.sampled_from(["u1", "<u2", ">u2", "<i4", ">i4", "<f4", ">f4", "<f8", "<u8", "<f2"])
CUBES = DTYPES.flatmap(lambda dtype: arrays.arrays(dtype, SHAPES))


def npy_bytes(array: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def zip_of(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def message(path: Path, key: str = "cube") -> str:
    with pytest.raises(DataError) as caught, CubeSource.open(path, key) as source:
        for _ in source.blocks(10):
            pass
    return str(caught.value)


@given(
    cube=CUBES,
    fortran=st.booleans(),
    form=st.sampled_from(["npy", "stored", "compressed"]),
    pixels=st.integers(1, 40),
)
@settings(max_examples=200)
def test_blocks_put_together_are_what_numpy_loads(
    tmp_path_factory: pytest.TempPathFactory,
    cube: np.ndarray[Any, Any],
    fortran: bool,
    form: str,
    pixels: int,
) -> None:
    cube = np.asfortranarray(cube) if fortran else cube
    path = tmp_path_factory.mktemp("cubes") / ("cube.npy" if form == "npy" else "cube.npz")
    if form == "npy":
        np.save(path, cube)
    else:
        (np.savez if form == "stored" else np.savez_compressed)(path, other=np.zeros(3), cube=cube)
    with CubeSource.open(path) as source:
        assert (
            source.shape
            == {2: (1, cube.shape[0], 1, cube.shape[-1]), 3: (1, *cube.shape), 4: cube.shape}[cube.ndim]
        )
        whole = np.empty(source.shape, source.dtype)
        for block, values in source.blocks(pixels):
            assert block.pixels <= pixels
            assert values.flags.c_contiguous
            assert values.flags.aligned
            assert values.dtype.isnative
            whole[block.image, block.top : block.bottom, block.left : block.right] = values
    np.testing.assert_array_equal(whole.reshape(cube.shape), cube)
    np.testing.assert_array_equal(read_array(path, "cube"), cube)


@given(shape=st.tuples(*[st.integers(1, 7)] * 4), pixels=st.integers(1, 60))
def test_blocks_cover_every_pixel_once_and_in_order(shape: tuple[int, int, int, int], pixels: int) -> None:
    order = np.arange(np.prod(shape[:3])).reshape(shape[:3])
    seen = np.concatenate(
        [order[b.image, b.top : b.bottom, b.left : b.right].ravel() for b in cut(shape, pixels)]
    )
    np.testing.assert_array_equal(seen, order.ravel())


@given(cube=CUBES, counts=st.lists(st.integers(1, 30)))
def test_a_strided_array_is_read_in_c_order(cube: np.ndarray[Any, Any], counts: list[int]) -> None:
    strided = MemoryArray(cube.T)
    expected = np.ascontiguousarray(cube.T).ravel()
    position = 0
    for count in counts:
        stop = min(position + count, expected.size)
        if stop > position:
            np.testing.assert_array_equal(strided.read_next(stop - position), expected[position:stop])
        position = stop


def test_python_objects_are_never_read(tmp_path: Path) -> None:
    path = tmp_path / "cube.npz"
    np.savez(path, cube=np.array([{"a": 1}, None], dtype=object))
    assert (
        message(path)
        == f"{path}: `cube` holds Python objects, which are never read; save numbers, such as uint16"
    )


@pytest.mark.parametrize(
    ("array", "held"), [(np.zeros((2, 2, 3), complex), "complex128"), (np.full((2, 2), "a"), "<U1")]
)
def test_what_is_not_a_number_is_refused(tmp_path: Path, array: Any, held: str) -> None:
    path = tmp_path / "cube.npy"
    np.save(path, array)
    assert message(path) == f"{path} holds {held}; an array of numbers is wanted"


def test_truth_values_are_not_a_cube(tmp_path: Path) -> None:
    path = tmp_path / "cube.npy"
    np.save(path, np.zeros((2, 2, 3), bool))
    assert message(path) == f"{path} holds bool; a cube is of whole or floating-point numbers"


def test_named_fields_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "cube.npy"
    np.save(path, np.zeros((2, 2), [("a", "u2")]))
    assert message(path) == f"{path} holds [('a', '<u2')]; an array of numbers is wanted"


@pytest.mark.parametrize(
    ("shape", "fact"),
    [
        ((5,), "a cube is [H,W,C], [B,H,W,C] or [N,C]; this array has 1 axes, its shape is (5,)"),
        (
            (1, 1, 1, 1, 5),
            "a cube is [H,W,C], [B,H,W,C] or [N,C]; this array has 5 axes, its shape is (1, 1, 1, 1, 5)",
        ),
        ((0, 4, 5), "the cube is empty, its shape is (0, 4, 5)"),
    ],
)
def test_axes_that_are_no_cube_are_refused(tmp_path: Path, shape: tuple[int, ...], fact: str) -> None:
    path = tmp_path / "cube.npy"
    np.save(path, np.zeros(shape, "u2"))
    assert message(path) == f"{path}: {fact}"


def test_a_missing_array_is_answered_with_those_there_are(tmp_path: Path) -> None:
    path = tmp_path / "cube.npz"
    np.savez(path, cubes=np.zeros((2, 2, 3)), mask=np.zeros((2, 2)))
    assert message(path) == f"{path} has no array `cube`; it holds `cubes`, `mask`. did you mean `cubes`?"


def test_a_missing_file_and_an_unknown_format_say_so(tmp_path: Path) -> None:
    assert message(tmp_path / "no.npz") == f"{tmp_path / 'no.npz'} does not exist"
    (tmp_path / "folder.npz").mkdir()
    assert message(tmp_path / "folder.npz") == (
        f"{tmp_path / 'folder.npz'} is a folder, not a file; name a cube in it"
    )
    path = tmp_path / "scene.xyz"
    path.write_bytes(b"")
    assert message(path) == (
        f"{path}: there is no reader for `.xyz` files; there is one for .bil, .bin, .bip, .bsq, .cu3s, .dat, .h5, "
        ".hdf5, .hdr, .he5, .img, .mat, .nc, .nc4, .npy, .npz, .png, .raw, .tif, .tiff, .zarr, .zip"
    )


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cube.npy"
    path.write_bytes(npy_bytes(np.zeros((4, 4, 3), "u2"))[:-10])
    assert (
        message(path)
        == f"{path} is cut short: (4, 4, 3) uint16 takes 224 bytes with its header, there are 214"
    )


def test_a_file_that_is_longer_than_its_header_says_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cube.npy"
    path.write_bytes(npy_bytes(np.zeros((4, 4, 3), "u2")) + b"more")
    assert message(path) == (
        f"{path} is longer than its header says: (4, 4, 3) uint16 takes 224 bytes with its header, there are 228"
    )


def test_a_header_that_declares_more_than_the_member_holds_is_refused(tmp_path: Path) -> None:
    lying = npy_bytes(np.zeros((4, 4, 3), "u2")).replace(b"(4, 4, 3), }        ", b"(4000000, 4, 3), }  ")
    path = zip_of(tmp_path / "cube.npz", {"cube.npy": lying})
    assert message(path) == (
        f"{path}: `cube` is cut short: (4000000, 4, 3) uint16 takes 96000128 bytes with its header, there are 224"
    )


def test_a_shape_beyond_any_memory_is_refused(tmp_path: Path) -> None:
    huge = npy_bytes(np.zeros((4, 4, 3), "u2")).replace(
        b"(4, 4, 3), }" + b" " * 30, b"(4, 4, " + b"9" * 30 + b"), }     "
    )
    path = tmp_path / "cube.npy"
    path.write_bytes(huge)
    assert message(path) == f"{path} is damaged: its header declares the shape (4, 4, {'9' * 30})"


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff{", b"PK\x03\x04", b"x" * 500]
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_nonsense_is_damage(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"cube{suffix}"
    path.write_bytes(content)
    fact = "its header is not that of an array" if suffix == ".npy" else "it is not a .npz archive"
    assert message(path) == f"{path} is damaged: {fact}"


def test_a_header_is_data_and_is_never_evaluated(tmp_path: Path) -> None:
    header = b"{'descr': __import__('os').system('true'), 'fortran_order': False, 'shape': (1,)}"
    path = tmp_path / "cube.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    assert message(path) == f"{path} is damaged: its header is not that of an array"


def test_compressed_damage_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = tmp_path / "cube.npz"
    np.savez_compressed(path, cube=np.arange(3000, dtype="u2").reshape(10, 100, 3))
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 16] ^= 1
    path.write_bytes(content)
    assert message(path) == f"{path}: `cube` is damaged: Bad CRC-32 for file 'cube.npy'"


def test_a_member_that_claims_more_than_deflate_can_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cube.npz"
    np.savez_compressed(path, cube=np.zeros((10, 10, 3), "u2"))
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    compressed = int.from_bytes(content[directory + 20 : directory + 24], "little")
    content[directory + 24 : directory + 28] = (2**31).to_bytes(4, "little")
    path.write_bytes(content)
    assert message(path) == f"{path}: `cube` is damaged: {compressed} bytes cannot hold {2**31}"


def test_an_array_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cube.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cube.npy", npy_bytes(np.zeros((1, 1, 3))))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("cube.npy", npy_bytes(np.ones((1, 1, 3))))
    assert message(path) == f"{path} is damaged: it holds `cube` 2 times"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_without_a_bound_is_refused(tmp_path: Path, method: int) -> None:
    path = zip_of(tmp_path / "cube.npz", {"cube.npy": npy_bytes(np.zeros((4, 4, 3)))}, method)
    assert message(path) == f"{path}: `cube` is compressed in a way that numpy does not write"


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "cube.npz", {"cube.npy": npy_bytes(np.zeros((4, 4, 3)))})
    content = bytearray(path.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert message(path) == f"{path}: `cube` is encrypted"


@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from(["stored", "compressed"]))
@settings(max_examples=200)
def test_any_damaged_byte_is_read_or_answered(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int, form: str
) -> None:
    path = tmp_path_factory.mktemp("damage") / "cube.npz"
    (np.savez if form == "stored" else np.savez_compressed)(
        path, cube=np.arange(60, dtype="u2").reshape(4, 5, 3)
    )
    content = bytearray(path.read_bytes())
    content[position % len(content)] = value
    path.write_bytes(content)
    try:
        with CubeSource.open(path) as source:
            for _ in source.blocks(7):
                pass
    except DataError:
        return


def test_reading_past_nothing_of_a_file_keeps_no_file_open(tmp_path: Path) -> None:
    path = tmp_path / "cube.npz"
    np.savez_compressed(path, cube=np.zeros((2, 2, 3)))
    file = open_cube(path, "cube").file
    file.close()
    with pytest.raises(DataError):
        file.read_next(1)
