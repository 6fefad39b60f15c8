"""Fits the head that makes short vectors of an encoder's token states (model/token_encoder.h).

usage: fit_tokens.py MODEL.onnx TOKENIZER.json TEXTS.jsonl OUT.safetensors
                     [--texts 5000] [--dimensions 96]

The head's rows are the axes along which the model's tokens (unit length, without special tokens
and punctuation) vary most over TEXTS ({"text": ...} a line), largest first, as f16 [dimensions,
hidden].
Needs numpy, onnxruntime and tokenizers.
"""

import argparse
import json
import string
import struct

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

BATCH = 32


def states(options, texts):
    """Batches of token vectors of unit length, [tokens, hidden]."""
    session = onnxruntime.InferenceSession(options.model, providers=["CPUExecutionProvider"])
    inputs = [node.name for node in session.get_inputs()]
    tokenizer = Tokenizer.from_file(options.tokenizer)
    tokenizer.enable_truncation(256)
    tokenizer.no_padding()
    left_out = [tokenizer.token_to_id(c) for c in string.punctuation]
    left_out = [i for i in left_out if i is not None]
    encoded = sorted((e.ids for e in tokenizer.encode_batch(texts)), key=len)
    for begin in range(0, len(encoded), BATCH):
        part = encoded[begin : begin + BATCH]
        ids = np.zeros((len(part), len(part[-1])), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, one in enumerate(part):
            ids[row, : len(one)] = one
            mask[row, : len(one)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = session.run(None, {name: feed[name] for name in inputs})[0]
        keep = (mask == 1) & ~np.isin(ids, left_out)
        keep[:, 0] = False
        for row, one in enumerate(part):
            keep[row, len(one) - 1] = False
        vectors = hidden[keep]
        yield vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "tokenizer", "texts_file", "out"):
        parser.add_argument(name)
    parser.add_argument("--texts", type=int, default=5000)
    parser.add_argument("--dimensions", type=int, default=96)
    options = parser.parse_args()
    with open(options.texts_file, encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    texts = texts[:: max(1, len(texts) // options.texts)][: options.texts]
    squares, total, count = 0, 0, 0
    for vectors in states(options, texts):
        squares = squares + vectors.T.astype(np.float64) @ vectors
        total = total + vectors.sum(0, dtype=np.float64)
        count += len(vectors)
    mean = total / count
    values, axes = np.linalg.eigh(squares / count - np.outer(mean, mean))
    head = axes[:, ::-1].T[: options.dimensions]
    largest = np.abs(head).argmax(axis=1)
    head = head * np.sign(head[np.arange(len(head)), largest])[:, None]
    data = head.astype("<f2").tobytes()
    header = json.dumps({"head": {"dtype": "F16", "shape": list(head.shape),
                                  "data_offsets": [0, len(data)]}}).encode()
    header += b" " * (-len(header) % 8)
    with open(options.out, "wb") as out:
        out.write(struct.pack("<Q", len(header)) + header + data)
    kept = values[::-1][: options.dimensions].sum() / values.sum()
    print(f"{count} tokens; {kept:.1%} of the variance kept")


if __name__ == "__main__":
    main()
