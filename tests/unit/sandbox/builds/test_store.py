"""Stored model files are named by their content, survive, and are checked when read."""

import hashlib
from pathlib import Path

import pytest

from sandbox.builds import store

CONTENT = b"an onnx file"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def test_it_works(tmp_path: Path) -> None:
    assert store.put(tmp_path / "models", CONTENT) == (SHA256, tmp_path / "models" / SHA256)
    assert store.read(tmp_path / "models" / SHA256, SHA256) == CONTENT


def test_storing_twice_keeps_the_first_file(tmp_path: Path) -> None:
    _, path = store.put(tmp_path, CONTENT)
    before = path.stat()
    store.put(tmp_path, CONTENT)
    assert path.stat().st_ino == before.st_ino
    assert [each.name for each in tmp_path.iterdir()] == [SHA256]


def test_nobody_may_write_to_a_stored_file(tmp_path: Path) -> None:
    _, path = store.put(tmp_path, CONTENT)
    assert path.stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize("damage", [b"an onnx filE", b"an onnx", b""])
def test_a_changed_file_is_noticed_and_mended_by_storing_again(tmp_path: Path, damage: bytes) -> None:
    _, path = store.put(tmp_path, CONTENT)
    path.chmod(0o600)
    path.write_bytes(damage)
    with pytest.raises(store.ModelFileDamaged, match="has been changed or cut"):
        store.read(path, SHA256)
    assert not store.is_intact(path, SHA256)
    store.put(tmp_path, CONTENT)
    assert store.read(path, SHA256) == CONTENT


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(store.ModelFileDamaged, match=f"{SHA256} cannot be read"):
        store.read(tmp_path / SHA256, SHA256)
