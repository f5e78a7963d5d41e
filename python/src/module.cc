// The Python module: tessera::Tokenizer under the names that users of tokenizers and tiktoken know.
#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "tessera/base/error.h"
#include "tessera/base/version.h"
#include "tessera/tokenizer/id_buffer.h"
#include "tessera/tokenizer/model_tokenizer.h"
#include "tessera/tokenizer/tokenizer.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using tessera::EncodeOptions;
using tessera::Encoding;
using tessera::Error;
using tessera::IdBuffer;
using tessera::TokenId;

// The bytes of a str or bytes object; they live as long as it, also without the lock.
std::string_view text_of(nb::handle text) {
  if (PyUnicode_Check(text.ptr())) {
    Py_ssize_t size = 0;
    const char* data = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
    if (!data) throw nb::python_error();
    return {data, static_cast<size_t>(size)};
  }
  if (PyBytes_Check(text.ptr())) {
    return {PyBytes_AS_STRING(text.ptr()), static_cast<size_t>(PyBytes_GET_SIZE(text.ptr()))};
  }
  const std::string type = nb::type_name(text.type()).c_str();
  throw nb::type_error(("a text is str or bytes, not " + type).c_str());
}

EncodeOptions options_of(bool add_special_tokens, bool special_in_text) {
  EncodeOptions options;
  options.add_template = add_special_tokens;
  options.special_in_text = special_in_text;
  return options;
}

nb::list list_of(std::span<const TokenId> ids) {
  nb::list out = nb::steal<nb::list>(PyList_New(static_cast<Py_ssize_t>(ids.size())));
  if (!out.is_valid()) throw nb::python_error();
  for (size_t i = 0; i < ids.size(); ++i) {
    PyObject* id = PyLong_FromLong(ids[i]);
    if (!id) throw nb::python_error();
    PyList_SET_ITEM(out.ptr(), static_cast<Py_ssize_t>(i), id);
  }
  return out;
}

nb::bytes bytes_of(std::string_view text) { return nb::bytes(text.data(), text.size()); }

nb::object str_of(std::string_view text, const char* errors) {
  PyObject* out = PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), errors);
  if (!out) throw nb::python_error();
  return nb::steal(out);
}

TokenId id_of(int64_t value) {
  if (value < 0 || value > INT32_MAX) {
    throw Error("id " + std::to_string(value), "is no id", "Ids are 0 and above.");
  }
  return static_cast<TokenId>(value);
}

using IdArray = nb::ndarray<nb::ndim<1>, nb::device::cpu, nb::ro>;

template <class T>
void append_ids(const IdArray& array, std::vector<TokenId>& out) {
  const auto* data = static_cast<const T*>(array.data());
  const int64_t stride = array.stride(0);
  for (size_t i = 0; i < array.shape(0); ++i) {
    const T value = data[static_cast<int64_t>(i) * stride];
    // What does not fit becomes negative, which is no id either.
    out.push_back(id_of(static_cast<int64_t>(value)));
  }
}

// A sequence of ints, or an array of any integer type.
std::vector<TokenId> ids_of(nb::handle ids) {
  std::vector<TokenId> out;
  IdArray array;
  if (!PyList_Check(ids.ptr()) && nb::try_cast(ids, array)) {
    out.reserve(array.shape(0));
    const nb::dlpack::dtype type = array.dtype();
    auto is = [&](auto zero) { return type == nb::dtype<decltype(zero)>(); };
    if (is(int32_t{})) {
      append_ids<int32_t>(array, out);
    } else if (is(uint32_t{})) {
      append_ids<uint32_t>(array, out);
    } else if (is(int64_t{})) {
      append_ids<int64_t>(array, out);
    } else if (is(uint64_t{})) {
      append_ids<uint64_t>(array, out);
    } else if (is(int16_t{})) {
      append_ids<int16_t>(array, out);
    } else if (is(uint16_t{})) {
      append_ids<uint16_t>(array, out);
    } else {
      throw nb::type_error("ids are whole numbers of 16, 32 or 64 bits");
    }
    return out;
  }
  for (nb::handle id : nb::borrow(ids)) {
    const long long value = PyLong_AsLongLong(id.ptr());
    if (value == -1 && PyErr_Occurred()) throw nb::python_error();
    out.push_back(id_of(value));
  }
  return out;
}

