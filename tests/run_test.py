#!/usr/bin/env python3
"""Tests of tests/run with a stand-in for the binary."""
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run")
loader = importlib.machinery.SourceFileLoader("run", RUN)
run = importlib.util.module_from_spec(importlib.util.spec_from_loader("run", loader))
sys.modules["run"] = run  # dataclasses look the module up
loader.exec_module(run)

HEAD = "name: n\nabout: a\n"


class RunTest(unittest.TestCase):
    def outcome(self, text, environment=None):
        with tempfile.TemporaryDirectory() as folder:
            weir = os.path.join(folder, "weir")
            with open(weir, "w", encoding="utf-8") as file:
                file.write("#!/bin/bash\nprintf '%s\\n' \"$@\"; echo talk >&2; exit ${#1}\n")
            os.chmod(weir, 0o755)
            path = os.path.join(folder, "a.test")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            before = dict(os.environ)
            os.environ.update(environment or {})
            try:
                return run.run_test(path, folder, False)
            finally:
                os.environ.clear()
                os.environ.update(before)

    def passes(self, body, head=HEAD):
        self.assertEqual(self.outcome(head + body)[0], "passed", self.outcome(head + body)[1])

    def fails(self, body, why, head=HEAD):
        outcome, text = self.outcome(head + body)
        self.assertEqual(outcome, "failed")
        self.assertIn(why, text)

    def test_stdout_lines(self):
        self.passes("$ weir '' a b\n\na\nb\n? 0\n")
        self.fails("$ weir '' a b\n\na\nc\n", "expected  c")
        self.fails("$ weir '' a b\n\na\n", "more output than expected: b")
        self.fails("$ weir '' a\n\na\nb\n", "(end of output)")

    def test_patterns(self):
        self.passes("$ echo abc 12\n/[a-c]+ \\d+/\n")
        self.fails("$ echo abc 12\n/[a-c]+/\n", "expected  /[a-c]+/")
        self.passes("$ seq 9\n1\n...\n5\n...\n9\n")
        self.passes("$ seq 3\n...\n")
        self.passes("$ true\n...\n")
        self.passes("$ printf 'a\\nb\\na\\nc\\n'\n...\na\nc\n")  # not the first a
        self.fails("$ seq 9\n1\n...\n5\n", "more output")

    def test_exit_codes(self):
        self.passes("$ weir 12\n12\n? 2\n")
        self.fails("$ weir 12\n12\n", "exit code 2; expected 0")
        self.fails("$ true\n? 1\n", "exit code 0; expected 1")

    def test_stderr(self):
        self.passes("$ weir ''\n\n! talk\n")
        self.fails("$ weir ''\n\n! shout\n", "stderr lacks  shout")
        self.fails("$ weir ''\n\n! talk\n! talk\n", "stderr lacks  talk")

    def test_steps_share_a_folder_and_go_on(self):
        self.passes("$ echo hi \\\n    there > $TMP/a\n$ cat $TMP/a\nhi there\n# a remark\n")
        self.passes("$ cat <<END\n> a $\n>  b\n> END\na $\n b\n")
        self.fails("$ true\n$ false\n", "a.test:4: $ false")

    def test_timeout(self):
        self.fails("$ sleep 5\n", "not done after 0.1 s", HEAD + "timeout: 0.1\n")

    def test_needs(self):
        self.assertEqual(self.outcome(HEAD + "needs: tool no-such-tool\n$ false\n")[0], "skipped")
        self.assertEqual(self.outcome(HEAD + "needs: data x\n$ false\n", {"WEIR_DATA": "/none"})[0],
                         "skipped")
        self.assertEqual(self.outcome(HEAD + "needs: data tmp\n$ true\n", {"WEIR_DATA": "/"})[0],
                         "passed")
        outcome, _ = self.outcome(HEAD + "needs: model x\n$ false\n", {"WEIR_HOME": "/none"})
        self.assertEqual(outcome, "skipped")
        self.passes("$ true\n", HEAD + "needs: tool bash, tool sh\n")
        self.fails("$ true\n", "unknown need", HEAD + "needs: luck\n")

    def test_environment(self):
        body = "$ echo \"${WEIR_TOP_K:-unset} $LC_ALL\"\nunset C.UTF-8\n"
        outcome, text = self.outcome(HEAD + body, {"WEIR_TOP_K": "5"})
        self.assertEqual(outcome, "passed", text)

    def test_bad_files(self):
        self.fails("", "there is no command")
        self.fails("$ true\n", "no 'about:'", "name: n\n")
        self.fails("what\n$ true\n", "line 3")

    def test_command_line(self):
        with tempfile.TemporaryDirectory() as folder:
            good, bad = os.path.join(folder, "a.test"), os.path.join(folder, "b.test")
            for path, command in ((good, "true"), (bad, "false")):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(HEAD + f"$ {command}\n")
            ran = subprocess.run([sys.executable, RUN, good, bad], capture_output=True, text=True,
                                 check=False)
            self.assertEqual(ran.returncode, 1)
            self.assertTrue(ran.stdout.endswith("1 passed, 1 failed, 0 skipped\n"), ran.stdout)
            ran = subprocess.run([sys.executable, RUN, good], capture_output=True, check=False)
            self.assertEqual(ran.returncode, 0)


if __name__ == "__main__":
    unittest.main()
