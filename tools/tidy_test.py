#!/usr/bin/env python3
"""Tests of tools/tidy: for each rule a sample that fails and one that passes."""
import importlib.machinery
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import unittest

TIDY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tidy")
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("tidy", TIDY)
tidy = importlib.util.module_from_spec(importlib.util.spec_from_loader("tidy", loader))
loader.exec_module(tidy)

CARD = "".join(f"// {label}: text\n" for label in tidy.CARD_LABELS)
CARD = CARD.replace("Technique: text", "Technique: bm-25").replace(
    "Measured by: text", "Measured by: weir bench search")
TECHNIQUE = {
    "src/index/CMakeLists.txt": "weir_room(index ROOMS base)\nweir_technique(bm-25 Codec)\n",
    "src/index/README.md": "# index\n",
    "src/index/bm_25.h": CARD,
    "src/index/bm_25.cc": '#include "index/bm_25.h"\n',
    "src/index/bm_25_test.cc": "TEST(Bm25, Sorts) {}\n",
    "src/cli/CMakeLists.txt": "weir_room(cli)\n",
    "src/cli/README.md": "# cli\n",
    "src/cli/bench.cc": 'auto verb = "bench"; auto what = "search";\n',
}


def changed(path, old, new):
    files = dict(TECHNIQUE)
    files[path] = files[path].replace(old, new)
    return files


def without(path):
    return {name: text for name, text in TECHNIQUE.items() if name != path}


def function_of(lines, mark=""):
    return f"void F() {{{mark}\n" + "  Step();\n" * (lines - 2) + "}\n"


