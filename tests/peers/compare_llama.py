"""Compares Weir's next tokens with llama.cpp's (package llama-cpp-python) on the same text.

usage: compare_llama.py MODEL.gguf TEXT --program NEXT_TOKENS
           [--windows N] [--window 512] [--threads 2]

NEXT_TOKENS is built from next_tokens.cc. llama.cpp's tokenizer cuts TEXT (a .zst file needs the
zstd command) into windows; each starts anew. Prints one JSON object: perplexities over the second
half of each window (as llama.cpp's perplexity tool counts), and over all positions the share of
equal greedy choices and the largest difference of a token's log-probability.
Exit status 1 below 98% agreement or above 0.5% of difference in perplexity.
"""

import argparse
import ctypes
import json
import math
import subprocess
import sys
import tempfile

import numpy

from llama_bench import load


def read(path):
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-dqc", path], check=True, stdout=subprocess.PIPE).stdout
    with open(path, "rb") as file:
        return file.read()


class Llama:
    def __init__(self, path, threads, window):
        self.api, self.model, self.handle, self.callback = load(path, threads, window)
        self.vocab = self.api.llama_model_get_vocab(self.model)
        self.size = self.api.llama_vocab_n_tokens(self.vocab)

    def tokens(self, text):
        room = (ctypes.c_int32 * (len(text) + 16))()
        count = self.api.llama_tokenize(self.vocab, text, len(text), room, len(room), True, False)
        return list(room[:count])

    def predict(self, ids):
        """Greedy choices and log-probabilities after every position of one window."""
        self.api.llama_memory_clear(self.api.llama_get_memory(self.handle), True)
        batch = self.api.llama_batch_init(len(ids), 0, 1)
        batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, i, 1, 1
            batch.seq_id[i][0] = 0
        code = self.api.llama_decode(self.handle, batch)
        if code != 0:
            sys.exit(f"compare_llama: llama_decode returned {code}")
        best, scores = [], []
        for i in range(len(ids)):
            logits = self.api.llama_get_logits_ith(self.handle, i)
            row = numpy.ctypeslib.as_array(logits, shape=(self.size,)).astype(numpy.float64)
            best.append(int(row.argmax()))
            if i + 1 < len(ids):
                peak = row.max()
                scores.append(
                    float(row[ids[i + 1]] - peak - math.log(numpy.exp(row - peak).sum()))
                )
        self.api.llama_batch_free(batch)
        return best, scores


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--program", required=True)
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    llama = Llama(arguments.model, arguments.threads, arguments.window)
    size = arguments.window
    ids = llama.tokens(read(arguments.text)[: arguments.windows * size * 12])
    windows = [ids[i * size : (i + 1) * size] for i in range(arguments.windows)]
    windows = [w for w in windows if len(w) == size]
    with tempfile.NamedTemporaryFile("w", suffix=".ids") as file:
        file.writelines(" ".join(map(str, w)) + "\n" for w in windows)
        file.flush()
        command = [arguments.program, arguments.model, file.name, str(arguments.threads)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        out = done.stdout.splitlines()
    equal = positions = scored = 0
    worst = ours_sum = theirs_sum = 0.0
    for i, window in enumerate(windows):
        best, scores = llama.predict(window)
        our_best = [int(word) for word in out[2 * i].split()]
        our_scores = [float(word) for word in out[2 * i + 1].split()]
        equal += sum(a == b for a, b in zip(best, our_best))
        positions += len(best)
        worst = max(worst, max(abs(a - b) for a, b in zip(scores, our_scores)))
        half = len(window) // 2
        ours_sum += sum(our_scores[half:])
        theirs_sum += sum(scores[half:])
        scored += len(scores[half:])
    ours, theirs = math.exp(-ours_sum / scored), math.exp(-theirs_sum / scored)
    print(
        json.dumps(
            {
                "positions": positions,
                "agreement": equal / positions,
                "weir_perplexity": ours,
                "llama_perplexity": theirs,
                "difference": ours / theirs - 1,
                "largest_logprob_difference": worst,
            }
        )
    )
    sys.exit(0 if equal >= 0.98 * positions and abs(ours / theirs - 1) <= 0.005 else 1)


if __name__ == "__main__":
    main()
