#include "bench/straightforward.h"

#include <cstdio>
#include <cstring>
#include <memory>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <simdjson.h>
#include <string>
#include <string_view>
#include <unordered_map>

namespace
{

constexpr size_t KEY_SIZE = 32;
constexpr size_t IV_SIZE = 12;
constexpr size_t TAG_SIZE = 16;
constexpr size_t PREFIX_SIZE = 5;
constexpr const char *META =
	",\"strmMeta\":{\"eventContractRef\":\"wikimedia/edit/1.0.0\",\"nonce\":0,\"timestamp\":";

struct user_key {
	unsigned char key[KEY_SIZE];
	char link[37];
};

} // namespace

struct straightforward {
	// Looked up by a string made from the view: C++17 has no heterogeneous look-up here.
	std::unordered_map<std::string, user_key> keys;
	simdjson::ondemand::parser parser;
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	uint64_t counter = 0;
	std::string raw;
	std::string sealed;
	std::string name;
};

namespace
{

/** A field's place in the event and its decoded text, which lives until the parser's next event. */
struct field {
	std::string_view path;
	std::string_view raw; // with its quotes
	std::string_view text;
	bool is_null;
};

field find(simdjson::ondemand::document &document, std::string_view path)
{
	simdjson::ondemand::value value = document[path];
	if (value.is_null())
		return {path, {}, {}, true};
	std::string_view raw = value.raw_json_token();
	// The token reaches to the next one: the string's own end is what counts.
	while (raw.back() != '"')
		raw.remove_suffix(1);
	return {path, raw, value.get_string(), false};
}

/** One field: Tink's form, base64, in quotes, appended to out. The cipher has the key already. */
bool seal(straightforward *s, const user_key &key, const field &f, std::string &out)
{
	unsigned char iv[IV_SIZE] = {};
	int size = 0;

	std::memcpy(iv, &s->counter, sizeof(s->counter));
	s->counter++;
	s->raw.resize(PREFIX_SIZE + IV_SIZE + f.text.size() + TAG_SIZE);
	auto *raw = reinterpret_cast<unsigned char *>(s->raw.data());
	raw[0] = 1;
	std::memcpy(raw + 1, key.link, 4);
	std::memcpy(raw + PREFIX_SIZE, iv, IV_SIZE);
	unsigned char *body = raw + PREFIX_SIZE + IV_SIZE;
	const auto *path = reinterpret_cast<const unsigned char *>(f.path.data());
	const auto *text = reinterpret_cast<const unsigned char *>(f.text.data());
	if (EVP_EncryptInit_ex(s->cipher, nullptr, nullptr, nullptr, iv) != 1
	    || EVP_EncryptUpdate(s->cipher, nullptr, &size, path, int(f.path.size())) != 1
	    || EVP_EncryptUpdate(s->cipher, body, &size, text, int(f.text.size())) != 1
	    || EVP_EncryptFinal_ex(s->cipher, body + f.text.size(), &size) != 1
	    || EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, body + f.text.size())
		    != 1)
		return false;
	s->sealed.resize((s->raw.size() + 2) / 3 * 4 + 1);
	int sealed = EVP_EncodeBlock(
		reinterpret_cast<unsigned char *>(s->sealed.data()), raw, int(s->raw.size())
	);
	out += '"';
	out.append(s->sealed.data(), size_t(sealed));
	out += '"';
	return true;
}

bool seal_event(straightforward *s, const bench_text &event, std::string &out)
{
	const char *from = reinterpret_cast<const char *>(event.bytes);
	const char *end = from + event.size;
	simdjson::padded_string_view text(
		from, event.size, event.size + simdjson::SIMDJSON_PADDING
	);
	simdjson::ondemand::document document = s->parser.iterate(text);
	// In the order of the document, so that one pass finds all.
	const field fields[] = {
		find(document, "cityName"), find(document, "comment"), find(document, "user")};
	s->name.assign(fields[2].text);
	auto found = s->keys.find(s->name);
	if (found == s->keys.end())
		return false;
	const user_key &key = found->second;
	// The key is expanded once for all fields of the event.
	if (EVP_EncryptInit_ex(s->cipher, nullptr, nullptr, key.key, nullptr) != 1)
		return false;
	for (const field &f : fields) {
		if (f.is_null)
			continue;
		out.append(from, size_t(f.raw.data() - from));
		from = f.raw.data() + f.raw.size();
		if (!seal(s, key, f, out))
			return false;
	}
	while (*--end != '}')
		;
	out.append(from, size_t(end - from));
	out += META;
	out += "1442018818771,\"keyLink\":\"";
	out.append(key.link, 36);
	out += "\",\"billingId\":null,\"consentLevels\":[1,2]}}\n";
	return true;
}

} // namespace

straightforward *straightforward_new(const char *const users[], size_t user_count)
{
	auto s = std::make_unique<straightforward>();
	if (EVP_EncryptInit_ex(s->cipher, EVP_aes_256_gcm(), nullptr, nullptr, nullptr) != 1)
		return nullptr;
	s->keys.reserve(user_count);
	for (size_t i = 0; i < user_count; i++) {
		user_key key;
		if (RAND_bytes(key.key, sizeof(key.key)) != 1)
			return nullptr;
		std::snprintf(
			key.link, sizeof(key.link), "01997d3e-0000-7000-8000-%012x", unsigned(i)
		);
		s->keys.emplace(users[i], key);
	}
	return s.release();
}

void straightforward_free(straightforward *s)
{
	if (s != nullptr)
		EVP_CIPHER_CTX_free(s->cipher);
	delete s;
}

size_t straightforward_run(
	straightforward *s,
	const bench_text events[],
	size_t count,
	char *out,
	size_t out_size
)
{
	std::string line;
	size_t size = 0;

	for (size_t i = 0; i < count; i++) {
		line.clear();
		try {
			if (!seal_event(s, events[i], line) || size + line.size() > out_size)
				return 0;
		} catch (const simdjson::simdjson_error &) {
			return 0;
		}
		std::memcpy(out + size, line.data(), line.size());
		size += line.size();
	}
	return size;
}

const unsigned char *straightforward_key(const straightforward *s, const char *user)
{
	auto found = s->keys.find(user);

	return found == s->keys.end() ? nullptr : found->second.key;
}