# rule: (files that must fail with it, and where "path:line"; files that must pass it)
SAMPLES = {
    "floors": [
        ({"src/index/a.cc": '#include <x>\n#include "model/gguf.h"\n'}, "src/index/a.cc:2",
         {"src/index/a.cc": '#include "text/records.h"\n#include "index/b.h"\n'
                            '// #include "model/gguf.h"\n'}),
        ({"src/tensor/a.h": '#include "text/records.h"\n'}, "src/tensor/a.h:1",
         {"src/tensor/a.h": '#include "base/status.h"\n'}),
        ({"src/attic/a.cc": ""}, "src/attic/a.cc:1", {"python/attic/a.cc": ""}),
    ],
    "rooms": [
        ({"src/text/CMakeLists.txt": "weir_room(text ROOMS base tensor LIBS x)",
          "src/text/README.md": "# t\n"}, "src/text/CMakeLists.txt:1",
         {"src/text/CMakeLists.txt": "weir_room(text ROOMS base LIBS tensor)",
          "src/text/README.md": "# t\n"}),
        ({"src/model/CMakeLists.txt": "weir_room(model ROOMS base)", "src/model/README.md": "# m\n",
          "src/model/a.cc": '\n#include "text/unicode.h"\n'}, "src/model/a.cc:2",
         {"src/model/CMakeLists.txt": "weir_room(model\n  ROOMS base text)",
          "src/model/README.md": "# m\n", "src/model/a.cc": '#include "text/unicode.h"\n'}),
        ({"src/text/CMakeLists.txt": "weir_room(text)"}, "src/text/CMakeLists.txt:1",
         {"src/text/CMakeLists.txt": "weir_room(text)", "src/text/README.md": "# t\n"}),
    ],
    "card": [
        (changed("src/index/bm_25.h", "// Cost: text\n", ""), "src/index/bm_25.h:1", TECHNIQUE),
        (changed("src/index/bm_25.h", "bm-25", "bm-26"), "src/index/bm_25.h:1", TECHNIQUE),
        (without("src/index/bm_25.cc"), "src/index/CMakeLists.txt:2", TECHNIQUE),
        (without("src/index/bm_25_test.cc"), "src/index/bm_25.h:1", TECHNIQUE),
        (changed("src/index/bm_25.h", "Checked by: text", "Checked by: Bm25.Sings"),
         "src/index/bm_25.h:1",
         changed("src/index/bm_25.h", "Checked by: text", "Checked by: Bm25.Sorts")),
        (changed("src/index/bm_25.h", "weir bench", "weir race"), "src/index/bm_25.h:1",
         {**changed("src/index/bm_25.h", "weir bench", "weir race"),
          "src/index/bm_25_bench.cc": ""}),
        (changed("src/index/bm_25.h", "bench search", "bench swim"), "src/index/bm_25.h:1",
         TECHNIQUE),
    ],
    "columns": [
        ({"src/base/a.cc": "\n// " + "x" * 98 + "\n"}, "src/base/a.cc:2",
         {"src/base/a.cc": 'auto s = R"(' + "x" * 100 + ')";\n// ' + "ß" * 97 + "\n// https://" + "x" * 100 + "\n"}),
    ],
    "file-length": [
        ({"src/base/a.cc": "\n" * 801}, "src/base/a.cc:1", {"src/base/a.cc": "\n" * 800}),
    ],
    "function-length": [
        ({"src/base/a.cc": "\n" + function_of(71)}, "src/base/a.cc:2",
         {"src/base/a.cc": function_of(70) + "\n" + function_of(70)}),
        ({"src/base/a.cc": function_of(121, "  // long: a table")}, "src/base/a.cc:1",
         {"src/base/a.cc": function_of(120, "  // long: a table")}),
        ({"src/base/a.cc": "class A : B {\n  A() : a_(1) {}\n" + function_of(80) + "};\n"},
         "src/base/a.cc:3",
         {"src/base/a.cc": "namespace a {\nclass A {\n" + "  int a;\n" * 80 + "};\n}\n"}),
        ({"src/base/a.cc": "template <class T>\nstd::vector<T> F(int a,\n    int b) const {\n"
                           + "  if (x) {\n  }\n" * 40 + "}\n"}, "src/base/a.cc:1",
         {"src/base/a.cc": "constexpr int kTable[] = {\n" + "  F(1),\n" * 90 + "};\n"}),
        ({"tools/a.py": "def f():\n" + "    x = 1\n" * 70}, "tools/a.py:1",
         {"tools/a.py": "def f():\n" + "    x = 1\n" * 69}),
    ],
    "bans": [
        ({"src/text/a.cc": "\nvoid F() { throw 1; }\n"}, "src/text/a.cc:2",
         {"src/text/a_test.cc": "throw 1;\n",
          "src/text/a.cc": '// throw\nauto s = "throw"; auto r = R"(throw)";\n',
          "src/study/a.cc": "throw 1;"}),
        ({"src/text/a.cc": "void F() { delete p; }\n"}, "src/text/a.cc:1",
         {"src/text/a.cc": "A(const A&) = delete;\ndelete p;  // allowed: gumbo's arena\n",
          "src/base/a.cc": "delete p;"}),
        ({"src/text/a.cc": "p = std::malloc(3);\n"}, "src/text/a.cc:1",
         {"src/text/a.cc": "sqlite3_free(p); U<char, F> u(p, std::free);\n"}),
        ({"src/tensor/a.cc": "_mm512_add_ps(a, b);\n"}, "src/tensor/a.cc:1",
         {"src/tensor/simd/a.h": "_mm512_add_ps(a, b);\n"}),
        ({"src/model/a.cc": 'std::getenv("X");\n'}, "src/model/a.cc:1",
         {"src/model/a_test.cc": 'std::getenv("X");\n', "src/base/a.cc": 'getenv("X");\n'}),
        ({"src/model/a.cc": "int x = rand();\n"}, "src/model/a.cc:1",
         {"src/model/a.cc": "int x = context.rand();\n"}),
        ({"src/model/a.cc": 'std::cout << 1;\n'}, "src/model/a.cc:1",
         {"src/model/a.cc": 'snprintf(b, 3, "x");\n', "src/cli/a.cc": "std::cout << 1;\n"}),
        ({"src/model/a.cc": 'printf("x");\n'}, "src/model/a.cc:1",
         {"src/model/a_bench.cc": 'printf("x");\n'}),
        ({"src/model/a.cc": "std::abort();\n"}, "src/model/a.cc:1",
         {"src/model/a.cc": "::_exit(1); loop.exit();\n"}),
        ({"src/model/a.h": "using namespace std;\n"}, "src/model/a.h:1",
         {"src/model/a.h": "using std::string;\n"}),
    ],
    "marked-try": [
        ({"src/text/a.cc": "\ntry {\n} catch (...) {}\n"}, "src/text/a.cc:2",
         {"src/text/a.cc": "try {  // library throws\n} catch (...) {}\n"
                           "// library throws: json\ntry { } catch (...) {}\n"}),
    ],
    "owned-new": [
        ({"src/text/a.cc": "\nauto* p = new int;\n"}, "src/text/a.cc:2",
         {"src/text/a.cc": "#include <new>\n// allowed: never freed\np.store(new A);\n"
                           "std::unique_ptr<A> p(new A);\nauto q = absl::WrapUnique(new A(1));\n"
                           "std::shared_ptr<const A>(new A);\nstatic const auto& t = *new T;\n",
          "src/tensor/a.cc": "auto* p = new int;\n"}),
    ],
    "names": [
        ({"src/text/string_utils.h": ""}, "src/text/string_utils.h:1",
         {"src/text/utility_function.h": "", "tests/data/common/a.txt": ""}),
        ({"src/base/common/a.cc": ""}, "src/base/common/a.cc:1", {"src/base/uncommon.cc": ""}),
        ({"docs/Manager.md": "# x\n"}, "docs/Manager.md:1", {"docs/managing.md": "# x\n"}),
    ],
    "dead-file": [
        ({"src/base/a.h": ""}, "src/base/a.h:1",
         {"src/base/a.h": "", "src/base/a.cc": '#include "base/a.h"\n',
          "src/base/CMakeLists.txt": "weir_room(base)"}),
        ({"fuzz/a.cc": ""}, "fuzz/a.cc:1",
         {"fuzz/a.cc": "", "fuzz/CMakeLists.txt": "add_executable(a a.cc)"}),
        ({"src/base/a.cc": ""}, "src/base/a.cc:1",
         {"src/base/a.cc": "", "src/base/CMakeLists.txt": "weir_room(base)"}),
    ],
    "dead-link": [
        ({"docs/a.md": "# a\n[x](b.md#part)\n"}, "docs/a.md:2",
         {"docs/a.md": "# a\n[x](b.md#part) [y](../src) [z](https://a.b/c.md) [w](#here)\n"
                       "`[x](no.md)`\n```\n[x](no.md)\n```\n",
          "docs/b.md": "# b\n", "src/base/a.txt": ""}),
    ],
    "quotation": [
        ({"docs/a.md": "# a\n<!-- quoted: x.h -->\n```cpp\nint a;\n...\nint c;\n```\n",
          "x.h": "int c;\nint b;\nint a;\n"}, "docs/a.md:2",
         {"docs/a.md": "# a\n<!-- quoted: x.h -->\n```cpp\nint a;\n...\nint c;\n```\n",
          "x.h": "int a;\nint b;\nint c;\n"}),
        ({"docs/a.md": "# a\n<!-- quoted: x.h -->\n\n```\nint a;\n```\n"}, "docs/a.md:2",
         {"docs/a.md": "# a\n```\nint a;\n```\n"}),
    ],
    "title": [
        ({"docs/a.md": "# a\n\n# b\n"}, "docs/a.md:3",
         {"docs/a.md": "# a\n\n## b\n```sh\n# comment\n```\n"}),
        ({"docs/a.md": "text\n"}, "docs/a.md:1", {"samples/a.md": "text\n"}),
    ],
    "data-source": [
        ({"tests/data/cats/a.txt": "miaow"}, "tests/data/cats:1",
         {"tests/data/cats/a.txt": "miaow", "tests/data/README.md": "# d\ncats: CC0\n"}),
        ({"tests/data/cats/a.txt": "miaow"}, "tests/data/cats:1",
         {"tests/data/cats/a.txt": "miaow", "tests/data/cats/README.md": "# cats\n"}),
    ],
    "words": [
        ({"src/base/a.cc": "\n// TO" + "DO: more\n"}, "src/base/a.cc:2",
         {"src/base/a.cc": "// TO" + "DO(#12): more\n"}),
        ({"docs/a.md": "# a\nhttps://py" + "pi.org/x\n"}, "docs/a.md:2",
         {"docs/a.md": "# a\nhttps://example.org/x\n"}),
        ({"tests/run": "x=.." + "/shared/data\n"}, "tests/run:1",
         {".ci/run": "x=.." + "/shared/data\n"}),
    ],
}