// Runs work(i) for every i < count on `threads` threads; the first failure is thrown.
template <class Work>
void in_parallel(size_t count, size_t threads, const Work& work) {
  std::atomic<size_t> next{0};
  std::exception_ptr failure;
  std::mutex guard;
  auto run = [&] {
    for (size_t i; (i = next.fetch_add(1)) < count;) {
      try {
        work(i);
      } catch (...) {
        const std::lock_guard lock(guard);
        if (!failure) failure = std::current_exception();
        next = count;
      }
    }
  };
  std::vector<std::jthread> others;
  for (size_t t = 1; t < std::min(threads, count); ++t) others.emplace_back(run);
  run();
  others.clear();
  if (failure) std::rethrow_exception(failure);
}

class Tokenizer {
 public:
  explicit Tokenizer(std::shared_ptr<const tessera::Tokenizer> tokenizer)
      : tokenizer_(std::move(tokenizer)) {}

  static Tokenizer open(const std::string& reference) {
    nb::gil_scoped_release release;
    return Tokenizer(tessera::open_tokenizer(reference));
  }
  static Tokenizer from_file(nb::handle path) {
    const nb::object os = nb::module_::import_("os");
    os.attr("stat")(path);  // FileNotFoundError, as of every other function that opens a file
    return open(std::string(text_of(os.attr("path").attr("abspath")(path))));
  }
  static Tokenizer from_str(nb::handle json) {
    const std::string_view text = text_of(json);
    nb::gil_scoped_release release;
    return Tokenizer(tessera::parse_tokenizer_json(text, "tokenizer.json"));
  }

  nb::list encode(nb::handle text, bool add_special_tokens, bool special_in_text) const {
    IdBuffer ids;
    encode_into(text, options_of(add_special_tokens, special_in_text), ids);
    return list_of(ids.ids());
  }
  nb::list encode_ordinary(nb::handle text) const { return encode(text, false, false); }

  nb::ndarray<nb::numpy, uint32_t, nb::ndim<1>> encode_to_numpy(nb::handle text,
                                                                bool add_special_tokens,
                                                                bool special_in_text) const {
    auto ids = std::make_unique<IdBuffer>();
    encode_into(text, options_of(add_special_tokens, special_in_text), *ids);
    const size_t size = ids->size();
    // An empty array needs an address, too.
    auto* data = reinterpret_cast<uint32_t*>(ids->room(1)) - size;
    nb::capsule owner(ids.release(), [](void* p) noexcept { delete static_cast<IdBuffer*>(p); });
    return nb::ndarray<nb::numpy, uint32_t, nb::ndim<1>>(data, {size}, owner);
  }

  nb::tuple encode_with_spans(nb::handle text, bool add_special_tokens,
                              bool special_in_text) const {
    const std::string_view bytes = text_of(text);
    Encoding found;
    {
      nb::gil_scoped_release release;
      found = tokenizer_->encode(bytes, options_of(add_special_tokens, special_in_text));
    }
    nb::list spans;
    for (const tessera::ByteSpan& s : found.spans) spans.append(nb::make_tuple(s.begin, s.end));
    return nb::make_tuple(list_of(found.ids), spans);
  }

  nb::list encode_batch(nb::handle texts, bool add_special_tokens, bool special_in_text,
                        int64_t num_threads) const {
    if (PyUnicode_Check(texts.ptr()) || PyBytes_Check(texts.ptr())) {
      throw nb::type_error("texts are a sequence of texts, not one");
    }
    // Held here: nobody may take a text out of its list while threads read it.
    const nb::list held = nb::steal<nb::list>(PySequence_List(texts.ptr()));
    if (!held.is_valid()) throw nb::python_error();
    std::vector<std::string_view> bytes;
    bytes.reserve(held.size());
    for (nb::handle text : held) bytes.push_back(text_of(text));
    std::vector<IdBuffer> ids(bytes.size());
    const EncodeOptions options = options_of(add_special_tokens, special_in_text);
    {
      nb::gil_scoped_release release;
      const size_t threads = num_threads > 0 ? static_cast<size_t>(num_threads)
                                             : std::max(1U, std::thread::hardware_concurrency());
      in_parallel(bytes.size(), threads,
                  [&](size_t i) { tokenizer_->encode_ids(bytes[i], options, ids[i]); });
    }
    nb::list out;
    for (const IdBuffer& one : ids) out.append(list_of(one.ids()));
    return out;
  }

  int64_t count(nb::handle text, bool add_special_tokens, bool special_in_text) const {
    const std::string_view bytes = text_of(text);
    nb::gil_scoped_release release;
    return tokenizer_->count(bytes, options_of(add_special_tokens, special_in_text));
  }

