"""Writes bpe.json, metaspace.json, unigram.json, wordpiece.json and goldens.json of this folder.

usage: make_goldens.py TEXT_TO_TRAIN_ON WEIR_HOME

Needs the packages tokenizers, llama-cpp-python and gguf. The vocabularies are trained here, so no model's
licence is on them; the ids are what llama.cpp (GGUF) and Hugging Face tokenizers (tokenizer.json) give.
"""
import glob
import json
import os
import sys
import tempfile

import gguf
import llama_cpp
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXTS = [
    "", " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", "\t\n", " \n \n  x", "a", " a", "a ", "Hello world",
    " Hello  World!", "Hello, y'all! How are you? I'm fine, they'RE not, it'S we'Ve I'd don't 'tis ''s",
    "'", "''", "' era", "can't'll", "1", "12", "123", "1234", "12345678", "3.14159 and 1,000,000 or 0x7fff",
    "x²+½ Ⅷ ٣٤٥ ५६ 𝟘𝟙", "a1b22c333d4444", "  12 345", "\n =", "!!!!!!", "...?!", " (x) [y] {z}", "$+<=>^`|~",
    "foo_bar-baz.qux@example.com", "if (a==b) {\n    return c;\n}\n", "def f(x):\n\treturn x  # done\n\n\n",
    "    four\n        eight", "trailing   ", "\u00a0nbsp\u2003em\u3000wide\u0085next\u2028line", "\u200bzero\ufeffwidth\u00adsoft",
    "\x00nul\x01\x1f\x7f", "caf\u00e9 cafe\u0301 naïve Ångström A\u030a", "İstanbul IĞDIR ΣΊΣΥΦΟΣ Straße ǅ ﬁ", "Cửa Việt",
    "нещо на Български", "हिन्दी में", "ภาษาไทย", "កាន់តែពិសេស", "العربية ١٢٣", "עִבְרִית", "日本語テキスト、中文，한국어 텍스트", "工作1314151天～",
    "🚀 👩‍👩‍👧‍👦 🏳️‍🌈 😶‍🌫️ 👍🏽 🇩🇪 1️⃣", "\U00020000\U0002b820\U0002b920\U0010ffff\U000e0001\ue000", "\u0378\u0870\U0001fae8\u1c89\U00010d40",
    "e\u0323\u0302\u0301 q\u0307\u0323", "a\u20dd\u0903 \u1734\u166d", "\ufffd\ufffe", "\u2581low\u2581\u2581line", "'ſ 'K",
    "<|im_start|>user\nhi<|im_end|>\n", "<s>x</s>", "[CLS] a [SEP]b[MASK]", "##ing ##", "<0x41><0x0A>",
    "xTOKy TOK TOK. aTOK", "pre  <trim>  post", "the quick brown fox jumps over the lazy dog " * 3, "a" * 120, "ab" * 60, " " * 40 + "x",
    "é" * 101, "=" * 70, "aaaa" + "\u0301" * 20, "To be, or not to be, that is the question:\r\nWhether 'tis nobler in the mind",
]
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
SPACE = "\u2581"


