"""Trains the adapter that makes minilm-l6 a cross-encoder (models/README.md).

usage: train_cross.py SQUAD.json... --base FOLDER --out FILE [--passes 1] [--threads 2]

Each SQUAD.json is in the layout of SQuAD 1.1. FOLDER holds model.safetensors and tokenizer.json.
The lower layers stay as they are; the upper ones get low-rank changes (LoRA: Hu et al., ICLR 2022).
"""

import argparse
import json
import random
import re

import numpy
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

LAYERS, HEADS, WIDTH, FFN, RANK, FROZEN = 6, 12, 384, 1536, 8, 3
MATRICES = {"attention.self.query": (WIDTH, WIDTH), "attention.self.key": (WIDTH, WIDTH),
            "attention.self.value": (WIDTH, WIDTH), "attention.output.dense": (WIDTH, WIDTH),
            "intermediate.dense": (WIDTH, FFN), "output.dense": (FFN, WIDTH)}
CLS, SEP = 101, 102
QUESTION_TOKENS, PAIR_TOKENS = 48, 160
CHOICES, BATCH, HARD = 4, 4, 10


class Model:
    def __init__(self, folder):
        weights = load_file(f"{folder}/model.safetensors")
        self.base = {name.removeprefix("bert."): torch.from_numpy(w)
                     for name, w in weights.items() if w.dtype == numpy.float32}
        self.adapter = {"head.mean": torch.zeros(WIDTH), "head.cls": torch.zeros(WIDTH)}
        for layer in range(FROZEN, LAYERS):
            for name, (rows_in, rows_out) in MATRICES.items():
                stem = f"layer.{layer}.{name}"
                self.adapter[stem + ".down"] = torch.randn(RANK, rows_in) / rows_in**0.5
                self.adapter[stem + ".up"] = torch.zeros(rows_out, RANK)
        for w in self.adapter.values():
            w.requires_grad_()

    def dense(self, x, layer, name, adapted):
        stem = f"layer.{layer}.{name}"
        y = F.linear(x, self.base[f"encoder.{stem}.weight"], self.base[f"encoder.{stem}.bias"])
        if adapted and layer >= FROZEN:
            y = y + F.linear(F.linear(x, self.adapter[stem + ".down"]), self.adapter[stem + ".up"])
        return y

    def norm(self, x, name):
        return F.layer_norm(x, (WIDTH,), self.base[name + ".weight"], self.base[name + ".bias"],
                            1e-12)

    def layer(self, x, i, mask, adapted):
        n, length, _ = x.shape
        q, k, v = (self.dense(x, i, f"attention.self.{part}", adapted)
                   .view(n, length, HEADS, -1).transpose(1, 2)
                   for part in ("query", "key", "value"))
        weights = torch.softmax(q @ k.transpose(-1, -2) / (WIDTH / HEADS) ** 0.5 + mask, -1)
        mixed = (weights @ v).transpose(1, 2).reshape(n, length, WIDTH)
        x = self.norm(x + self.dense(mixed, i, "attention.output.dense", adapted),
                      f"encoder.layer.{i}.attention.output.LayerNorm")
        inner = F.gelu(self.dense(x, i, "intermediate.dense", adapted))
        return self.norm(x + self.dense(inner, i, "output.dense", adapted),
                         f"encoder.layer.{i}.output.LayerNorm")

    def rows(self, ids, types, mask, adapted):
        bias = torch.where(mask, 0.0, -1e9)[:, None, None, :]
        with torch.no_grad():
            x = (self.base["embeddings.word_embeddings.weight"][ids]
                 + self.base["embeddings.position_embeddings.weight"][: ids.shape[1]][None]
                 + self.base["embeddings.token_type_embeddings.weight"][types])
            x = self.norm(x, "embeddings.LayerNorm")
            for i in range(FROZEN):
                x = self.layer(x, i, bias, adapted)
        for i in range(FROZEN, LAYERS):
            x = self.layer(x, i, bias, adapted)
        return x

    @staticmethod
    def mean(x, mask):
        m = mask[..., None].float()
        return (x * m).sum(1) / m.sum(1)

    def score(self, ids, types, mask):
        x = self.rows(ids, types, mask, True)
        return self.mean(x, mask) @ self.adapter["head.mean"] + x[:, 0] @ self.adapter["head.cls"]

    @torch.no_grad()
    def embed(self, texts):
        out = torch.zeros(len(texts), WIDTH)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), 32):
            part = order[start : start + 32]
            pairs = [([CLS] + texts[i][:254] + [SEP], []) for i in part]
            ids, types, mask = pack(pairs)
            out[part] = F.normalize(self.mean(self.rows(ids, types, mask, False), mask))
        return out.numpy()


def pack(pairs):
    """Pairs of token lists, [CLS] question [SEP] and passage [SEP], as padded rows."""
    length = max(len(a) + len(b) for a, b in pairs)
    ids = torch.zeros(len(pairs), length, dtype=torch.long)
    types, mask = torch.zeros_like(ids), torch.zeros(len(pairs), length, dtype=torch.bool)
    for i, (a, b) in enumerate(pairs):
        ids[i, : len(a) + len(b)] = torch.tensor(a + b)
        types[i, len(a) : len(a) + len(b)] = 1
        mask[i, : len(a) + len(b)] = True
    return ids, types, mask


