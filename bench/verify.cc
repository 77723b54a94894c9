#include "bench/verify.h"

#include <openssl/evp.h>
#include <simdjson.h>
#include <string>
#include <string_view>

namespace
{

constexpr int IV_SIZE = 12;
constexpr int TAG_SIZE = 16;
constexpr int PREFIX_SIZE = 5;
constexpr int OVERHEAD = PREFIX_SIZE + IV_SIZE + TAG_SIZE;

/** The bytes of padded base64; empty when it is none. */
std::string decode(std::string_view text)
{
	std::string raw(text.size() / 4 * 3, '\0');
	int size = EVP_DecodeBlock(
		reinterpret_cast<unsigned char *>(raw.data()),
		reinterpret_cast<const unsigned char *>(text.data()),
		int(text.size())
	);
	if (size < 0 || text.size() < 4)
		return {};
	size -= text[text.size() - 1] == '=';
	size -= text[text.size() - 2] == '=';
	raw.resize(size_t(size));
	return raw;
}

/** Open a field with AES-256-GCM; false when it does not authenticate. */
bool open(
	std::string_view sealed,
	std::string_view path,
	const unsigned char *key,
	std::string &ret_text
)
{
	std::string raw = decode(sealed);
	if (raw.size() < size_t(OVERHEAD))
		return false;
	auto *bytes = reinterpret_cast<unsigned char *>(raw.data());
	int text_size = int(raw.size()) - OVERHEAD;
	unsigned char *body = bytes + PREFIX_SIZE + IV_SIZE;
	int size = 0;
	ret_text.resize(size_t(text_size) + TAG_SIZE);
	auto *text = reinterpret_cast<unsigned char *>(ret_text.data());
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	bool is_open =
		EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), nullptr, key, bytes + PREFIX_SIZE)
			== 1
		&& EVP_DecryptUpdate(
			   cipher,
			   nullptr,
			   &size,
			   reinterpret_cast<const unsigned char *>(path.data()),
			   int(path.size())
		   ) == 1
		&& EVP_DecryptUpdate(cipher, text, &size, body, text_size) == 1
		&& EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, TAG_SIZE, body + text_size)
			== 1
		&& EVP_DecryptFinal_ex(cipher, text + text_size, &size) == 1;
	EVP_CIPHER_CTX_free(cipher);
	ret_text.resize(size_t(text_size));
	return is_open;
}

bool is_same(
	std::string_view name,
	simdjson::dom::element before,
	simdjson::dom::element after,
	const verify_keys &keys
)
{
	bool is_user = name == "user";
	if (before.is_null() || (!is_user && name != "comment" && name != "cityName"))
		return simdjson::minify(before) == simdjson::minify(after);
	std::string_view text;
	std::string_view sealed;
	std::string opened;
	return before.get(text) == simdjson::SUCCESS && after.get(sealed) == simdjson::SUCCESS
		&& open(sealed, name, is_user ? keys.user : keys.rest, opened) && opened == text;
}

} // namespace

bool verify_sealed(bench_text event, bench_text line, verify_keys keys)
{
	static simdjson::dom::parser event_parser;
	static simdjson::dom::parser line_parser;
	simdjson::dom::object before;
	simdjson::dom::object after;

	if (event_parser.parse(event.bytes, event.size).get(before) != simdjson::SUCCESS
	    || line_parser.parse(line.bytes, line.size).get(after) != simdjson::SUCCESS
	    || after.size() != before.size() + 1)
		return false;
	simdjson::dom::element meta;
	if (after["strmMeta"].get(meta) != simdjson::SUCCESS || !meta.is_object())
		return false;
	for (auto member : before) {
		simdjson::dom::element sealed;
		if (after[member.key].get(sealed) != simdjson::SUCCESS
		    || !is_same(member.key, member.value, sealed, keys))
			return false;
	}
	return true;
}
