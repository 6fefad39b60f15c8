#!/bin/bash
# Makes prompts.jsonl anew, from the root of the repository: tests/data/cited/make.sh [WEIR]
# Every fourth answerable question of dev.jsonl over the documents it was written for.
set -euo pipefail
weir=${1:-build/release/weir}
store=$(mktemp -d)
trap 'rm -rf "$store"' EXIT
"$weir" index --store "$store/.weir" tests/data/dev-docs >&2
python3 - <<'PICK' | while IFS= read -r question; do
import json
lines = map(json.loads, open("tests/data/questions/dev.jsonl"))
for line in [line for line in lines if line["answerable"]][::4]:
    print(line["question"])
PICK
  "$weir" ask --store "$store/.weir" --model smollm2-135m --show-prompt "$question" < /dev/null
done > tests/data/cited/prompts.jsonl
