#!/usr/bin/env bash
# The client library as others meet it: installed into a folder, found by pkg-config, the manual page's example built as
# C99 and C++ and run against a receiver; nothing but sl_client_* is to be seen in the library.
# usage: client_test.sh [BUILD]      default: build/release
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(realpath "${1:-$root/build/release}")
work=$(mktemp -d)
receiver=
end() {
	[ -z "$receiver" ] || kill "$receiver" 2>/dev/null || true
	rm -rf "$work"
}
trap end EXIT
passed=0
ok() {
	passed=$((passed + 1))
	echo "ok    $1"
}

DESTDIR=$work/root meson install -C "$build" --no-rebuild --quiet
prefix=$(find "$work/root" -name sealane-client.pc)
export PKG_CONFIG_PATH=${prefix%/*} PKG_CONFIG_SYSROOT_DIR=$work/root
read -ra flags < <(pkg-config --cflags --libs sealane-client)
library=$(dirname "$(find "$work/root" -name libsealane-client.so)")
[ -f "$(find "$work/root" -name sealane-client.3)" ]
ok "library, header, pkg-config file and manual page are installed"

foreign=$(nm -D --defined-only "$library/libsealane-client.so" | awk '$3 !~ /^sl_client_/ && $2 != "A"')
if [ -n "$foreign" ]; then
	echo "FAIL  the library shows $foreign"
	exit 1
fi
ok "the library shows sl_client_* only"

sed -n '/^\.Bd -literal/,/^\.Ed/p' "$root/docs/man/sealane-client.3" | sed '1d;$d;s/\\e/\\/g' >"$work/example.c"
cc -std=c99 -pedantic-errors -Wall -Wextra -Werror "$work/example.c" -o "$work/example" "${flags[@]}"
ok "the example builds as C99"
printf '#include <sealane_client.h>\nint main() { sl_client_close(nullptr); }\n' >"$work/example.cc"
c++ -std=c++17 -pedantic-errors -Wall -Wextra -Werror "$work/example.cc" -o "$work/example-cc" "${flags[@]}"
LD_LIBRARY_PATH=$library "$work/example-cc"
ok "the header is C++ too"

printf 'client test\nid 0192f0c1-7d2a-7c11-9b1e-2f5a6c7d8e9f\nkey AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n' >"$work/key"
chmod 600 "$work/key"
mkfifo "$work/port"
"$build/tests/datagram_sink" 0 "$work/state" "$work/out" 5 256 "$work/key" >"$work/port" &
receiver=$!
read -r port <"$work/port"
zcat "$root/tests/data/wikipedia-edits.ndjson.gz" | head -n 5000 >"$work/in"
LD_LIBRARY_PATH=$library "$work/example" localhost "$port" "$work/key" <"$work/in"
cmp "$work/in" "$work/out"
ok "the example sends 5000 events, which are there in their order"

if LD_LIBRARY_PATH=$library "$work/example" localhost "$port" "$work/in" </dev/null 2>"$work/err"; then
	echo "FAIL  a key file that is none is taken"
	exit 1
fi
grep -q "open to others\|no key file" "$work/err"
ok "a key file that is none is told of"
echo "$passed passed, 0 failed"