def train(text):
    # Without NUL: llama.cpp reads pieces as C strings.
    lines = [line.replace("\0", "") for line in text.splitlines()[:20000] + TEXTS]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=1400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"]))
    meta = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    meta.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    meta.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=1100, limit_alphabet=80, max_token_length=12,
        special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]))
    uni = Tokenizer(models.Unigram())
    uni.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    uni.train_from_iterator([w for line in lines for w in line.replace(" ", " " + SPACE).split(" ")],
                            trainers.UnigramTrainer(vocab_size=900, special_tokens=["<unk>"], unk_token="<unk>"))
    word = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    word.normalizer = normalizers.BertNormalizer()
    word.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    word.train_from_iterator(lines, trainers.WordPieceTrainer(
        vocab_size=1200, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    word.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return {"bpe": bpe, "metaspace": meta, "unigram": uni, "wordpiece": word}


# The same steps as GgufOf in gguf_tokenizer_test.cc.
def write_gguf(path, root, kind, flags):
    w = gguf.GGUFWriter(path, "llama")
    for key, value in [("context_length", 128), ("embedding_length", 64), ("block_count", 1),
                       ("feed_forward_length", 64), ("attention.head_count", 4)]:
        w.add_uint32("llama." + key, value)
    w.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    model = root["model"]
    tokens, scores, types = [], [], []
    if kind == "gpt2":
        tokens = sorted(model["vocab"], key=model["vocab"].get)
        types = [3 if i < 3 else 1 for i in range(len(tokens))]
        w.add_uint32("tokenizer.ggml.bos_token_id", 0)
        w.add_token_merges([" ".join(m) for m in model["merges"]])
    elif kind == "bert":
        tokens = sorted(model["vocab"], key=model["vocab"].get)
        types = [3 if i < 5 else 1 for i in range(len(tokens))]
        tokens = [t if i < 5 else t[2:] if t.startswith("##") else SPACE + t for i, t in enumerate(tokens)]
        for key, i in [("bos_token_id", 2), ("unknown_token_id", 1), ("seperator_token_id", 3), ("cls_token_id", 2),
                       ("padding_token_id", 0), ("mask_token_id", 4)]:
            w.add_uint32("tokenizer.ggml." + key, i)
    else:
        pieces = [p for p in model["vocab"][1:] if p[0] not in ("<s>", "</s>")]
        tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + [p for p, _ in pieces]
        scores = [0.0] * 259 + [s for _, s in pieces]
        types = [2, 3, 3] + [6] * 256 + [1] * len(pieces)
        for key, i in [("bos_token_id", 1), ("eos_token_id", 2), ("unknown_token_id", 0)]:
            w.add_uint32("tokenizer.ggml." + key, i)
        w.add_token_scores(scores)
    w.add_tokenizer_model(kind)
    w.add_token_list(tokens)
    w.add_token_types(types)
    for key, value in flags.items():
        (w.add_string if isinstance(value, str) else w.add_bool)("tokenizer.ggml." + key, value)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()


def llama_ids(path, special):
    m = llama_cpp.Llama(path, vocab_only=True, verbose=False)
    return [m.tokenize(t.encode(), add_bos=special, special=special) for t in TEXTS]


def json_ids(root, special):
    t = Tokenizer.from_str(json.dumps(root))
    t.no_padding()
    t.no_truncation()
    t.encode_special_tokens = not special
    return [t.encode(x, add_special_tokens=special).ids for x in TEXTS]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    with open(sys.argv[1]) as f:
        made = train(f.read())
    roots = {name: json.loads(t.to_str()) for name, t in made.items()}
    for piece in roots["unigram"]["model"]["vocab"]:
        piece[1] = round(piece[1], 3)  # the last digits of a double are not read alike everywhere
    for name, root in roots.items():
        with open(f"{here}/{name}.json", "w") as f:
            json.dump(root, f, ensure_ascii=False, separators=(",", ":"))
            f.write("\n")
    cases = []
    gguf_cases = [("bpe", "gpt2", {"pre": p}) for p in ("gpt-2", "smollm", "qwen2", "llama-bpe", "default")]
    gguf_cases += [("unigram", "llama", {"add_space_prefix": a}) for a in (True, False)]
    gguf_cases += [("unigram", "t5", {"add_space_prefix": a, "remove_extra_whitespaces": b})
                   for a, b in ((True, True), (True, False), (False, False))]
    gguf_cases += [("wordpiece", "bert", {})]
    with tempfile.TemporaryDirectory() as d:
        for base, kind, flags in gguf_cases:
            write_gguf(d + "/x.gguf", roots[base], kind, flags)
            for special in (False, True):
                cases.append({"from": "gguf", "base": base, "kind": kind, "flags": flags, "special": special,
                              "ids": llama_ids(d + "/x.gguf", special)})
    split = lambda p, behavior="Isolated", invert=False: {
        "type": "Split", "pattern": {"Regex": p}, "behavior": behavior, "invert": invert}
    level = lambda regex, prefix=False: {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True,
                                         "use_regex": regex}
    seq = lambda *p: {"type": "Sequence", "pretokenizers": list(p)}
    bert = lambda **o: {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                        "strip_accents": None, "lowercase": True, **o}
    token = lambda i, content, **o: {"id": i, "content": content, "single_word": False, "lstrip": False,
                                     "rstrip": False, "normalized": False, "special": False, **o}
    size = len(roots["bpe"]["model"]["vocab"])
    added = roots["bpe"]["added_tokens"] + [token(size, "TOK", single_word=True), token(size + 1, "<trim>", lstrip=True, rstrip=True),
                                            token(size + 2, "lazy dog", normalized=True)]
    patches = [
        ("bpe", {}), ("bpe", {"pre_tokenizer": level(True, True)}),
        ("bpe", {"pre_tokenizer": seq(split(LLAMA3), level(False))}),
        ("bpe", {"pre_tokenizer": seq(split(QWEN2, "Removed", True), level(False)), "normalizer": {"type": "NFC"}}),
        ("bpe", {"pre_tokenizer": seq({"type": "Digits", "individual_digits": True}, level(True)), "added_tokens": added}),
        ("bpe", {"pre_tokenizer": seq({"type": "Digits", "individual_digits": False}, level(True))}),
        ("bpe", {"pre_tokenizer": seq({"type": "Punctuation", "behavior": "Contiguous"}, level(False))}),
        ("metaspace", {}), ("unigram", {}),
        ("unigram", {"pre_tokenizer": {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first", "split": True},
                     "normalizer": {"type": "Sequence", "normalizers": [
                         {"type": "NFKC"}, {"type": "Strip", "strip_left": True, "strip_right": True},
                         {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]}}),
        ("unigram", {"normalizer": {"type": "Lowercase"}, "pre_tokenizer": seq({"type": "WhitespaceSplit"}, {
            "type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": True})}),
        ("wordpiece", {}), ("wordpiece", {"normalizer": bert(lowercase=False)}),
        ("wordpiece", {"normalizer": bert(clean_text=False, handle_chinese_chars=False, strip_accents=False)}),
        ("wordpiece", {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}, {"type": "StripAccents"}]},
                       "pre_tokenizer": {"type": "Whitespace"}}),
    ]
    for base, patch in patches:
        for special in (False, True):
            cases.append({"from": "json", "base": base, "patch": patch, "special": special,
                          "ids": json_ids({**roots[base], **patch}, special)})
    for name in ("smollm2-135m", "qwen2.5-coder-0.5b", "gemma3-270m"):
        path = glob.glob(f"{sys.argv[2]}/models/{name}/*.gguf")[0]
        cases.append({"from": "home", "base": f"{name}/{os.path.basename(path)}", "special": False, "ids": llama_ids(path, False)})
    for name in ("minilm-l6", "bge-small-en"):
        with open(f"{sys.argv[2]}/models/{name}/tokenizer.json") as f:
            cases.append({"from": "home", "base": f"{name}/tokenizer.json", "special": True, "ids": json_ids(json.load(f), True)})
    with open(here + "/goldens.json", "w") as f:
        f.write('{"texts":' + json.dumps(TEXTS) + ',\n"cases":[\n')
        f.write(",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]}\n")
    print(len(TEXTS), "texts,", len(cases), "cases")


main()
