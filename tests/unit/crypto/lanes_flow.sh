#!/bin/sh
# Secrets of the lanes live in vector registers. In the machine code of every level, no instruction of mac, seal, open
# and derive moves a vector register to a general one, to the flags or into an address: so no branch and no
# address there depends on a secret by way of a register. (By way of memory: lanes_secrets_test.c.)
#
# usage: lanes_flow.sh liblanes_LEVEL.a…
set -eu

to_general='v?movd|v?movq|v?pextr[bwdq]|v?extractps|v?pmovmskb|v?movmskp[sd]|kmov[bwdq]|v?cvtt?s[sd]2si'
to_flags='v?ptest|vtestp[sd]|k?ortest[bwdq]|ktest[bwdq]|v?u?comis[sd]|v?pcmp[ei]str[im]'
to_address='v?p?gather[a-z]*|v?p?scatter[a-z]*|v?maskmovdqu'
checked=0
for library in "$@"; do
	for function in mac seal open derive; do
		code=$(objdump -d --no-show-raw-insn --disassemble="$function" "$library" | grep -P '^\s+[0-9a-f]+:\t')
		if ! echo "$code" | grep -qP '\tv?aesenclast\b'; then
			echo "$library: $function has no AES in it: not looked at what was meant" >&2
			exit 1
		fi
		# AT&T syntax: the destination comes last.
		if echo "$code" | grep -P "\t($to_general)\s.*,%[er][a-z0-9]+\s*$|\t($to_flags)\s|\t($to_address)\s"; then
			echo "$library: $function: the above brings a vector's content out of it" >&2
			exit 1
		fi
		checked=$((checked + 1))
	done
done
echo "$checked functions"
test "$checked" -ne 0
