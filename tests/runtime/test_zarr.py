"""Zarr stores written by zarr are read back as they are; what a hostile store names is never loaded."""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cuvisc.runtime.data.opening import array_names, open_cube, read_array
from cuvisc.runtime.data.source import CubeSource
from cuvisc.schema.errors import DataError

zarr = pytest.importorskip("zarr", reason="the package zarr writes the stores")
numcodecs = pytest.importorskip("numcodecs", reason="zarr compresses with it")
google_crc32c = pytest.importorskip("google_crc32c", reason="zarr sums its shards up with it")


def write(path: Path, arrays: dict[str, Any], version: int, chunks: Any = "auto", **attributes: Any) -> Path:
    """A store of one array a name, as a folder, or as a zip file by the suffix; attributes are of the cube's array."""
    zipped = path.suffix == ".zip"
    store = zarr.storage.ZipStore(path, mode="w") if zipped else zarr.storage.LocalStore(path)
    root = zarr.create_group(store=store, zarr_format=version)
    for name, values in arrays.items():
        kept = chunks if values.ndim > 1 else "auto"
        more = {"attributes": attributes} if values.ndim > 1 else {}
        root.create_array(name, data=values, chunks=kept, **more)
    store.close()
    return path


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    dtype=st.sampled_from(["u1", "i2", "u2", ">u2", "i4", "f4", ">f4", "f8"]),
    version=st.sampled_from([2, 3]),
    zipped=st.booleans(),
    parts=st.tuples(*[st.integers(1, 9)] * 3),
    pixels=st.integers(1, 90),
    seed=st.integers(0, 99),
)
def test_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    shape: tuple[int, ...],
    dtype: str,
    version: int,
    zipped: bool,
    parts: tuple[int, ...],
    pixels: int,
    seed: int,
) -> None:
    """Every version, dtype, byte order and chunking, as a folder and as a zip file, whole and in windows."""
    cube = np.random.default_rng(seed).integers(0, 99, shape).astype(dtype)
    chunks = tuple(min(part, length) for part, length in zip(parts, shape, strict=True))
    folder = tmp_path_factory.mktemp("zarr")
    path = write(folder / ("s.zip" if zipped else "s.zarr"), {"a/cube": cube}, version, chunks)
    found = read_array(path)
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(found, cube)
    whole = np.zeros(shape, found.dtype)
    with CubeSource.open(path) as source:
        for block, values in source.blocks(pixels):
            whole[block.top : block.bottom, block.left : block.right] = values
    np.testing.assert_array_equal(whole, cube)


@pytest.mark.parametrize("version", [2, 3])
def test_facts(tmp_path: Path, version: int) -> None:
    """Wavelengths beside the cube, the axis of the bands first, and the number for none."""
    cube = np.arange(4 * 5 * 6, dtype="f4").reshape(4, 5, 6)
    arrays = {"site/cube": cube, "site/wavelength": np.array([0.45, 0.55, 0.65, 0.75])}
    path = write(tmp_path / "s.zarr", arrays, version, _FillValue=-9999.0, description="a field")
    facts = open_cube(path).facts
    assert (facts.kind, facts.dataset, facts.shape) == ("zarr", "site/cube", (5, 6, 4))
    assert facts.wavelengths == (450.0, 550.0, 650.0, 750.0)
    assert (facts.nodata, facts.description) == (-9999.0, "a field")
    np.testing.assert_array_equal(read_array(path, "/site/cube"), cube.transpose(1, 2, 0))
    assert set(array_names(path)) == {"site/cube", "site/wavelength"}


def test_shards(tmp_path: Path) -> None:
    cube = np.arange(8 * 8 * 4, dtype="u2").reshape(8, 8, 4)
    path = tmp_path / "s.zarr"
    zarr.create_array(path, data=cube, chunks=(2, 2, 4), shards=(4, 4, 4))
    np.testing.assert_array_equal(read_array(path), cube)


def spoil(path: Path, **facts: Any) -> Path:
    """Change what the metadata of an array at the top says."""
    file = next(name for name in (path / ".zarray", path / "zarr.json") if name.exists())
    file.write_text(json.dumps({**json.loads(file.read_text()), **facts}))
    return path


@pytest.mark.parametrize(
    ("version", "facts", "message"),
    [
        (2, {"filters": [{"id": "pickle"}]}, "`` is encoded by 'pickle', which is not one for numbers"),
        (2, {"compressor": {"id": "json2"}}, "`` is encoded by 'json2', which is not one for numbers"),
        (
            3,
            {"codecs": [{"name": "bytes"}, {"name": "numcodecs.pickle"}]},
            "`` is encoded by 'numcodecs.pickle', which is not one for numbers",
        ),
        (
            3,
            {"codecs": [{"name": "sharding_indexed", "configuration": {"codecs": [{"name": "evil"}]}}]},
            "`` is encoded by 'evil', which is not one for numbers",
        ),
        (2, {"chunks": [4096, 4096, 4096]}, "`` is damaged: it declares chunks of 137438953472 bytes"),
        (2, {"chunks": [2, 0, 2]}, "`` is damaged: its shape is no shape"),
    ],
)
def test_hostile_stores(tmp_path: Path, version: int, facts: dict[str, Any], message: str) -> None:
    path = tmp_path / "s.zarr"
    zarr.create_array(path, data=np.zeros((4, 4, 4), "u2"), zarr_format=version)
    with pytest.raises(DataError) as caught:
        open_cube(spoil(path, **facts))
    assert str(caught.value) == f"{path}: {message}"


