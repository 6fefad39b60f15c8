#!/usr/bin/env python3
"""Kills `weir index` (kill -9) at random moments; prints what was lost.

Usage: tests/kill_index.py FOLDER [--rounds 50] [--seed 1]

Writes 1500 small texts cut from tests/data/dev-docs into FOLDER and indexes them with the `weir` of
PATH, in batches of several sizes. Whatever `weir index status` had reported before a kill must be
there after it, `weir index check` must be clean, and once a last run has finished every text must
be found by a word of its own. Exit status 1 otherwise.
"""
import argparse
import glob
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TEXTS = 1500
WORDS = 90


def write_texts(folder):
    words = []
    for path in sorted(glob.glob(os.path.join(ROOT, "tests", "data", "dev-docs", "*.txt"))):
        with open(path, encoding="utf-8") as file:
            words += file.read().split()
    os.makedirs(folder)
    for i in range(TEXTS):
        at = i * 37 % (len(words) - WORDS)
        with open(os.path.join(folder, f"{i:04d}.txt"), "w", encoding="utf-8") as file:
            file.write(f"unique{i}word {' '.join(words[at:at + WORDS])}\n")


class Store:
    def __init__(self, path):
        self.path = path

    def weir(self, *arguments):
        return subprocess.run(["weir", *arguments, "--store", self.path], capture_output=True,
                              text=True, check=False)

    def documents(self):
        """How many are stored; 0 where there is no store yet."""
        ran = self.weir("index", "status", "--json")
        if ran.returncode not in (0, 66):
            sys.exit(f"kill_index: status failed: {ran.stderr}")
        return json.loads(ran.stdout)["documents"] if ran.returncode == 0 else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    texts = os.path.join(options.folder, "texts")
    write_texts(texts)
    store = Store(os.path.join(options.folder, "store"))
    moments = random.Random(options.seed)
    kills = lost = unclean = inside = known = 0
    while kills < options.rounds:
        batch = str(moments.choice([4, 16, 64]))
        writer = subprocess.Popen(
            ["weir", "index", "--no-encode", "--store", store.path, "--batch-documents", batch,
             "--progress", "off", texts],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(moments.uniform(0.01, 0.8))
        known = max(known, store.documents())
        time.sleep(moments.uniform(0, 0.2))
        if writer.poll() is not None:  # done before the kill: begin again
            if writer.returncode != 0:
                sys.exit(f"kill_index: weir index ended with {writer.returncode}")
            shutil.rmtree(store.path)
            known = 0
            continue
        os.killpg(writer.pid, signal.SIGKILL)
        writer.wait()
        kills += 1
        after = store.documents()
        lost += max(0, known - after)
        inside += after < TEXTS
        known = after
        if after and store.weir("index", "check").returncode != 0:
            unclean += 1
    last = store.weir("index", "--no-encode", "--progress", "off", texts)
    missing = 0
    for i in moments.sample(range(TEXTS), 100):
        found = store.weir("search", "--mode", "lexical", "--top-k", "1", f"unique{i}word")
        missing += f"{i:04d}.txt" not in found.stdout
    print(f"{kills} kills, {inside} of them before the end, {lost} documents lost, "
          f"{unclean} stores damaged, {store.documents()} documents in the end, "
          f"{missing} of 100 not found")
    failed = lost or unclean or missing or last.returncode or store.documents() != TEXTS
    return 1 if failed or inside == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
