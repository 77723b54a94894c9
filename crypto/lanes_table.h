// End of the body of lanes_avx512.c, lanes_avx2.c and lanes_sse.c.

const struct lanes_level LEVEL_TABLE = {
	.name = LEVEL_NAME,
	.width = GROUPS * VEC_LANES,
	.text_max = TEXT_MAX,
	.fill = fill,
	.mac = mac,
	.seal = seal,
	.open = open,
	.derive = derive,
	.text = text,
	.seal_fields = seal_fields,
	.open_fields = open_fields,
	.wipe_registers = wipe_registers,
};
