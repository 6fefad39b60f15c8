"""Writes src/model/tokenizer/unicode_data.cc: the Unicode properties the tokenizers depend on.

usage: make_unicode_tables.py DIR_15_1 DIR_16 DIR_17 > src/model/tokenizer/unicode_data.cc

Each DIR holds the `unicodedata2` package of that Unicode version (pip install --target DIR
unicodedata2==15.1.0, ...); the ages up to 8.0 come from perl (Present_In). The tables hold the
categories of 17.0 with the version in which a code point was assigned, so that one table answers
for Unicode 8.0, 15.1, 16.0 and 17.0. The few code points whose coarse category changed are
exceptions,
which unicode_tables.cc names; this script fails when there are others.
"""

import json
import subprocess
import sys
import tempfile

COARSE = {"L": 1, "M": 2, "N": 3, "P": 4, "S": 5, "Z": 6}
FINE = {"Mn": 7, "Cc": 8, "Cf": 9, "Co": 10, "Cs": 11}  # kept apart from their group
ALLOWED_CHANGES = {0x166D, 0x111C9, 0x1734, 0x1171E}


def ask(folder, code):
    return json.loads(
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": folder},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
    )


def categories(folder):
    return ask(
        folder,
        "import unicodedata2 as u,json;print(json.dumps([u.category(chr(c)) "
        "for c in range(0x110000)]))",
    )


def coarse(g):
    return 0 if g == "Cn" else FINE.get(g) or COARSE[g[0]]


def main():
    c15, c16, c17 = (categories(d) for d in sys.argv[1:4])
    old = subprocess.run(
        ["perl", "-e", "for (0..0x10ffff) { print chr($_) =~ /\\p{Present_In: 8.0}/ ? 1 : 0 }"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    rows = []
    for c in range(0x110000):
        g = coarse(c17[c])
        age = 0 if old[c] == "1" and g else 1 if c15[c] != "Cn" else 2 if c16[c] != "Cn" else 3
        for v, table in ((1, c15), (2, c16)):
            if g and age <= v and coarse(table[c]) != g and c not in ALLOWED_CHANGES:
                sys.exit(f"category of U+{c:04X} changed: {table[c]} to {c17[c]}")
        value = (age << 4 | g) if g else 0
        if not rows or rows[-1][1] != value:
            rows.append((c, value))
    lower = lower_map()
    runs = []  # start, count, stride, delta
    for c, to in lower:
        if runs:
            s, n, stride, delta = runs[-1]
            last = s + (n - 1) * stride
            if to - c == delta and (
                n == 1 and c - last in (1, 2) or n > 1 and c - last == stride
            ):
                runs[-1] = (s, n + 1, c - last if n == 1 else stride, delta)
                continue
        runs.append((c, 1, 1, to - c))
    print(
        "// Written by tests/peers/make_unicode_tables.py from the Unicode Character Database. "
        "Do not edit."
    )
    print('#include "model/tokenizer/unicode_tables.h"\n\nnamespace weir::model {\n')
    emit("kCategoryRows", "uint32_t", [f"0x{c << 8 | v:08x}" for c, v in rows])
    emit("kLowerRuns", "LowerRun", ["{0x%x, %d, %d, %d}" % r for r in runs])
    print("}  // namespace weir::model")


def emit(name, kind, items):
    print(f"const {kind} {name}[] = {{")
    line = "   "
    for item in items:
        if len(line) + len(item) + 2 > 100:
            print(line)
            line = "   "
        line += f" {item},"
    print(line)
    print(f"}};\nconst int {name}Count = {len(items)};\n")


def lower_map():
    """Simple lower-case mappings, from rustc's standard library (Unicode 17.0)."""
    with tempfile.TemporaryDirectory() as work:
        with open(work + "/low.rs", "w") as f:
            f.write(
                "fn main(){for c in 0..0x110000u32{if let Some(x)=char::from_u32(c){"
                "let l:Vec<char>="
                'x.to_lowercase().collect();if l[0]!=x{println!("{} {}",c,l[0] as u32)}}}}'
            )
        subprocess.run(["rustc", "-o", work + "/low", work + "/low.rs"], check=True)
        out = subprocess.run([work + "/low"], capture_output=True, check=True, text=True).stdout
    return [tuple(map(int, line.split())) for line in out.splitlines()]


main()
