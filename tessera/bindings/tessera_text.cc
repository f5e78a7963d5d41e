#include "tessera/bindings/tessera_text.h"

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/base/error.h"
#include "tessera/base/version.h"
#include "tessera/tokenizer/id_buffer.h"
#include "tessera/tokenizer/model_tokenizer.h"
#include "tessera/tokenizer/tokenizer.h"

struct tessera_tokenizer {
  std::shared_ptr<const tessera::Tokenizer> tokenizer;
};

struct tessera_encoding {
  tessera::IdBuffer ids;
  std::vector<tessera::ByteSpan> spans;
  bool has_spans = false;
};

namespace {

using tessera::ByteSpan;
using tessera::EncodeOptions;
using tessera::Error;

static_assert(sizeof(tessera_span) == sizeof(ByteSpan) &&
              sizeof(int32_t) == sizeof(tessera::TokenId));

constexpr uint32_t kCountFlags =
    TESSERA_NO_TEMPLATE | TESSERA_SPECIAL_IN_TEXT | TESSERA_FILE_LENGTHS;

char* copied(std::string_view text) {
  auto* out = static_cast<char*>(std::malloc(text.size() + 1));
  if (!out) return nullptr;
  if (!text.empty()) std::memcpy(out, text.data(), text.size());
  out[text.size()] = '\0';
  return out;
}

void report(char** error, const char* line) {
  if (error) *error = copied(line);
}

// Runs `work`; whatever it throws becomes a line and `failed`.
template <class Work, class Result>
Result guarded(char** error, Result failed, const Work& work) {
  if (error) *error = nullptr;
  try {
    return work();
  } catch (const std::bad_alloc&) {
    report(error, "out of memory");
  } catch (const std::exception& e) {
    report(error, e.what());
  } catch (...) {
    report(error, "unexpected failure");
  }
  return failed;
}

template <class T>
T& given(T* pointer, const char* name) {
  if (!pointer) throw Error(name, "is NULL");
  return *pointer;
}

std::string_view text_of(const char* data, size_t bytes) {
  if (bytes > 0) given(data, "text");
  return bytes > 0 ? std::string_view(data, bytes) : std::string_view();
}

EncodeOptions options_of(uint32_t flags, uint32_t known) {
  if ((flags & ~known) != 0) {
    throw Error("flags", "holds " + std::to_string(flags & ~known) + ", which is no flag here",
                "Take a library that knows it: tessera_text_abi() says which one runs.");
  }
  EncodeOptions options;
  options.add_template = (flags & TESSERA_NO_TEMPLATE) == 0;
  options.special_in_text = (flags & TESSERA_SPECIAL_IN_TEXT) != 0;
  options.file_lengths = (flags & TESSERA_FILE_LENGTHS) != 0;
  return options;
}

tessera_tokenizer* handle(std::shared_ptr<const tessera::Tokenizer> tokenizer) {
  return new tessera_tokenizer{std::move(tokenizer)};
}

void fill(const tessera::Tokenizer& tokenizer, std::string_view text, uint32_t flags,
          tessera_encoding& out) {
  const EncodeOptions options = options_of(flags, kCountFlags | TESSERA_SPANS);
  if ((flags & TESSERA_SPANS) == 0) return tokenizer.encode_ids(text, options, out.ids);
  tessera::Encoding found = tokenizer.encode(text, options);
  out.ids.append(found.ids);
  out.spans = std::move(found.spans);
  out.has_spans = true;
}

void empty(tessera_encoding& encoding) {
  encoding.ids.clear();
  encoding.spans.clear();
  encoding.has_spans = false;
}

const char* shown(std::string_view text, size_t* bytes) {
  if (bytes) *bytes = text.size();
  // NULL means "no such id", also where an empty view has no address.
  return text.data() ? text.data() : "";
}

bool is_id(const tessera_tokenizer* tokenizer, int32_t id) {
  return tokenizer && id >= 0 && id < tokenizer->tokenizer->vocabulary().size();
}

}  // namespace

