#!/usr/bin/env bash
# What the command line says of itself: lesson, help, usage errors, version.
set -u
cd "$(dirname "$0")/../.." || exit 1
sealane=$(realpath "${SEALANE:-build/release/control/cli/sealane}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
export HOME=$folder
passed=0
failed=0

# check WHAT CODE STREAM WORD... -- ARGUMENT...: exit code; every word on the stream (out, err), nothing on the other.
check() {
	local what=$1 code=$2 stream=$3 other word missing="" is
	local words=()
	shift 3
	while [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	shift
	"$sealane" "$@" >out 2>err </dev/null
	is=$?
	for word in "${words[@]}"; do
		grep -qF -- "$word" "$stream" || missing="$missing '$word'"
	done
	[ "$stream" = out ] && other=err || other=out
	if [ "$is" -eq "$code" ] && [ -z "$missing" ] && [ ! -s "$other" ]; then
		passed=$((passed + 1))
		echo "ok    $what"
	else
		failed=$((failed + 1))
		echo "FAIL  $what: exit code $is (not $code?), without:$missing"
		sed 's/^/      /' out err
	fi
}

check "no argument teaches" 0 out "purposes.yaml" "contract.yaml" "job.yaml" "sealane batch run" "sealane open" "sealane help VERB" --
check "--help teaches" 0 out "sealane batch run" -- --help
check "-h teaches" 0 out "sealane batch run" -- -h
check "help teaches" 0 out "sealane batch run" -- help
check "help batch" 0 out "usage: sealane batch run JOB" "--input" "--output-dir" "--vault" "--root-key" "--max-bad" "-j N" "-o text|json" "Exit codes" -- help batch
check "batch --help" 0 out "usage: sealane batch run JOB" -- batch --help
check "batch run --help" 0 out "usage: sealane batch run JOB" -- batch run --help
check "batch run JOB --help" 0 out "usage: sealane batch run JOB" -- batch run job.yaml --help
check "help open" 0 out "usage: sealane open FILE" "--keys" "--vault" "--purposes" "--output" -- help open
check "open --help" 0 out "usage: sealane open FILE" -- open --help
check "help validate" 0 out "usage: sealane validate contract FILE" "--sample" -- help validate
check "help explain" 0 out "usage: sealane explain contract FILE" "--event" -- help explain
check "help send" 0 out "usage: sealane send FILE" "--to" "--key" "--stream" "--timeout" "Exit codes" -- help send
check "send nothing" 2 err "which file?" "usage: sealane send" -- send --to localhost:1 --key key
check "send two files" 2 err "one file at a time" -- send a b --to localhost:1 --key key
check "send nowhere" 2 err "where to?" -- send a --key key
check "send as nobody" 2 err "as which client?" -- send a --to localhost:1
check "send to no port" 2 err "HOST:PORT" -- send a --to localhost --key key
check "send to an address without brackets" 2 err "[ADDRESS]:PORT" -- send a --to ::1:5 --key key
check "send with no patience" 2 err "seconds from 1" -- send a --to localhost:1 --key key --timeout 0
check "send as a client without a file" 5 err "can not be opened" "create client" -- send a --to localhost:1 --key none
check "help version" 0 out "usage: sealane version" -- help version
check "help of nothing" 2 err "no command \"nothing\"" -- help nothing
check "version" 0 out "sealane " "cipher: " "parser: " -- version
check "--version" 0 out "sealane " -- --version
check "version of something" 2 err "usage: sealane version" -- version 2
check "an unknown command" 2 err "no command \"seal\"" "sealane help" -- seal
check "an unknown option" 2 err "sealane help" -- --colour
check "an empty command" 2 err "no command" -- ""
check "batch what" 2 err "batch what?" "usage: sealane batch run" -- batch
check "batch walk" 2 err "\"walk\" is nothing to batch" "usage: sealane batch run" -- batch walk
check "batch run without a job" 2 err "which job?" "usage:" -- batch run
check "batch run with two jobs" 2 err "one job" "usage:" -- batch run a b
check "batch run with an unknown option" 2 err "colour" "usage:" -- batch run a --colour
check "batch run with an option without value" 2 err "--vault" "usage:" -- batch run a --vault
check "batch run -j 0" 2 err "-j" "1 to" "usage:" -- batch run a -j 0
check "batch run -j 1000000" 2 err "-j" "usage:" -- batch run a -j 1000000
check "batch run -o xml" 2 err "text or json" "xml" "usage:" -- batch run a -o xml
check "batch run --max-bad some" 2 err "--max-bad" "some" "usage:" -- batch run a --max-bad some
check "batch run of a job that is not there" 3 err "nowhere.yaml" -- batch run nowhere.yaml
check "open without a file" 2 err "usage: sealane open" -- open
check "open without keys" 2 err "--keys" "--vault" "usage: sealane open" -- open a
check "open with keys and vault" 2 err "usage: sealane open" -- open a --keys k --vault v
check "open with wrong purposes" 2 err "--purposes" "usage: sealane open" -- open a --keys k --purposes one
check "open with purpose 64" 2 err "--purposes" -- open a --keys k --purposes 64
check "open with a keys file that is not there" 1 err "nokeys.csv" -- open a --keys nokeys.csv
check "open with a vault that is not there" 5 err "novault" "no vault" -- open a --vault novault
check "validate what" 2 err "validate what?" "usage: sealane validate contract" -- validate
check "validate contract without a file" 2 err "usage: sealane validate contract" -- validate contract
check "validate a contract that is not there" 3 err "nowhere.yaml" -- validate contract nowhere.yaml
check "explain contract without a file" 2 err "usage: sealane explain contract" -- explain contract
check "explain a contract that is not there" 3 err "nowhere.yaml" -- explain contract nowhere.yaml
check "validate streams without a directory" 2 err "which directory?" "usage: sealane validate streams" -- validate streams
check "validate streams of a directory that is not there" 3 err "nowhere" -- validate streams nowhere
check "help apply" 0 out "usage: sealane apply -f DIR" "Exit codes" -- help apply
check "apply without a directory" 2 err "-f DIR" "usage: sealane apply" -- apply
check "apply of something" 2 err "-f DIR" -- apply x
check "help status" 0 out "usage: sealane status" "json" -- help status
check "status of something" 2 err "usage: sealane status" -- status x
check "status -o xml" 2 err "usage: sealane status" -- status -o xml
check "help top" 0 out "usage: sealane top" "--interval" -- help top
check "top every 0 seconds" 2 err "usage: sealane top" -- top --interval 0
check "help stop" 0 out "usage: sealane stop" "--dataplane" -- help stop
check "stop something" 2 err "can not be stopped" -- stop control
check "create what" 2 err "create what?" "usage: sealane create client" -- create
check "create a client without streams" 2 err "--streams" -- create client a -f .
check "create a client of another name" 2 err "letters, digits" -- create client a/b --streams s -f .
check "status by a configuration that is not there" 3 err "nowhere.yaml" -- status -c nowhere.yaml
# Nothing of this made anything.
rm -f out err
if [ -z "$(ls -A "$folder")" ]; then
	passed=$((passed + 1))
	echo "ok    no usage error leaves a file"
else
	failed=$((failed + 1))
	echo "FAIL  there are files: $(ls -A "$folder")"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
