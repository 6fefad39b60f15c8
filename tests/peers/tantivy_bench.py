"""Speed of Tantivy (package tantivy), for `weir bench search --peer tantivy`.

usage: tantivy_bench.py

Reads one JSON object a line and answers each with one line:
{"index": FILE}        the lines of FILE, one a passage, terms cut at spaces, in one segment on disk,
                       with positions, one indexing thread: "SECONDS BYTES"
{"query": "CLASS\\tTERMS"}  keeps a query; CLASS is term, or, and, phrase; built before any clock starts
{"run": CLASS}         top 10 of every query of the class: mean microseconds
{"count": CLASS}       the exact number of matches of each: mean microseconds
{"hits": N}            of the N-th query: the lines of its ten best passages, best first
"""

import json
import os
import sys
import tempfile
import time

import tantivy


class Bench:
    def __init__(self, folder):
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("body", stored=False, tokenizer_name="whitespace",
                               index_option="position")
        self.schema = builder.build()
        self.folder = folder
        self.index = tantivy.Index(self.schema, path=folder)
        self.queries = []
        self.searcher = None

    def build(self, path):
        start = time.perf_counter()
        writer = self.index.writer(heap_size=3_000_000_000, num_threads=1)
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                writer.add_document(tantivy.Document(body=line.rstrip("\n")))
        writer.commit()
        writer.wait_merging_threads()
        took = time.perf_counter() - start
        self.index.reload()
        self.searcher = self.index.searcher()
        if self.searcher.num_segments != 1:
            sys.exit(f"tantivy_bench: {self.searcher.num_segments} segments, not one")
        size = sum(e.stat().st_size for e in os.scandir(self.folder))
        return f"{took:.3f} {size}"

    def add(self, text):
        kind, words = text.split("\t")
        terms = words.split(" ")
        if kind == "phrase" and len(terms) > 1:
            query = tantivy.Query.phrase_query(self.schema, "body", terms)
        else:
            occur = tantivy.Occur.Must if kind == "and" else tantivy.Occur.Should
            parts = [(occur, tantivy.Query.term_query(self.schema, "body", term, "freq"))
                     for term in dict.fromkeys(terms)]
            query = parts[0][1] if len(parts) == 1 else tantivy.Query.boolean_query(parts)
        self.queries.append((kind, query))
        return "ok"

    def timed(self, kind, one):
        chosen = [q for k, q in self.queries if kind in (k, "all")]
        start = time.perf_counter()
        for query in chosen:
            one(query)
        return f"{(time.perf_counter() - start) / len(chosen) * 1e6:.3f}"

    def answer(self, request):
        (what, value), = request.items()
        if what == "index":
            return self.build(value)
        if what == "query":
            return self.add(value)
        if what == "run":
            return self.timed(value, lambda q: self.searcher.search(q, 10, count=False))
        if what == "count":
            return self.timed(value, lambda q: self.searcher.search(q, 1, count=True).count)
        found = self.searcher.search(self.queries[int(value)][1], 10, count=False)
        return " ".join(str(address.doc) for _, address in found.hits)


def main():
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder)
        for line in sys.stdin:
            print(bench.answer(json.loads(line)), flush=True)


if __name__ == "__main__":
    main()