extern "C" {

int32_t tessera_text_abi(void) { return TESSERA_TEXT_ABI; }

const char* tessera_text_version(void) { return tessera::version().data(); }

void tessera_free(void* pointer) { std::free(pointer); }

tessera_tokenizer* tessera_tokenizer_open(const char* reference, char** error) {
  return guarded(error, static_cast<tessera_tokenizer*>(nullptr),
                 [&] { return handle(tessera::open_tokenizer(&given(reference, "reference"))); });
}

tessera_tokenizer* tessera_tokenizer_parse(const char* json, size_t bytes, char** error) {
  return guarded(error, static_cast<tessera_tokenizer*>(nullptr), [&] {
    return handle(tessera::parse_tokenizer_json(text_of(json, bytes), "tokenizer.json"));
  });
}

void tessera_tokenizer_close(tessera_tokenizer* tokenizer) { delete tokenizer; }

tessera_encoding* tessera_encoding_new(void) { return new (std::nothrow) tessera_encoding; }

void tessera_encoding_free(tessera_encoding* encoding) { delete encoding; }

size_t tessera_encoding_size(const tessera_encoding* encoding) {
  return encoding ? encoding->ids.size() : 0;
}

const int32_t* tessera_encoding_ids(const tessera_encoding* encoding) {
  return encoding ? encoding->ids.ids().data() : nullptr;
}

const tessera_span* tessera_encoding_spans(const tessera_encoding* encoding) {
  if (!encoding || !encoding->has_spans) return nullptr;
  static const tessera_span nothing{};
  return encoding->spans.empty() ? &nothing
                                 : reinterpret_cast<const tessera_span*>(encoding->spans.data());
}

int32_t tessera_encode(const tessera_tokenizer* tokenizer, const char* text, size_t bytes,
                       uint32_t flags, tessera_encoding* encoding, char** error) {
  const int32_t status = guarded(error, -1, [&] {
    empty(given(encoding, "encoding"));
    fill(*given(tokenizer, "tokenizer").tokenizer, text_of(text, bytes), flags, *encoding);
    return 0;
  });
  if (status != 0 && encoding) empty(*encoding);
  return status;
}

int64_t tessera_count(const tessera_tokenizer* tokenizer, const char* text, size_t bytes,
                      uint32_t flags, char** error) {
  return guarded(error, int64_t{-1}, [&] {
    return given(tokenizer, "tokenizer")
        .tokenizer->count(text_of(text, bytes), options_of(flags, kCountFlags));
  });
}

char* tessera_decode(const tessera_tokenizer* tokenizer, const int32_t* ids, size_t count,
                     uint32_t flags, size_t* bytes, char** error) {
  if (bytes) *bytes = 0;
  return guarded(error, static_cast<char*>(nullptr), [&] {
    if (count > 0) given(ids, "ids");
    if ((flags & ~TESSERA_KEEP_CONTROL) != 0) {
      throw Error("flags", "holds what is no flag of decode");
    }
    const std::string text =
        given(tokenizer, "tokenizer")
            .tokenizer->decode({ids, count}, (flags & TESSERA_KEEP_CONTROL) == 0);
    char* out = copied(text);
    if (!out) throw std::bad_alloc();
    if (bytes) *bytes = text.size();
    return out;
  });
}

int64_t tessera_vocabulary_size(const tessera_tokenizer* tokenizer) {
  return tokenizer ? tokenizer->tokenizer->vocabulary().size() : 0;
}

int32_t tessera_token_id(const tessera_tokenizer* tokenizer, const char* piece, size_t bytes) {
  return guarded(nullptr, -1, [&] {
    return given(tokenizer, "tokenizer")
        .tokenizer->vocabulary()
        .find(text_of(piece, bytes))
        .value_or(-1);
  });
}

const char* tessera_token_piece(const tessera_tokenizer* tokenizer, int32_t id, size_t* bytes) {
  if (bytes) *bytes = 0;
  if (!is_id(tokenizer, id)) return nullptr;
  return shown(tokenizer->tokenizer->vocabulary().piece(id), bytes);
}

const char* tessera_token_bytes(const tessera_tokenizer* tokenizer, int32_t id, size_t* bytes) {
  if (bytes) *bytes = 0;
  if (!is_id(tokenizer, id)) return nullptr;
  return shown(tokenizer->tokenizer->vocabulary().bytes(id), bytes);
}

int32_t tessera_bos(const tessera_tokenizer* tokenizer) {
  return tokenizer ? tokenizer->tokenizer->bos().value_or(-1) : -1;
}

int32_t tessera_eos(const tessera_tokenizer* tokenizer) {
  return tokenizer ? tokenizer->tokenizer->eos().value_or(-1) : -1;
}

}  // extern "C"
