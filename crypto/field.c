#include "crypto/field.h"

bool field_path_init(struct view path, struct field_path *ret_path)
{
	if (path.size == 0 || path.size > FIELD_PATH_MAX)
		return false;
	*ret_path = (struct field_path){
		.block_count = (uint32_t)((2 + path.size + 15) / 16),
		.size = (uint32_t)path.size,
	};
	ret_path->block[0] = (uint8_t)(path.size >> 8);
	ret_path->block[1] = (uint8_t)path.size;
	memcpy(ret_path->block + 2, path.bytes, path.size);
	return true;
}
