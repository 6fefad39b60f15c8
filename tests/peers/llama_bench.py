"""Speed of llama.cpp (package llama-cpp-python), for `weir bench llm --peer llama.cpp`.

usage: llama_bench.py MODEL.gguf --threads N [--context N] [REQUEST...]

A REQUEST is a JSON object: {"stored": tokens kept before the clock starts, "tokens": timed
tokens, "batch": true for one prefill, false for token by token}. With none on the command line
they are read from stdin, one a line, and each is answered by one line: tokens a second. A REQUEST
{"prompt": token ids, "answer": token ids} times the answer token by token after the prompt, which
stays stored for the next request with the same one.
"""

import argparse
import ctypes
import json
import os
import random
import sys
import time


def load(path, threads, context, flash=True):
    """Model and context; llama.cpp's own log is kept off stderr."""
    import llama_cpp

    callback = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(callback, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    model = llama_cpp.llama_model_load_from_file(
        path.encode(), llama_cpp.llama_model_default_params()
    )
    if not model:
        sys.exit(f"llama_bench: cannot load {path}")
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = context
    params.n_batch = params.n_ubatch = 512
    params.n_threads = params.n_threads_batch = threads
    if hasattr(params, "flash_attn_type"):
        params.flash_attn_type = int(flash)
    elif hasattr(params, "flash_attn"):
        params.flash_attn = flash
    handle = llama_cpp.llama_init_from_model(model, params)
    if not handle:
        sys.exit("llama_bench: cannot make a context")
    return llama_cpp, model, handle, callback


class Runner:
    def __init__(self, path, threads, context):
        self.api, self.model, self.handle, self.callback = load(path, threads, context)
        vocab = self.api.llama_model_get_vocab(self.model)
        self.prompt = None  # the stored one
        self.vocabulary = min(self.api.llama_vocab_n_tokens(vocab), 30000)

    def feed(self, tokens):
        for begin in range(0, len(tokens), 512):
            piece = tokens[begin : begin + 512]
            part = (ctypes.c_int32 * len(piece))(*piece)
            batch = self.api.llama_batch_get_one(part, len(piece))
            code = self.api.llama_decode(self.handle, batch)
            if code != 0:
                sys.exit(f"llama_bench: llama_decode returned {code}")
        self.api.llama_synchronize(self.handle)

    def follow(self, prompt, answer):
        memory = self.api.llama_get_memory(self.handle)
        # A cache of windows (Gemma) may not be able to go back: then the prompt is read anew.
        if prompt != self.prompt or not self.api.llama_memory_seq_rm(
            memory, 0, len(prompt), -1
        ):
            self.api.llama_memory_clear(memory, True)
            self.feed(prompt)
            self.prompt = prompt
        start = time.perf_counter()
        for token in answer:
            self.feed([token])
        return len(answer) / (time.perf_counter() - start)

    def run(self, stored, tokens, batch):
        self.api.llama_memory_clear(self.api.llama_get_memory(self.handle), True)
        self.prompt = None
        rng = random.Random(1)
        ids = [rng.randrange(self.vocabulary) for _ in range(stored + tokens)]
        if stored:
            self.feed(ids[:stored])
        start = time.perf_counter()
        if batch:
            self.feed(ids[stored:])
        else:
            for token in ids[stored:]:
                self.feed([token])
        return tokens / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--context", type=int, default=4096)
    parser.add_argument("requests", nargs="*")
    arguments = parser.parse_intermixed_args()
    runner = Runner(arguments.model, arguments.threads, arguments.context)
    for line in arguments.requests or sys.stdin:
        request = json.loads(line)
        if "prompt" in request:
            speed = runner.follow(request["prompt"], request["answer"])
        else:
            speed = runner.run(request["stored"], request["tokens"], request["batch"])
        print(f"{speed:.3f}", flush=True)


if __name__ == "__main__":
    main()