def pair(question, passage):
    first = [CLS] + question[:QUESTION_TOKENS] + [SEP]
    return first, passage[: PAIR_TOKENS - 1 - len(first)] + [SEP]


def sentences(text):
    begin = 0
    for gap in re.finditer(r'(?<=[.!?])["\')\]]*\s+(?=[A-Z"\'(\[0-9])', text):
        yield begin, gap.start()
        begin = gap.end()
    yield begin, len(text)


def read(paths):
    """Passages {title, text, article} and questions {question, answer, passage (its number)}."""
    passages, questions = [], []
    articles = [a for path in paths for a in json.load(open(path, encoding="utf-8"))["data"]]
    for number, article in enumerate(articles):
        for paragraph in article["paragraphs"]:
            text, groups, words = paragraph["context"], [[]], 0
            for begin, end in sentences(text):
                n = len(text[begin:end].split())
                if groups[-1] and words + n > random.choice((60, 100, 100, 120)):
                    groups.append([])
                    words = 0
                groups[-1].append((begin, end))
                words += n
            first = len(passages)
            for g in groups:
                passages.append({"title": article["title"].replace("_", " "),
                                 "text": text[g[0][0] : g[-1][1]], "article": number})
            for qa in paragraph["qas"]:
                if not qa["answers"]:
                    continue
                at = qa["answers"][0]["answer_start"]
                holds = [i for i, g in enumerate(groups) if g[0][0] <= at <= g[-1][1]]
                if holds:
                    questions.append({"question": qa["question"].strip(),
                                      "passage": first + holds[0],
                                      "answer": qa["answers"][0]["text"].lower()})
    random.shuffle(questions)
    return passages, questions


def choices(question, nearest, passages):
    """The right passage, near ones by meaning and by place that do not hold the answer's words."""
    right = question["passage"]

    def wrong(i):
        return i != right and question["answer"] not in passages[i]["text"].lower()

    hard = [i for i in nearest if wrong(i)][:HARD]
    out = [right] + random.sample(hard, min(2, len(hard)))
    beside = [i for i in range(max(0, right - 3), min(len(passages), right + 4))
              if wrong(i) and passages[i]["article"] == passages[right]["article"] and i not in out]
    if beside:
        out.append(random.choice(beside))
    while len(out) < CHOICES:
        out.append(random.randrange(len(passages)))
    return out


def batches(questions, passages, passes):
    """Like lengths together, so that little is padded."""
    order = []
    while len(order) < passes * len(questions):
        numbers = list(range(len(questions)))
        random.shuffle(numbers)
        for start in range(0, len(numbers), 64):
            order += sorted(numbers[start : start + 64],
                            key=lambda i: len(passages[questions[i]["passage"]]["ids"]))
    all_of_them = [order[i : i + BATCH] for i in range(0, len(order) - BATCH + 1, BATCH)]
    for start in range(0, len(all_of_them), 16):
        part = all_of_them[start : start + 16]
        random.shuffle(part)
        all_of_them[start : start + 16] = part
    return all_of_them


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("squad", nargs="+")
    parser.add_argument("--base", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    random.seed(7)
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)

    tokenizer = Tokenizer.from_file(f"{options.base}/tokenizer.json")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    passages, questions = read(options.squad)
    for p in passages:
        p["ids"] = tokenizer.encode(p["text"], add_special_tokens=False).ids
        p["title_ids"] = tokenizer.encode(p["title"], add_special_tokens=False).ids
    for q in questions:
        q["ids"] = tokenizer.encode(q["question"], add_special_tokens=False).ids
    model = Model(options.base)
    near = model.embed([q["ids"] for q in questions]) @ model.embed(
        [p["title_ids"] + p["ids"] for p in passages]).T
    nearest = numpy.argsort(-near, 1)[:, :24]

    plan = batches(questions, passages, options.passes)
    optimiser = torch.optim.Adam(model.adapter.values(), lr=options.rate, betas=(0.9, 0.98))
    losses = []
    for step, batch in enumerate(plan):
        pairs = []
        for i in batch:
            titled = random.random() < 0.6  # passages of untitled documents must do, too
            for c in choices(questions[i], nearest[i], passages):
                p = passages[c]
                pairs.append(pair(questions[i]["ids"],
                                  (p["title_ids"] if titled else []) + p["ids"]))
        scores = model.score(*pack(pairs)).view(-1, CHOICES)
        loss = -F.log_softmax(scores, -1)[:, 0].mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.adapter.values(), 1.0)
        for group in optimiser.param_groups:
            group["lr"] = options.rate * min(1, (step + 1) / 60) * max(0.02, 1 - step / len(plan))
        optimiser.step()
        losses.append(loss.item())
        if step % 25 == 24:
            print(f"{step + 1} of {len(plan)}  loss {numpy.mean(losses[-50:]):.4f}", flush=True)
    save_file({name: w.detach().numpy().astype(
        numpy.float32 if name.startswith("head.") else numpy.float16)
        for name, w in model.adapter.items()}, options.out)


if __name__ == "__main__":
    main()
