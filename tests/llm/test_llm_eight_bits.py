"""Weights written with eight bits are the numbers of four, and the model that has them answers."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import numpy as np
import pytest

from shipway.llm import Message, find_weights, open_client, start_local
from shipway.llm._eight_bits import eight_bits, write_eight_bits


def four_bits(weights: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> bytes:
    """Blocks of Q4_1 nearest to these rows of 32."""
    least = weights.min(axis=1, keepdims=True).astype("<f2")
    scale = ((weights.max(axis=1, keepdims=True) - least) / 15).astype("<f2")
    numbers = np.rint((weights - least) / np.where(scale > 0, scale, 1)).clip(0, 15).astype(np.uint8)
    packed = numbers[:, :16] | numbers[:, 16:] << 4
    return np.concatenate([scale.view(np.uint8), least.view(np.uint8), packed], axis=1).tobytes()


def read_four(blocks: bytes) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    rows = []
    for start in range(0, len(blocks), 20):
        scale, least = struct.unpack_from("<2e", blocks, start)
        packed = blocks[start + 4 : start + 20]
        rows.append([least + scale * (byte & 15) for byte in packed] + [least + scale * (byte >> 4) for byte in packed])
    return np.array(rows)


def read_eight(blocks: bytes) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    read = (struct.unpack_from("<e32b", blocks, start) for start in range(0, len(blocks), 34))
    return np.array([[scale * number for number in numbers] for scale, *numbers in read])


def test_every_weight_is_as_near_as_eight_bits_can_be() -> None:
    random = np.random.default_rng(7)
    rows = random.normal(scale=random.uniform(0.001, 5, size=(200, 1)), size=(200, 32)).astype(np.float32)
    rows[0] = 0
    blocks = four_bits(rows)
    four, eight = read_four(blocks), read_eight(eight_bits(blocks))
    largest = np.abs(four).max(axis=1, keepdims=True)
    assert np.all(np.abs(four - eight) <= largest * (1 / 254 + 1 / 1024))  # half a step, and the step in half precision
    assert not np.any(eight[0])


def gguf(tensors: list[tuple[bytes, tuple[int, ...], int, bytes]], values: bytes = b"", count: int = 0) -> bytes:
    infos, data = b"", b""
    for name, shape, kind, piece in tensors:
        infos += struct.pack("<Q", len(name)) + name + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(data))
        data += piece + bytes(-len(piece) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), count) + values + infos
    return head + bytes(-len(head) % 32) + data


def named(name: bytes, kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", len(name)) + name + struct.pack("<I", kind) + value


def test_only_what_has_four_bits_is_written_anew(tmp_path: Path) -> None:
    blocks = four_bits(np.random.default_rng(1).normal(size=(4, 32)).astype(np.float32))
    floats = struct.pack("<5f", 1, 2, 3, 4, 5)
    texts = struct.pack("<IQ", 8, 2) + b"".join(struct.pack("<Q", len(text)) + text for text in (b"one", b"three"))
    values = (
        named(b"a", 6, struct.pack("<f", 1.5)) + named(b"b", 9, texts) + named(b"c", 9, struct.pack("<IQ3H", 2, 3, 1, 2, 3))
    )
    (tmp_path / "a").write_bytes(
        gguf([(b"x", (5,), 0, floats), (b"y", (64, 2), 3, blocks), (b"z", (5,), 0, floats)], values, 3)
    )
    write_eight_bits(tmp_path / "a", tmp_path / "b")
    expected = [(b"x", (5,), 0, floats), (b"y", (64, 2), 8, eight_bits(blocks)), (b"z", (5,), 0, floats)]
    assert (tmp_path / "b").read_bytes() == gguf(expected, values, 3)


def test_what_is_no_gguf_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"PK" + bytes(40))
    with pytest.raises(ValueError, match="GGUF"):
        write_eight_bits(tmp_path / "a", tmp_path / "b")
    aligned = named(b"general.alignment", 4, struct.pack("<I", 64))
    (tmp_path / "a").write_bytes(gguf([], aligned, 1))
    with pytest.raises(ValueError, match="alignment"):
        write_eight_bits(tmp_path / "a", tmp_path / "b")


def test_smollm2_answers_with_them_and_is_written_once(tmp_path: Path) -> None:
    path = find_weights("smollm2-q8", cache=tmp_path)
    made = path.stat()
    assert find_weights("smollm2-q8", cache=tmp_path).stat().st_mtime_ns == made.st_mtime_ns
    assert [file.name for file in tmp_path.iterdir()] == [path.name]

    async def ask() -> str:
        async with open_client({}) as client:
            question = Message("user", "What is the capital of France? Answer in one word.")
            return (await client.complete(server.provider("answer", temperature=0, max_tokens=12, seed=7), (question,))).text

    with start_local(path) as server:
        assert "Paris" in asyncio.run(ask())
