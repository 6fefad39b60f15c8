#!/usr/bin/env python3
"""Makes the reference vectors of this folder, independently of Weir.

  make.py MODELS                   texts.txt -> minilm-l6.f32, bge-small-en.f32, *.ids
  make.py MODELS --scifact FILE OUT  the first 200 documents of a BEIR corpus.jsonl -> OUT/scifact.*

MODELS holds minilm-l6/ and bge-small-en/ (`weir model add` fetches them). Needs numpy, tokenizers and, for
bge-small-en, onnxruntime. minilm-l6 is computed here in float64 from its safetensors; bge-small-en by ONNX
Runtime in fp32, one text at a time.
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


def main():
    models = Path(sys.argv[1])
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
        vectors = np.array(compute(models, ids))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        (folder / f"{stem}{name}.f32").write_bytes(vectors.astype("<f4").tobytes())
        if not stem:
            (folder / f"{name}.ids").write_text("".join(" ".join(map(str, i)) + "\n" for i in ids))


if __name__ == "__main__":
    main()
