#include "control/yaml_json.h"

#include "control/number.h"

#include <stdio.h>

static enum sl_status put(struct room *r, const void *bytes, size_t size)
{
	if (room_left(r) < size)
		return SL_E_FULL;
	if (size != 0)
		room_put(r, bytes, size);
	return SL_OK;
}

static enum sl_status put_string(struct room *r, struct view text)
{
	SL_TRY(put(r, "\"", 1));
	for (size_t i = 0; i < text.size; i++) {
		uint8_t c = text.bytes[i];
		char escape[8];
		int size;

		if (c >= 0x20 && c != '"' && c != '\\') {
			SL_TRY(put(r, &c, 1));
			continue;
		}
		if (c == '"' || c == '\\')
			size = snprintf(escape, sizeof(escape), "\\%c", c);
		else if (c == '\n')
			size = snprintf(escape, sizeof(escape), "\\n");
		else if (c == '\t')
			size = snprintf(escape, sizeof(escape), "\\t");
		else if (c == '\r')
			size = snprintf(escape, sizeof(escape), "\\r");
		else if (c == '\b')
			size = snprintf(escape, sizeof(escape), "\\b");
		else if (c == '\f')
			size = snprintf(escape, sizeof(escape), "\\f");
		else
			size = snprintf(escape, sizeof(escape), "\\u%04x", c);
		SL_TRY(put(r, escape, (size_t)size));
	}
	return put(r, "\"", 1);
}

static enum sl_status put_number(struct room *r, const struct yaml_node *node)
{
	uint8_t canonical[NUMBER_SIZE_MAX];
	size_t size = number_canonical(node->text, canonical);
	char text[24];
	int64_t value;

	if (size != 0)
		return put(r, canonical, size);
	// Hexadecimal and octal; a long decimal is too much.
	if (!yaml_int64(node, &value))
		return SL_E_INVALID;
	size = (size_t)snprintf(text, sizeof(text), "%lld", (long long)value);
	return put(r, text, size);
}

static enum sl_status put_children(struct room *r, const struct yaml_node *node)
{
	const char *comma = "";

	SL_TRY(put(r, node->kind == YAML_MAP ? "{" : "[", 1));
	for (const struct yaml_node *child = node->first; child != NULL; child = child->next) {
		SL_TRY(put(r, comma, comma[0] == '\0' ? 0 : 1));
		comma = ",";
		if (child->key != NULL) {
			SL_TRY(put_string(r, child->key->text));
			SL_TRY(put(r, ":", 1));
		}
		SL_TRY(yaml_write_json(child, r));
	}
	return put(r, node->kind == YAML_MAP ? "}" : "]", 1);
}

enum sl_status yaml_write_json(const struct yaml_node *node, struct room *ret_room)
{
	switch (node->kind) {
	case YAML_STRING:
		return put_string(ret_room, node->text);
	case YAML_INTEGER:
	case YAML_NUMBER:
		return put_number(ret_room, node);
	case YAML_BOOLEAN:
		return yaml_bool(node) ? put(ret_room, "true", 4) : put(ret_room, "false", 5);
	case YAML_NULL:
		return put(ret_room, "null", 4);
	case YAML_LIST:
	case YAML_MAP:
		break;
	}
	return put_children(ret_room, node);
}
