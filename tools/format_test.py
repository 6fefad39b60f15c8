#!/usr/bin/env python3
"""Tests of tools/format: comments are wrapped by paragraph, labels and tables stay apart."""
import importlib.machinery
import importlib.util
import os
import sys
import unittest

sys.dont_write_bytecode = True
FORMAT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "format")
loader = importlib.machinery.SourceFileLoader("format_", FORMAT)
fmt = importlib.util.module_from_spec(importlib.util.spec_from_loader("format_", loader))
loader.exec_module(fmt)

LONG = " ".join(["word"] * 24)  # 119 columns


class FormatTest(unittest.TestCase):
    def test_short_lines_stay(self):
        lines = ["// a", "//   b", "int x;  // c", "", "// https://" + "x" * 120]
        self.assertEqual(fmt.wrap_comments(lines), lines)

    def test_the_rest_flows_into_the_paragraph(self):
        out = fmt.wrap_comments(["  // " + LONG, "  // end of it.", "  int x;"])
        self.assertEqual(len(out), 3)
        self.assertTrue(out[1].endswith("word end of it."))
        self.assertTrue(all(len(line) <= 100 for line in out))
        self.assertEqual(" ".join(out).count("word"), 24)

    def test_labels_hang_and_stay_apart(self):
        out = fmt.wrap_comments(["// Source: " + LONG, "// Idea: short"])
        self.assertEqual(out[2], "// Idea: short")
        self.assertTrue(out[1].startswith("//   word"))

    def test_rows_of_tables_stay_apart(self):
        out = fmt.wrap_comments(["//   one   " + LONG, "//   two   x"])
        self.assertEqual(out[2], "//   two   x")

    def test_trailing_comments_move_above(self):
        out = list(fmt.lift_trailing_comments(["  int x = 1;  // " + LONG]))
        self.assertEqual(out, ["  // " + LONG, "  int x = 1;"])
        text = ['  Call("http://' + "x" * 100 + '");']
        self.assertEqual(list(fmt.lift_trailing_comments(text)), text)


if __name__ == "__main__":
    unittest.main()
