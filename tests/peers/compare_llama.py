"""Compares Weir's next tokens with llama.cpp's (package llama-cpp-python) on the same text.

usage: compare_llama.py MODEL.gguf TEXT --program NEXT_TOKENS
           [--windows N] [--window 512] [--threads 2] [--self]

NEXT_TOKENS is built from next_tokens.cc. llama.cpp's tokenizer cuts TEXT (a .zst file needs the
zstd command) into windows; each starts anew, with BOS in place of its first token where the model
asks for one. Prints one JSON object: perplexities over the second half of each window (all as
llama.cpp's perplexity tool counts), and over all positions the share of equal greedy choices
and the largest difference of a token's log-probability. With --self the same is printed for
llama.cpp against itself with flash attention off: two right engines round differently, and a small
quantised model has many near-ties, so that is the noise to read the figures against.
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

BATCH = 512  # tokens of one llama_decode; load() allows no more


def read(path):
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-dqc", path], check=True, stdout=subprocess.PIPE).stdout
    with open(path, "rb") as file:
        return file.read()


class Llama:
    def __init__(self, path, threads, window, flash=True):
        self.api, self.model, self.handle, self.callback = load(path, threads, window, flash)
        self.vocab = self.api.llama_model_get_vocab(self.model)
        self.size = self.api.llama_vocab_n_tokens(self.vocab)

    def tokens(self, text):
        room = (ctypes.c_int32 * (len(text) + 16))()
        count = self.api.llama_tokenize(self.vocab, text, len(text), room, len(room), True, False)
        return list(room[:count])

    def windows(self, text, count, size):
        """At most `count` windows of `size` tokens."""
        ids = self.tokens(text[: count * size * 12])
        cut = [ids[i * size : (i + 1) * size] for i in range(count)]
        if self.api.llama_vocab_get_add_bos(self.vocab):
            bos = self.api.llama_vocab_bos(self.vocab)
            cut = [[bos] + window[1:] for window in cut]
        return [window for window in cut if len(window) == size]

    def predict(self, ids):
        """Greedy choices and log-probabilities after every position of one window."""
        self.api.llama_memory_clear(self.api.llama_get_memory(self.handle), True)
        best, scores = [], []
        for begin in range(0, len(ids), BATCH):
            part = ids[begin : begin + BATCH]
            batch = self.api.llama_batch_init(len(part), 0, 1)
            batch.n_tokens = len(part)
            for i, token in enumerate(part):
                batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, begin + i, 1
                batch.seq_id[i][0], batch.logits[i] = 0, 1
            code = self.api.llama_decode(self.handle, batch)
            if code != 0:
                sys.exit(f"compare_llama: llama_decode returned {code}")
            for i in range(len(part)):
                logits = self.api.llama_get_logits_ith(self.handle, i)
                row = numpy.ctypeslib.as_array(logits, shape=(self.size,)).astype(numpy.float64)
                best.append(int(row.argmax()))
                if begin + i + 1 < len(ids):
                    target, peak = row[ids[begin + i + 1]], row.max()
                    scores.append(float(target - peak - math.log(numpy.exp(row - peak).sum())))
            self.api.llama_batch_free(batch)
        return best, scores


def run_program(program, model, windows, threads, kv="f16"):
    """Weir's greedy choices and log-probabilities for each window; llama.cpp keeps f16, too."""
    with tempfile.NamedTemporaryFile("w", suffix=".ids") as file:
        file.writelines(" ".join(map(str, w)) + "\n" for w in windows)
        file.flush()
        command = [program, model, file.name, str(threads), kv]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    out = done.stdout.splitlines()
    return [([int(word) for word in out[3 * i].split()],
             [float(word) for word in out[3 * i + 1].split()]) for i in range(len(windows))]


def compare(ours, theirs, name="llama"):
    """ours, theirs: one (greedy choices, log-probabilities) for each window; `name`: of theirs."""
    equal = positions = scored = 0
    worst = our_sum = their_sum = 0.0
    for (our_best, our_scores), (best, scores) in zip(ours, theirs):
        equal += sum(a == b for a, b in zip(best, our_best))
        positions += len(best)
        worst = max(worst, max(abs(a - b) for a, b in zip(scores, our_scores)))
        half = len(best) // 2
        our_sum += sum(our_scores[half:])
        their_sum += sum(scores[half:])
        scored += len(scores[half:])
    perplexity, peer = math.exp(-our_sum / scored), math.exp(-their_sum / scored)
    return {"positions": positions, "agreement": equal / positions, "perplexity": perplexity,
            f"{name}_perplexity": peer, "difference": perplexity / peer - 1,
            "largest_logprob_difference": worst}


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
    parser.add_argument("--self", action="store_true")
    arguments = parser.parse_args()
    llama = Llama(arguments.model, arguments.threads, arguments.window)
    windows = llama.windows(read(arguments.text), arguments.windows, arguments.window)
    ours = run_program(arguments.program, arguments.model, windows, arguments.threads)
    theirs = [llama.predict(window) for window in windows]
    result = compare(ours, theirs)
    if arguments.self:
        plain = Llama(arguments.model, arguments.threads, arguments.window, flash=False)
        result["self"] = compare([plain.predict(window) for window in windows], theirs)
    print(json.dumps(result))
    right = result["agreement"] >= 0.98 and abs(result["difference"]) <= 0.005
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