def test_objects_are_no_cube(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    zarr.create_array(path, data=np.zeros((4, 4, 4), "u2"), zarr_format=2)
    with pytest.raises(DataError) as caught:
        open_cube(spoil(path, dtype="|O", filters=[{"id": "pickle"}]))
    assert str(caught.value) == f"{path} holds no array of three axes"


def test_damaged_chunk(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    zarr.create_array(path, data=np.ones((4, 4, 4), "u2"), zarr_format=2)
    (path / "0.0.0").write_bytes(b"no chunk")
    with pytest.raises(DataError) as caught:
        read_array(path)
    assert str(caught.value).startswith(f"{path}: `` is damaged: ")


def test_no_store(tmp_path: Path) -> None:
    path = tmp_path / "s.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "nothing here")
    with pytest.raises(DataError) as caught:
        open_cube(path)
    assert str(caught.value) == f"{path} holds no array of three axes"
    path.write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(DataError) as caught:
        open_cube(path)
    assert str(caught.value) == f"{path} cannot be read as Zarr: File is not a zip file"


def test_links_are_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text("{}")
    path = tmp_path / "s.zarr"
    path.mkdir()
    (path / ".zarray").symlink_to(elsewhere)
    with pytest.raises(DataError) as caught:
        open_cube(path)
    assert str(caught.value) == f"{path}: .zarray is a link to elsewhere, which is not followed"


HUGE = 2**26
_ZEROS = bytes(HUGE)
BOMBS: dict[str, Any] = {
    "zlib": numcodecs.Zlib(1),
    "gzip": numcodecs.GZip(1),
    "bz2": numcodecs.BZ2(1),
    "lzma": numcodecs.LZMA(preset=0),
    "zstd": numcodecs.Zstd(1),
    "lz4": numcodecs.LZ4(),
    "blosc": numcodecs.Blosc("zstd"),
}


@pytest.mark.parametrize(
    ("version", "codec"), [*((2, name) for name in BOMBS), *((3, name) for name in ("gzip", "zstd", "blosc"))]
)
def test_a_chunk_that_expands_beyond_its_array_is_refused(tmp_path: Path, version: int, codec: str) -> None:
    """Without taking the memory: less than half of what the chunk would be."""
    path = tmp_path / "s.zarr"
    compressors = BOMBS[codec] if version == 2 else _of_version_3(codec)
    cube = np.arange(64, dtype="u2").reshape(4, 4, 4)
    zarr.create_array(path, data=cube, zarr_format=version, compressors=compressors)
    np.testing.assert_array_equal(read_array(path), cube)
    chunk = path / ("0.0.0" if version == 2 else "c/0/0/0")
    chunk.write_bytes(BOMBS[codec].encode(_ZEROS))
    code = (
        "import resource, sys; from pathlib import Path; from cuvisc.runtime.data.opening import read_array\n"
        "import zarr, cuvisc.runtime.data.zarr_bounds\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_array(Path(sys.argv[1]))\n"
        "except Exception as error: print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    message, taken = done.stdout.splitlines()
    assert message == f"{path}: `` is damaged: a chunk expands beyond the size that is declared"
    assert int(taken) * 1024 < HUGE / 2


def _of_version_3(codec: str) -> Any:
    return {"gzip": zarr.codecs.GzipCodec, "zstd": zarr.codecs.ZstdCodec, "blosc": zarr.codecs.BloscCodec}[
        codec
    ]()


def test_a_chunk_in_a_shard_that_expands_beyond_its_array_is_refused(tmp_path: Path) -> None:
    """The index leads to a chunk that is in the shard, and larger inside than it may be."""
    path = tmp_path / "s.zarr"
    array = zarr.create_array(
        path,
        shape=(4, 4, 4),
        dtype="u2",
        chunks=(4, 4, 4),
        shards=(4, 4, 4),
        compressors=zarr.codecs.ZstdCodec(),
        fill_value=0,
    )
    array[:] = 7
    assert (read_array(path) == 7).all()
    bomb = bytes(BOMBS["zstd"].encode(_ZEROS))
    index = struct.pack("<QQ", 0, len(bomb))
    (path / "c/0/0/0").write_bytes(bomb + index + struct.pack("<I", google_crc32c.value(index)))
    with pytest.raises(DataError) as caught:
        read_array(path)
    assert str(caught.value) == f"{path}: `` is damaged: a chunk expands beyond the size that is declared"


def test_streams_that_do_not_say_their_size(tmp_path: Path) -> None:
    """Several streams of gzip in one chunk are its content one after the other; half a stream is damage."""
    path = tmp_path / "s.zarr"
    cube = np.arange(64, dtype="u2").reshape(4, 4, 4)
    zarr.create_array(path, data=cube, zarr_format=2, compressors=BOMBS["gzip"])
    halves = cube.tobytes()[:50], cube.tobytes()[50:]
    (path / "0.0.0").write_bytes(b"".join(map(gzip.compress, halves)))
    np.testing.assert_array_equal(read_array(path), cube)
    (path / "0.0.0").write_bytes(gzip.compress(cube.tobytes())[:-20])
    with pytest.raises(DataError) as caught:
        read_array(path)
    assert str(caught.value) == f"{path}: `` is damaged: it is cut short"


def test_a_member_of_a_zip_file_that_is_no_chunk_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "s.zip", {"cube": np.ones((4, 4, 4), "u2")}, 2)
    assert (read_array(path, "cube") == 1).all()
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("cube/0.0.1", _ZEROS)
    with pytest.raises(DataError) as caught:
        open_cube(path, "cube")
    assert str(caught.value) == f"{path}: `cube` is damaged: cube/0.0.1 holds {HUGE} bytes, a chunk has 128"