  nb::bytes decode_bytes(nb::handle ids, bool skip_special_tokens) const {
    return bytes_of(decoded(ids, skip_special_tokens));
  }
  nb::object decode(nb::handle ids, bool skip_special_tokens, const std::string& errors) const {
    return str_of(decoded(ids, skip_special_tokens), errors.c_str());
  }

  int64_t vocab_size() const { return tokenizer_->vocabulary().size(); }
  std::optional<TokenId> bos() const { return tokenizer_->bos(); }
  std::optional<TokenId> eos() const { return tokenizer_->eos(); }
  std::optional<TokenId> token_to_id(nb::handle token) const {
    return tokenizer_->vocabulary().find(text_of(token));
  }
  nb::object id_to_token(int64_t id) const {
    if (id < 0 || id >= vocab_size()) return nb::none();
    const std::string_view piece = tokenizer_->vocabulary().piece(static_cast<TokenId>(id));
    return piece.empty() ? nb::none() : str_of(piece, "replace");
  }
  nb::bytes token_bytes(int64_t id) const {
    if (id < 0 || id >= vocab_size()) {
      throw Error("id " + std::to_string(id),
                  "is outside the vocabulary of " + std::to_string(vocab_size()) + " tokens");
    }
    return bytes_of(tokenizer_->vocabulary().bytes(static_cast<TokenId>(id)));
  }
  std::string repr() const { return "<tessera.Tokenizer: " + tokenizer_->summary() + ">"; }

 private:
  void encode_into(nb::handle text, const EncodeOptions& options, IdBuffer& out) const {
    const std::string_view bytes = text_of(text);
    nb::gil_scoped_release release;
    tokenizer_->encode_ids(bytes, options, out);
  }
  std::string decoded(nb::handle ids, bool skip_special_tokens) const {
    const std::vector<TokenId> held = ids_of(ids);
    nb::gil_scoped_release release;
    return tokenizer_->decode(held, skip_special_tokens);
  }

  std::shared_ptr<const tessera::Tokenizer> tokenizer_;
};

}  // namespace

NB_MODULE(_tessera, m) {
  m.attr("__version__") = std::string(tessera::version());
  nb::exception<Error>(m, "TesseraError", PyExc_ValueError);
  nb::class_<Tokenizer>(m, "Tokenizer")
      .def_static("from_file", &Tokenizer::from_file, "path"_a)
      .def_static("from_model", &Tokenizer::open, "reference"_a)
      .def_static("from_str", &Tokenizer::from_str, "json"_a)
      .def("encode", &Tokenizer::encode, "text"_a, "add_special_tokens"_a = true, nb::kw_only(),
           "special_in_text"_a = false)
      .def("encode_ordinary", &Tokenizer::encode_ordinary, "text"_a)
      .def("encode_to_numpy", &Tokenizer::encode_to_numpy, "text"_a, "add_special_tokens"_a = true,
           nb::kw_only(), "special_in_text"_a = false)
      .def("encode_with_spans", &Tokenizer::encode_with_spans, "text"_a,
           "add_special_tokens"_a = true, nb::kw_only(), "special_in_text"_a = false)
      .def("encode_batch", &Tokenizer::encode_batch, "texts"_a, "add_special_tokens"_a = true,
           nb::kw_only(), "special_in_text"_a = false, "num_threads"_a = 0)
      .def("count", &Tokenizer::count, "text"_a, "add_special_tokens"_a = true, nb::kw_only(),
           "special_in_text"_a = false)
      .def("decode", &Tokenizer::decode, "ids"_a, "skip_special_tokens"_a = true, nb::kw_only(),
           "errors"_a = "replace")
      .def("decode_bytes", &Tokenizer::decode_bytes, "ids"_a, "skip_special_tokens"_a = true)
      .def_prop_ro("vocab_size", &Tokenizer::vocab_size)
      .def_prop_ro("n_vocab", &Tokenizer::vocab_size)
      .def_prop_ro("bos", &Tokenizer::bos)
      .def_prop_ro("eos", &Tokenizer::eos)
      .def_prop_ro("eot_token", &Tokenizer::eos)
      .def("token_to_id", &Tokenizer::token_to_id, "token"_a)
      .def("id_to_token", &Tokenizer::id_to_token, "id"_a)
      .def("token_bytes", &Tokenizer::token_bytes, "id"_a)
      .def("__len__", &Tokenizer::vocab_size)
      .def("__repr__", &Tokenizer::repr);
}
