#!/usr/bin/env bash
# What the guides show works: files and commands are taken out of the pages and run, page by page, in an empty folder.
# usage: docs_test.sh [SEALANE]      default: build/release/control/cli/sealane
#
# In a page, ```KIND file=NAME is a file, ```sh test is run (all of a page's in one shell, stopping at the first failure),
# ```text output is what the block before it must print, line for line.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
sealane=$(realpath "${1:-$root/build/release/control/cli/sealane}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
ln -s "$sealane" "$work/bin/sealane"

# An environment with Tink, as the conformance tests have it.
venv=${XDG_CACHE_HOME:-$HOME/.cache}/sealane/venv
# One that was left half made is made anew.
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || python3 -m venv --clear "$venv"
"$venv/bin/python" -c 'import tink' 2>/dev/null || "$venv/bin/python" -m pip -q --retries 10 install tink==1.16.0

for page in README.md docs/guides/first-job.md docs/guides/operate.md; do
	folder=$work/$(basename "$page" .md)
	mkdir "$folder"
	ln -s "$venv" "$folder/venv"
	ln -s "$root/docs" "$folder/docs"
	ln -s "$root/tests" "$folder/tests"
	python3 - "$root/$page" "$folder" <<'PY'
import pathlib, re, sys
page, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
script = ["set -eu"]
blocks = re.findall(r"(?ms)^```(\w+) +(\S[^\n]*)\n(.*?)^```$", page.read_text(encoding="utf-8"))
for number, (kind, words, text) in enumerate(blocks):
    if words.startswith("file="):
        (folder / words[5:]).write_text(text, encoding="utf-8")
    elif words == "test":
        script.append("{ %s\n} >output-%d" % (text, number))
        script.append("cat output-%d" % number)
    elif words == "output":
        (folder / ("wanted-%d" % number)).write_text(text, encoding="utf-8")
        script.append("diff wanted-%d output-%d" % (number, number - 1))
if len(script) == 1:
    sys.exit("docs_test: %s has no block to test" % page)
(folder / "script").write_text("\n".join(script) + "\n", encoding="utf-8")
PY
	echo "== $page"
	(cd "$folder" && HOME=$folder PATH=$work/bin:$PATH bash script) || {
		echo "docs_test: a command of $page fails" >&2
		exit 1
	}
done
echo "docs_test: all pages hold"
