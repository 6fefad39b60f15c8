"""Writes blocks.bin: random blocks of each tensor type and what the `gguf` package makes of them.

Records, little-endian: u32 gguf id, u32 bytes, u32 floats, the blocks, the floats (f32).
Scales are drawn from ordinary, extreme, subnormal and zero f16 values; quants are random bytes.
"""
import struct

import gguf
import numpy as np

rng = np.random.default_rng(20241123)
# Offsets of the f16 fields of a block.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2],
          "Q6_K": [208]}
SCALES = np.array([0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x7BFF, 0xFBFF, 0x3C00, 0xBC00, 0x0155], np.uint16)


def finite_halves(count):
    bits = rng.integers(0, 1 << 16, count, dtype=np.uint16)
    return np.where((bits & 0x7C00) == 0x7C00, bits & 0xBFFF, bits)


with open("blocks.bin", "wb") as out:
    for name in ["F32", "F16", "BF16", *HALVES]:
        kind = gguf.GGMLQuantizationType[name]
        columns, size = gguf.GGML_QUANT_SIZES[kind]
        if name == "F32":
            raw = rng.standard_normal(64).astype(np.float32).view(np.uint8)
        elif name == "F16":
            raw = np.concatenate([SCALES, finite_halves(246)]).view(np.uint8)
        elif name == "BF16":
            raw = (rng.standard_normal(256).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
        else:
            count = 40 if columns == 32 else 12
            blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
            for at in HALVES[name]:
                half = finite_halves(count)
                half[: len(SCALES)] = rng.permutation(SCALES)
                blocks[:, at : at + 2] = half.view(np.uint8).reshape(count, 2)
            raw = blocks.reshape(-1)
        want = gguf.dequantize(raw.reshape(1, -1), kind).astype(np.float32).reshape(-1)
        out.write(struct.pack("<III", int(kind), raw.size, want.size) + raw.tobytes() + want.tobytes())