def findings(files):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write(text)
        return tidy.check(root)


class TidyTest(unittest.TestCase):
    def test_every_rule_has_samples(self):
        self.assertEqual({each.__name__.replace("_", "-") for each in tidy.RULES}, set(SAMPLES))

    def test_samples(self):
        for name, samples in SAMPLES.items():
            for number, (bad, place, good) in enumerate(samples):
                with self.subTest(rule=name, sample=number):
                    places = {f"{path}:{line}" for path, line, rule, _ in findings(bad)
                              if rule == name}
                    self.assertEqual(places, {place})
                    self.assertEqual([row for row in findings(good) if row[2] == name], [])

    def test_every_ban_has_a_failing_sample(self):
        for pattern, message, _ in tidy.BANS:
            hit = any(message == row[3] for bad, _, _ in SAMPLES["bans"] for row in findings(bad))
            self.assertTrue(hit, pattern)

    def test_table_of_rooms_is_on_floors(self):
        placed = [room for floor in tidy.FLOORS for room in floor]
        self.assertEqual(sorted(placed), sorted(tidy.MAY_INCLUDE))
        self.assertEqual(len(placed), len(set(placed)))

    def test_upward_entries_of_the_table_are_found(self):
        kept = tidy.MAY_INCLUDE["tensor"]
        tidy.MAY_INCLUDE["tensor"] = "base text"
        try:
            self.assertTrue(any("not on a lower floor" in row[3] for row in findings({})))
        finally:
            tidy.MAY_INCLUDE["tensor"] = kept

    def test_strip_keeps_lines(self):
        text = 'a /* b\n c */ "d\\"e" R"x(f\n)")x" 1\'000 \'{\' // g\n#include "h.h"\n'
        code = tidy.strip_code(text)
        self.assertEqual(code.count("\n"), text.count("\n"))
        for letter in "bcdefg{":
            self.assertNotIn(letter, code.split("#")[0])
        self.assertIn('"h.h"', code)
        self.assertIn("1'000", code)

    def test_card_lines_continue(self):
        card = tidy.read_card("// Source: a\n//   b\n// Checked by: X.Y   Measured by: weir"
                              " bench z\n#pragma once\n// Idea: late\n")
        self.assertEqual(card, {"Source": "a b", "Checked by": "X.Y",
                                "Measured by": "weir bench z"})

    def test_exit_codes_and_format(self):
        with tempfile.TemporaryDirectory() as root:
            run = [sys.executable, TIDY, root]
            self.assertEqual(subprocess.run(run, capture_output=True, check=False).returncode, 0)
            with open(os.path.join(root, "a.md"), "w", encoding="utf-8") as file:
                file.write("no title\n")
            ran = subprocess.run(run, capture_output=True, check=False, text=True)
            self.assertEqual(ran.returncode, 1)
            self.assertTrue(re.fullmatch(r"a\.md:1: title: .*\n", ran.stdout), ran.stdout)


if __name__ == "__main__":
    unittest.main()
