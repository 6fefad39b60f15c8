"""Speed of onnxruntime (with package tokenizers), for `weir bench encode --peer onnxruntime`.

usage: encode_bench.py MODEL.onnx TOKENIZER.json --threads N [--max-tokens 512] [--batch 32]

Reads one JSON object a line and answers each with one line: {"add": TEXT} keeps a text;
{"run": true} encodes all of them (texts of like length share a batch, so that little is padded)
and prints texts a second, tokenizing included; {"query": TEXT} encodes that text alone 200 times
and prints the median microseconds.
"""

import argparse
import json
import sys
import time

import numpy
import onnxruntime
from tokenizers import Tokenizer


class Encoder:
    def __init__(self, options):
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(options.model, settings,
                                                    providers=["CPUExecutionProvider"])
        self.inputs = [node.name for node in self.session.get_inputs()]
        self.tokenizer = Tokenizer.from_file(options.tokenizer)
        self.tokenizer.enable_truncation(options.max_tokens)
        self.tokenizer.no_padding()
        self.batch = options.batch

    def run(self, texts):
        encoded = sorted(self.tokenizer.encode_batch(texts), key=lambda e: len(e.ids))
        for begin in range(0, len(encoded), self.batch):
            part = encoded[begin : begin + self.batch]
            longest = len(part[-1].ids)
            ids = numpy.zeros((len(part), longest), dtype=numpy.int64)
            mask = numpy.zeros_like(ids)
            for row, one in enumerate(part):
                ids[row, : len(one.ids)] = one.ids
                mask[row, : len(one.ids)] = 1
            feed = {"input_ids": ids, "attention_mask": mask,
                    "token_type_ids": numpy.zeros_like(ids)}
            hidden = self.session.run(None, {n: feed[n] for n in self.inputs})[0]
            if not numpy.isfinite(hidden[0, 0, 0]):
                sys.exit("encode_bench: not finite")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("tokenizer")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--batch", type=int, default=32)
    encoder = Encoder(parser.parse_args())
    texts = []
    for line in sys.stdin:
        request = json.loads(line)
        if "add" in request:
            texts.append(request["add"])
            print("ok", flush=True)
        elif "query" in request:
            took = []
            for _ in range(200):
                start = time.perf_counter()
                encoder.run([request["query"]])
                took.append(time.perf_counter() - start)
            print(f"{sorted(took)[100] * 1e6:.3f}", flush=True)
        else:
            start = time.perf_counter()
            encoder.run(texts)
            print(f"{len(texts) / (time.perf_counter() - start):.3f}", flush=True)


if __name__ == "__main__":
    main()
