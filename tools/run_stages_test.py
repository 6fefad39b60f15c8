#!/usr/bin/env python3
"""Tests of how tools/run_stages counts: what a runner printed must not be lost or invented."""
import importlib.machinery
import importlib.util
import os
import sys
import unittest

sys.dont_write_bytecode = True
PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run_stages")
loader = importlib.machinery.SourceFileLoader("run_stages", PATH)
stages = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_stages", loader))
loader.exec_module(stages)


def counts(result):
    return result.passed, result.failed, result.skipped


class RunStagesTest(unittest.TestCase):
    def test_gtest(self):
        self.assertEqual(counts(stages.gtest_result(0, "[  PASSED  ] 61 tests.\n")), (61, 0, 0))
        self.assertEqual(counts(stages.gtest_result(
            0, "[  PASSED  ] 60 tests.\n[  SKIPPED ] 1 test, listed below:\n")), (60, 0, 1))
        result = stages.gtest_result(1, "[  FAILED  ] A.B (3 ms)\n[  PASSED  ] 61 tests.\n"
                                        "[  FAILED  ] 1 test, listed below:\n[  FAILED  ] A.B\n")
        self.assertEqual(counts(result), (61, 1, 0))
        self.assertEqual(result.notes, ["    failed: A.B"])

    def test_a_crash_is_a_failure(self):
        self.assertEqual(counts(stages.gtest_result(-11, "[ RUN      ] A.B\n")), (0, 1, 0))

    def test_unittest(self):
        self.assertEqual(counts(stages.unittest_result(0, "..\nRan 8 tests in 1s\n\nOK\n")),
                         (8, 0, 0))
        self.assertEqual(counts(stages.unittest_result(
            1, "Ran 8 tests in 1s\n\nFAILED (failures=1, errors=2)\n")), (5, 3, 0))
        self.assertEqual(counts(stages.unittest_result(1, "SyntaxError\n")), (0, 1, 0))

    def test_ctest(self):
        output = ("1: [  PASSED  ] 61 tests.\n2: [  PASSED  ] 3 tests.\n"
                  "1/3 Test #1: base .............................   Passed   42.81 sec\n"
                  " 2/3 Test #2: text ...***Failed    1.00 sec\n3: loading\n"
                  " 3/3 Test  #3: index ...***Exception: SegFault  0.10 sec\n")
        self.assertEqual(counts(stages.unit_result(output)), (64, 2, 0))
        self.assertEqual(counts(stages.unit_result("no such folder\n")), (0, 1, 0))

    def test_every_fuzz_target_has_a_place(self):
        names = [stem for stem, _ in stages.fuzzers()]
        self.assertEqual(len(names), len(set(names)))
        self.assertTrue(all(name.endswith("_fuzz") for name in names))


if __name__ == "__main__":
    unittest.main()
