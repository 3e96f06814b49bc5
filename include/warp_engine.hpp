// WarpEngine for C++17: owning handles over the C ABI of warp_engine.h, header-only.
//
//     #include <warp_engine.hpp>
//
//     warp::Database db = warp::Database::open("/var/lib/planets").value();
//     db.put("planet", "earth").value();
//     if (auto planet = db.get("planet").value()) std::cout << *planet << '\n';
//     for (auto [key, value] : db.iterate("pla").value()) std::cout << key << '=' << value << '\n';
//
// ERRORS. Every fallible call returns a Result, and the compiler warns when one is dropped. There
// are two ways to take it, and both may be used side by side:
//   - test it: `if (!r) return r.error();`, then `*r`. Nothing throws.
//   - take it: `r.value()` returns the value or throws warp::Error.
// Answers are not errors: a missing key is an empty optional or `false`, a compare-and-swap that
// found another value is `false`. The codes that each call may fail with are those of the C
// function that it names, which warp_engine.h documents.
//
// WITHOUT EXCEPTIONS. Define WARP_NO_EXCEPTIONS, or compile with -fno-exceptions, and `value()`
// ends the program (std::abort) where it would have thrown. The two kinds of build have names of
// their own (an inline namespace), so that objects of both can be linked into one program.
//
// LIFETIMES. Every handle moves and none copies; the destructor releases. A handle that was moved
// from, or closed, answers Code::invalid_argument to every call and is safe to destroy. Iterators
// and pinned values may outlive the Database that they come from.
//
// THREADS. A Database may be used from any number of threads at once, except while it is closed,
// destroyed or moved. Every other object belongs to one thread at a time and may move between
// threads. A child of fork() may not use the handles of its parent.
//
// UNITS. Lengths are bytes. Times are std::chrono durations, rounded up to whole milliseconds.
//
// CAVEATS
//   - A key or value given as a string literal ends at its first NUL, as everywhere in C++. For
//     bytes that may be zero use std::string_view with a length, a container, or a span.
//   - Errors of the destructor of a Database are lost. Call close() to see them.
//   - `for (auto e : db.iterate("p").value())` is sound; value() of a temporary moves out.

#ifndef WARP_ENGINE_HPP
#define WARP_ENGINE_HPP

#include "warp_engine.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#if !defined(WARP_NO_EXCEPTIONS) && !defined(__cpp_exceptions)
#define WARP_NO_EXCEPTIONS 1
#endif

namespace warp {
#ifdef WARP_NO_EXCEPTIONS
inline namespace no_exceptions {
#else
inline namespace with_exceptions {
#endif

// ---------------------------------------------------------------------------------------------
// Codes and errors
// ---------------------------------------------------------------------------------------------

/// The status codes of the C ABI. Positive codes are answers, negative ones are errors. A later
/// library may return codes that are not listed here: treat every unknown negative code as an
/// error.
enum class Code : std::int32_t {
  ok = WARP_OK,                                  ///< done
  not_found = WARP_NOT_FOUND,                    ///< no such key; the iterator is at its end
  buffer_too_small = WARP_BUFFER_TOO_SMALL,      ///< nothing was copied; the length is known
  conflict = WARP_CONFLICT,                      ///< compare-and-swap found another value
  would_block = WARP_WOULD_BLOCK,                ///< the answer needs the disk
  unchanged = WARP_UNCHANGED,                    ///< the value is the one that is known
  invalid_argument = WARP_ERR_INVALID_ARGUMENT,  ///< empty key, unknown option, no handle
  io = WARP_ERR_IO,                              ///< the system failed a read, a write or a sync
  corruption = WARP_ERR_CORRUPTION,              ///< a checksum does not match; missing files
  busy = WARP_ERR_BUSY,                          ///< another handle has the directory open
  timeout = WARP_ERR_TIMEOUT,                    ///< a deadline passed
  no_space = WARP_ERR_NO_SPACE,                  ///< the device or the quota is full
  read_only = WARP_ERR_READ_ONLY,                ///< a write on a read-only database
  too_large = WARP_ERR_TOO_LARGE,                ///< key, value or batch over the limits
  unsupported = WARP_ERR_UNSUPPORTED,            ///< newer format, or missing in this platform
  out_of_memory = WARP_ERR_OUT_OF_MEMORY,        ///< an allocation failed or passes the limit
  internal = WARP_ERR_INTERNAL,                  ///< a defect of the library
};

/// The name of the constant in the C header, such as "WARP_ERR_BUSY". Static; for any value.
inline const char* code_name(Code code) noexcept {
  return warp_status_name(static_cast<warp_status>(code));
}

/// The semantic version of the library that is linked, such as "0.1.0". Static.
inline const char* version() noexcept { return warp_version(); }

/// Whether the library that is linked has the ABI that this header was compiled for.
inline bool abi_matches() noexcept { return warp_abi_version() == WARP_ABI_VERSION; }

/// A failure: the code to act on, and a text for people that names the file, shard, offset or
/// argument concerned.
class Error : public std::exception {
 public:
  /// An error with a text.
  Error(Code code, std::string text) : code_(code), text_(std::move(text)) {}

  /// The code; never Code::ok and never an answer.
  Code code() const noexcept { return code_; }
  /// The text, without the name of the code.
  const std::string& text() const noexcept { return text_; }
  /// The same text; valid as long as the error.
  const char* what() const noexcept override { return text_.c_str(); }

  /// The error of a C call that has just returned `status` on this thread.
  static Error last(warp_status status) {
    return Error(static_cast<Code>(status), warp_last_error());
  }

 private:
  Code code_;
  std::string text_;
};

namespace detail {
[[noreturn]] inline void raise(const Error& error) {
#ifdef WARP_NO_EXCEPTIONS
  static_cast<void>(error);
  std::abort();
#else
  throw error;
#endif
}
}  // namespace detail

/// A value of type T, or an Error. Test it before `*`; `value()` throws instead.
template <class T>
class [[nodiscard]] Result {
 public:
  /// Success.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  /// Failure.
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  /// Whether there is a value. Mind Result<bool>: `if (r)` asks for success, `*r` is the answer.
  bool ok() const noexcept { return state_.index() == 0; }
  /// The same.
  explicit operator bool() const noexcept { return ok(); }
  /// Code::ok, or the code of the error.
  Code code() const noexcept { return ok() ? Code::ok : std::get_if<1>(&state_)->code(); }

  /// The value, which must be there.
  T& operator*() & noexcept { return *std::get_if<0>(&state_); }
  /// The value, which must be there.
  const T& operator*() const& noexcept { return *std::get_if<0>(&state_); }
  /// The value, moved out, which must be there.
  T operator*() && { return std::move(*std::get_if<0>(&state_)); }
  /// A member of the value, which must be there.
  T* operator->() noexcept { return std::get_if<0>(&state_); }
  /// A member of the value, which must be there.
  const T* operator->() const noexcept { return std::get_if<0>(&state_); }

  /// The value. Throws Error (or ends the program, see the top) when there is none.
  T& value() & {
    require();
    return **this;
  }
  /// As above.
  const T& value() const& {
    require();
    return **this;
  }
  /// As above, moved out, so that it outlives the temporary Result that it was in.
  T value() && {
    require();
    return std::move(*std::get_if<0>(&state_));
  }
  /// The value, or `other`.
  T value_or(T other) && {
    return ok() ? std::move(*std::get_if<0>(&state_)) : std::move(other);
  }

  /// The error, which must be there.
  const Error& error() const& noexcept { return *std::get_if<1>(&state_); }
  /// The error, moved out, which must be there.
  Error error() && { return std::move(*std::get_if<1>(&state_)); }

 private:
  void require() const {
    if (!ok()) detail::raise(error());
  }

  std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  /// Success.
  Result() = default;
  /// Failure.
  Result(Error error) : error_(std::move(error)) {}

  /// Whether the call succeeded.
  bool ok() const noexcept { return !error_; }
  /// The same.
  explicit operator bool() const noexcept { return ok(); }
  /// Code::ok, or the code of the error.
  Code code() const noexcept { return error_ ? error_->code() : Code::ok; }
  /// Throws Error (or ends the program, see the top) unless the call succeeded.
  void value() const {
    if (error_) detail::raise(*error_);
  }
  /// The error, which must be there.
  const Error& error() const& noexcept { return *error_; }
  /// The error, moved out, which must be there.
  Error error() && { return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

// ---------------------------------------------------------------------------------------------
// Bytes in
// ---------------------------------------------------------------------------------------------

namespace detail {
template <class E>
inline constexpr bool is_byte = std::is_same_v<E, char> || std::is_same_v<E, unsigned char> ||
                                std::is_same_v<E, signed char> || std::is_same_v<E, std::byte>;

template <class C>
using element_of =
    std::remove_cv_t<std::remove_pointer_t<decltype(std::declval<const C&>().data())>>;
}  // namespace detail

/// A key, value or prefix on its way in: a view that owns nothing and is made where it is passed.
/// Converts from string literals, std::string, std::string_view, std::span<const std::byte> and
/// every other contiguous container of char, signed char, unsigned char or std::byte.
class Bytes {
 public:
  /// No bytes: a valid empty value or prefix.
  constexpr Bytes() noexcept = default;
  /// The `size` bytes at `data`.
  constexpr Bytes(const void* data, std::size_t size) noexcept : data_(data), size_(size) {}
  /// A text that ends at its first NUL.
  Bytes(const char* text) noexcept : data_(text), size_(std::strlen(text)) {}
  /// The bytes of a string, view, vector, array or span.
  template <class C, class = std::enable_if_t<detail::is_byte<detail::element_of<C>>>>
  constexpr Bytes(const C& container) noexcept
      : data_(container.data()), size_(container.size()) {}

  /// The first byte; may be null when size() is 0.
  constexpr const void* data() const noexcept { return data_; }
  /// The length in bytes.
  constexpr std::size_t size() const noexcept { return size_; }
  /// The same as the C ABI's slice.
  warp_slice slice() const noexcept {
    warp_slice slice = {};
    slice.data = static_cast<const std::uint8_t*>(data_);
    slice.len = size_;
    return slice;
  }

 private:
  const void* data_ = nullptr;
  std::size_t size_ = 0;
};

namespace detail {
inline std::string_view view(const void* data, std::size_t size) noexcept {
  return size == 0 ? std::string_view() : std::string_view(static_cast<const char*>(data), size);
}

inline Result<void> done(warp_status status) {
  if (status == WARP_OK) return {};
  return Error::last(status);
}

/// `true` for WARP_OK, `false` for the answer `no`, an error for the rest.
inline Result<bool> yes_unless(warp_status status, warp_status no) {
  if (status == WARP_OK) return true;
  if (status == no) return false;
  return Error::last(status);
}

/// An owner of one C handle.
template <class H, void (*Free)(H*)>
class Handle {
 public:
  Handle() noexcept = default;
  explicit Handle(H* raw) noexcept : raw_(raw) {}
  Handle(Handle&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      reset();
      raw_ = std::exchange(other.raw_, nullptr);
    }
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { reset(); }

  H* get() const noexcept { return raw_; }
  H* release() noexcept { return std::exchange(raw_, nullptr); }
  void reset() noexcept {
    if (raw_) Free(std::exchange(raw_, nullptr));
  }

 private:
  H* raw_ = nullptr;
};

inline void close_quietly(warp_db* db) noexcept { static_cast<void>(warp_close(db)); }

/// Whole milliseconds, rounded up, within what the ABI takes (49 days).
inline std::uint32_t milliseconds(std::chrono::nanoseconds time) noexcept {
  const auto whole = std::chrono::ceil<std::chrono::milliseconds>(time).count();
  if (whole <= 0) return 0;
  return whole < std::int64_t{UINT32_MAX} ? static_cast<std::uint32_t>(whole) : UINT32_MAX;
}
}  // namespace detail

// ---------------------------------------------------------------------------------------------
// Values out
// ---------------------------------------------------------------------------------------------

/// A value that was not copied (warp_get_pinned): its bytes stay valid and unchanged until the
/// guard is destroyed or released, whatever is written, deleted, compacted or closed meanwhile.
/// A pin holds the memory or the file that the value is in: do not keep it for longer than needed.
class Value {
 public:
  /// No value; view() is empty.
  Value() noexcept = default;
  Value(Value&& other) noexcept : raw_(std::exchange(other.raw_, warp_value{})) {}
  Value& operator=(Value&& other) noexcept {
    if (this != &other) {
      release();
      raw_ = std::exchange(other.raw_, warp_value{});
    }
    return *this;
  }
  Value(const Value&) = delete;
  Value& operator=(const Value&) = delete;
  ~Value() { release(); }

  /// The bytes, valid as long as the guard.
  std::string_view view() const noexcept { return detail::view(raw_.data, raw_.len); }
  /// The same.
  operator std::string_view() const noexcept { return view(); }
  /// The first byte.
  const std::byte* data() const noexcept { return reinterpret_cast<const std::byte*>(raw_.data); }
  /// The length in bytes.
  std::size_t size() const noexcept { return raw_.len; }
  /// A copy.
  std::string str() const { return std::string(view()); }
  /// Gives the value back before the end of the scope. Twice does nothing.
  void release() noexcept { warp_value_release(&raw_); }

  /// Takes over a pinned value of the C ABI.
  static Value adopt(warp_value raw) noexcept {
    Value value;
    value.raw_ = raw;
    return value;
  }

 private:
  warp_value raw_ = {};
};

/// The answer of a read into the caller's buffer.
struct Copied {
  /// Code::ok, Code::not_found, Code::buffer_too_small, and for get_nowait Code::would_block.
  Code code;
  /// Length of the value in bytes, for Code::ok and Code::buffer_too_small; else 0.
  std::size_t length;

  /// Whether the value is in the buffer.
  explicit operator bool() const noexcept { return code == Code::ok; }
};

/// The answer of a read of what has changed (Database::get_if_changed).
struct Changed {
  /// Code::ok, Code::unchanged, Code::not_found, Code::buffer_too_small, and for
  /// get_if_changed_nowait Code::would_block.
  Code code;
  /// Length of the value in bytes, for Code::ok and Code::buffer_too_small; else 0.
  std::size_t length;
  /// Revision of the value, to ask with next time; 0 when there is none or it is not known.
  std::uint64_t revision;

  /// Whether another value is in the buffer.
  explicit operator bool() const noexcept { return code == Code::ok; }
};

/// The answer of a read that pins a value and never waits (Database::get_pinned_nowait).
struct Pinned {
  /// Code::ok, Code::not_found or Code::would_block.
  Code code;
  /// The value for Code::ok; else empty.
  Value value;

  /// Whether there is a value.
  explicit operator bool() const noexcept { return code == Code::ok; }
};

/// Keys to read with one call and the answers (Database::multi_get). Reuse one for many calls: once
/// it has grown it allocates nothing.
class MultiGet {
 public:
  /// No keys.
  MultiGet() = default;
  /// Keys from a list; the bytes must stay until the call.
  MultiGet(std::initializer_list<Bytes> keys) {
    for (const Bytes& key : keys) add(key);
  }
  MultiGet(MultiGet&& other) noexcept { swap(other); }
  MultiGet& operator=(MultiGet&& other) noexcept {
    swap(other);
    return *this;
  }
  MultiGet(const MultiGet&) = delete;
  MultiGet& operator=(const MultiGet&) = delete;
  ~MultiGet() { release(); }

  /// Adds a key. Its bytes are not copied: they must stay until the call.
  void add(Bytes key) { keys_.push_back(key.slice()); }
  /// Gives the answers back and forgets the keys; keeps the memory.
  void clear() noexcept {
    release();
    keys_.clear();
  }
  /// Number of keys.
  std::size_t size() const noexcept { return keys_.size(); }

  /// What became of key `i` (below size()): Code::ok, Code::not_found or an error of that key.
  /// Before the call: Code::not_found.
  Code code(std::size_t i) const noexcept {
    return i < statuses_.size() ? static_cast<Code>(statuses_[i]) : Code::not_found;
  }
  /// Whether key `i` was found.
  bool found(std::size_t i) const noexcept { return code(i) == Code::ok; }
  /// The value of key `i`, empty unless it was found. Valid until clear(), take(i), the next call
  /// with this object, or its end.
  std::string_view value(std::size_t i) const noexcept {
    return i < values_.size() ? detail::view(values_[i].data, values_[i].len) : std::string_view();
  }
  /// The value of key `i` as a guard of its own; value(i) is empty afterwards.
  Value take(std::size_t i) noexcept {
    return i < values_.size() ? Value::adopt(std::exchange(values_[i], warp_value{})) : Value();
  }

 private:
  friend class Database;

  void swap(MultiGet& other) noexcept {
    keys_.swap(other.keys_);
    values_.swap(other.values_);
    statuses_.swap(other.statuses_);
  }
  void release() noexcept {
    for (warp_value& value : values_) warp_value_release(&value);
    values_.clear();
    statuses_.clear();
  }

  std::vector<warp_slice> keys_;
  std::vector<warp_value> values_;
  std::vector<warp_status> statuses_;
};

// ---------------------------------------------------------------------------------------------
// Options
// ---------------------------------------------------------------------------------------------

/// What an acknowledged write has survived; each promises all that the one before it does.
enum class Durability {
  none,      ///< handed to the kernel when it likes; nothing is promised
  process,   ///< survives the death of the process
  periodic,  ///< `process`, and a sync to the device at least every sync_interval
  sync,      ///< acknowledged only once it is on the device
};

/// How to open a database. The setters chain and remember the first failure, which
/// Database::open then returns:
///
///     warp::Database::open(path, warp::Options().shards(8).durability(warp::Durability::sync));
///
/// `set` takes every option by its name, the ones of later libraries too.
class Options {
 public:
  /// The defaults.
  Options() : raw_(warp_options_new()) {}
  /// Names and values: `warp::Options{{"shards", "8"}, {"durability", "sync"}}`.
  Options(std::initializer_list<std::pair<const char*, const char*>> list) : Options() {
    for (const auto& [name, value] : list) with(name, value);
  }
  Options(Options&&) noexcept = default;
  Options& operator=(Options&&) noexcept = default;

  /// Sets one option by its name, at once: Code::invalid_argument for an unknown name or a bad
  /// value, and nothing changes then. Sizes take K, M and G (powers of 1024), times are
  /// milliseconds, booleans are "true" or "false".
  Result<void> set(const char* name, const char* value) {
    return detail::done(warp_options_set(raw_.get(), name, value));
  }
  /// The same, chaining: a failure is kept for Database::open.
  Options& with(const char* name, const char* value) {
    Result<void> result = set(name, value);
    if (!result && first_failure_.ok()) first_failure_ = std::move(result);
    return *this;
  }
  /// The same for a value in a string.
  Options& with(const char* name, const std::string& value) { return with(name, value.c_str()); }

  /// Number of shards, 1 to 1024, of a database that is created; default 24. For one that exists
  /// any other number than its own is an error.
  Options& shards(unsigned count) { return with("shards", std::to_string(count)); }
  /// What an acknowledged write has survived; default `periodic`.
  Options& durability(Durability level) {
    static constexpr const char* names[] = {"none", "process", "periodic", "sync"};
    return with("durability", names[static_cast<std::size_t>(level)]);
  }
  /// Longest time between two syncs under `periodic`; default 100 ms.
  Options& sync_interval(std::chrono::nanoseconds time) { return time_("sync_interval_ms", time); }
  /// Ceiling in bytes for what the engine keeps resident: index, mapped log, cache; default 2 GiB.
  Options& memory_limit(std::uint64_t bytes) {
    return with("memory_limit", std::to_string(bytes));
  }
  /// Create the database when it does not exist; default true.
  Options& create_if_missing(bool on) { return flag_("create_if_missing", on); }
  /// Refuse a database that exists; default false.
  Options& error_if_exists(bool on) { return flag_("error_if_exists", on); }
  /// Open for reading alone: every write is Code::read_only; default false.
  Options& read_only(bool on) { return flag_("read_only", on); }
  /// How long to retry while another process holds the directory; default 30 s.
  Options& open_timeout(std::chrono::nanoseconds time) { return time_("open_timeout_ms", time); }
  /// Time between automatic checkpoints; chosen by the engine unless set.
  Options& checkpoint_interval(std::chrono::nanoseconds time) {
    return time_("checkpoint_interval_ms", time);
  }
  /// Log bytes between automatic checkpoints; chosen by the engine unless set.
  Options& checkpoint_log_bytes(std::uint64_t bytes) {
    return with("checkpoint_log_bytes", std::to_string(bytes));
  }
  /// Pin each shard's upkeep to one core; default false.
  Options& pin_shards(bool on) { return flag_("pin_shards", on); }
  /// Watch how the load spreads over shards, slots and keys; default true.
  Options& load_monitor(bool on) { return flag_("load_monitor", on); }
  /// The load counts as skewed while its normalised entropy is below this, in per cent; default 90.
  Options& skew_percent(unsigned percent) { return with("skew_percent", std::to_string(percent)); }
  /// Move slots by itself while the load is skewed; default false.
  Options& auto_rebalance(bool on) { return flag_("auto_rebalance", on); }
  /// Rules that the database gets if it has not got them, as `user:*,profile:*;order:*,items:*`.
  Options& rules(const std::string& text) { return with("rules", text); }
  /// A get of a key starts the loads of its partners; default false.
  Options& prefetch_links(bool on) { return flag_("prefetch_links", on); }
  /// Learn partners from reads that follow each other; default false.
  Options& learn_links(bool on) { return flag_("learn_links", on); }

  /// Success, or the first failure of a chaining setter.
  const Result<void>& status() const noexcept { return first_failure_; }
  /// The C handle, which stays with this object.
  warp_options* raw() const noexcept { return raw_.get(); }

 private:
  Options& flag_(const char* name, bool on) { return with(name, on ? "true" : "false"); }
  Options& time_(const char* name, std::chrono::nanoseconds time) {
    return with(name, std::to_string(detail::milliseconds(time)));
  }

  detail::Handle<warp_options, warp_options_free> raw_;
  Result<void> first_failure_;
};

// ---------------------------------------------------------------------------------------------
// Batches
// ---------------------------------------------------------------------------------------------

/// Puts and deletes that Database::write writes together, all or none, across all shards. The last
/// operation on a key wins. The bytes are copied as they are added.
class Batch {
 public:
  /// An empty batch.
  Batch() : raw_(warp_batch_new()) {}
  Batch(Batch&&) noexcept = default;
  Batch& operator=(Batch&&) noexcept = default;

  /// Adds a put (warp_batch_put). A refused operation leaves the batch as it was.
  Result<void> put(Bytes key, Bytes value) {
    return detail::done(
        warp_batch_put(raw_.get(), key.data(), key.size(), value.data(), value.size()));
  }
  /// Adds a delete (warp_batch_delete); that the key does not exist is no error.
  Result<void> erase(Bytes key) {
    return detail::done(warp_batch_delete(raw_.get(), key.data(), key.size()));
  }
  /// Removes every operation; keeps the memory.
  void clear() noexcept { warp_batch_clear(raw_.get()); }
  /// Number of operations.
  std::size_t count() const noexcept { return warp_batch_count(raw_.get()); }
  /// The C handle, which stays with this object.
  warp_batch* raw() const noexcept { return raw_.get(); }

 private:
  detail::Handle<warp_batch, warp_batch_free> raw_;
};

// ---------------------------------------------------------------------------------------------
// Iteration
// ---------------------------------------------------------------------------------------------

/// One key and its value, as views into whatever they were read from.
struct Entry {
  std::string_view key;    ///< the key
  std::string_view value;  ///< its value
};

/// Entries that Iterator::next_page wrote into the caller's buffer; a view of that buffer.
class Page {
 public:
  /// Walks the packed entries: `u32 key length | u32 value length | key | value`, little-endian.
  class Cursor {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Entry;
    using difference_type = std::ptrdiff_t;
    using pointer = const Entry*;
    using reference = Entry;

    Cursor() noexcept = default;
    Entry operator*() const noexcept {
      const char* key = at_ + 8;
      return {{key, word(0)}, {key + word(0), word(4)}};
    }
    Cursor& operator++() noexcept {
      at_ += 8 + std::size_t{word(0)} + word(4);
      return *this;
    }
    Cursor operator++(int) noexcept {
      Cursor before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const Cursor& a, const Cursor& b) noexcept { return a.at_ == b.at_; }
    friend bool operator!=(const Cursor& a, const Cursor& b) noexcept { return a.at_ != b.at_; }

   private:
    friend class Page;
    explicit Cursor(const char* at) noexcept : at_(at) {}
    std::uint32_t word(std::size_t offset) const noexcept {
      const auto* b = reinterpret_cast<const unsigned char*>(at_) + offset;
      return std::uint32_t{b[0]} | std::uint32_t{b[1]} << 8 | std::uint32_t{b[2]} << 16 |
             std::uint32_t{b[3]} << 24;
    }
    const char* at_ = nullptr;
  };

  /// No entries.
  Page() noexcept = default;
  /// `count` entries in the `used` bytes at `data`, as warp_iter_next_page wrote them.
  Page(const void* data, std::size_t used, std::size_t count) noexcept
      : data_(static_cast<const char*>(data)), used_(used), count_(count) {}
  /// No entries, because the next one needs a buffer of `needed` bytes.
  explicit Page(std::size_t needed) noexcept : needed_(needed) {}

  /// The first entry.
  Cursor begin() const noexcept { return Cursor(data_); }
  /// Past the last entry.
  Cursor end() const noexcept { return Cursor(data_ + used_); }
  /// Number of entries.
  std::size_t count() const noexcept { return count_; }
  /// Whether the iterator was at its end.
  bool at_end() const noexcept { return count_ == 0 && needed_ == 0; }
  /// The bytes of buffer that the next entry needs, when not even that one fitted; else 0.
  std::size_t needed() const noexcept { return needed_; }
  /// The packed bytes.
  std::string_view packed() const noexcept { return detail::view(data_, used_); }

 private:
  const char* data_ = nullptr;
  std::size_t used_ = 0;
  std::size_t count_ = 0;
  std::size_t needed_ = 0;
};

/// Every key with a prefix, each exactly once if it exists for the whole life of the iterator, in
/// no particular order. It may outlive the database.
class Iterator {
 public:
  /// An iterator at its end.
  Iterator() noexcept = default;
  Iterator(Iterator&&) noexcept = default;
  Iterator& operator=(Iterator&&) noexcept = default;

  /// Moves to the next entry (warp_iter_next); false at the end. The first call moves to the first.
  Result<bool> next() {
    warp_slice key = {};
    warp_slice value = {};
    const warp_status status = warp_iter_next(raw_.get(), &key, &value);
    entry_ = {detail::view(key.data, key.len), detail::view(value.data, value.len)};
    return detail::yes_unless(status, WARP_NOT_FOUND);
  }
  /// The entry that next() moved to; its views hold until the next call on this iterator.
  const Entry& entry() const noexcept { return entry_; }

  /// Fills `buffer` with as many of the entries that follow as fit (warp_iter_next_page): one call
  /// for hundreds of records. A page without entries is the end, or says with needed() that the
  /// buffer is too small for the next entry, which is kept for the next call. The page is a view of
  /// `buffer`.
  Result<Page> next_page(void* buffer, std::size_t size) {
    std::size_t used = 0;
    std::size_t count = 0;
    const warp_status status = warp_iter_next_page(raw_.get(), buffer, size, &used, &count);
    if (status == WARP_OK) return Page(buffer, used, count);
    if (status == WARP_NOT_FOUND) return Page();
    if (status == WARP_BUFFER_TOO_SMALL) return Page(used);
    return Error::last(status);
  }

  /// What range-for walks with. Only one pass is possible: begin() moves the iterator itself.
  class Cursor {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Entry;
    using difference_type = std::ptrdiff_t;
    using pointer = const Entry*;
    using reference = const Entry&;

    Cursor() noexcept = default;
    const Entry& operator*() const noexcept { return owner_->entry_; }
    const Entry* operator->() const noexcept { return &owner_->entry_; }
    Cursor& operator++() {
      owner_ = owner_->step() ? owner_ : nullptr;
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Cursor& a, const Cursor& b) noexcept {
      return a.owner_ == b.owner_;
    }
    friend bool operator!=(const Cursor& a, const Cursor& b) noexcept {
      return a.owner_ != b.owner_;
    }

   private:
    friend class Iterator;
    explicit Cursor(Iterator* owner) noexcept : owner_(owner) {}
    Iterator* owner_ = nullptr;
  };

  /// Moves to the next entry. A failure throws Error; without exceptions it ends the loop, and
  /// status() tells.
  Cursor begin() { return Cursor(step() ? this : nullptr); }
  /// The end.
  Cursor end() noexcept { return Cursor(); }
  /// Success, or the failure that ended a range-for.
  const Result<void>& status() const noexcept { return status_; }
  /// The C handle, which stays with this object.
  warp_iter* raw() const noexcept { return raw_.get(); }

 private:
  friend class Database;
  explicit Iterator(warp_iter* raw) noexcept : raw_(raw) {}

  bool step() {
    if (!raw_.get()) return false;
    Result<bool> more = next();
    if (more) return *more;
#ifndef WARP_NO_EXCEPTIONS
    detail::raise(more.error());
#else
    status_ = std::move(more).error();
    return false;
#endif
  }

  detail::Handle<warp_iter, warp_iter_free> raw_;
  Entry entry_;
  Result<void> status_;
};

// ---------------------------------------------------------------------------------------------
// Keys that belong together
// ---------------------------------------------------------------------------------------------

/// What a rule does; combine with `|`.
enum class RuleFlags : std::uint32_t {
  place = WARP_RULE_PLACE,  ///< the keys of a group have one shard, and lie together once compacted
  link = WARP_RULE_LINK,    ///< get_linked of one key of a group returns the others
};
/// Both of two sets of flags.
constexpr RuleFlags operator|(RuleFlags a, RuleFlags b) noexcept {
  return static_cast<RuleFlags>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}

/// How long a value is expected to stay.
enum class Temperature : std::uint32_t { hot = WARP_HOT, warm = WARP_WARM, cold = WARP_COLD };

/// A key's value and those of its partners (Database::get_linked). The views hold as long as this,
/// whatever is written or closed meanwhile.
class Linked {
 public:
  /// One of them.
  struct Item {
    std::string_view key;    ///< the key
    std::string_view value;  ///< its value
    double strength;         ///< how strong the link is, above 0, up to 1
  };

  /// Number of values; the key's own is the first.
  std::size_t size() const noexcept { return warp_linked_count(raw_.get()); }
  /// The i-th, for i below size().
  Item operator[](std::size_t i) const noexcept {
    warp_slice key = {};
    warp_slice value = {};
    double strength = 0;
    warp_linked_at(raw_.get(), i, &key, &value, &strength);
    return {detail::view(key.data, key.len), detail::view(value.data, value.len), strength};
  }
  /// The C handle, which stays with this object.
  const warp_linked* raw() const noexcept { return raw_.get(); }

 private:
  friend class Database;
  explicit Linked(warp_linked* raw) noexcept : raw_(raw) {}
  detail::Handle<warp_linked, warp_linked_free> raw_;
};

// ---------------------------------------------------------------------------------------------
// The database
// ---------------------------------------------------------------------------------------------

/// A point in the order of writes (Database::token).
struct Token {
  std::uint64_t number;  ///< opaque; of use to the database that gave it alone
};

/// Counters and sizes; the fields are documented with warp_statistics in warp_engine.h.
using Statistics = warp_statistics;

/// An open database. Keys are 1 to 65,535 bytes, values 0 bytes to 1 GiB; bytes are opaque.
class Database {
 public:
  /// A closed handle.
  Database() noexcept = default;
  /// Moves the handle; no other thread may be using it.
  Database(Database&&) noexcept = default;
  /// Closes what was open here, as the destructor does, and takes over `other`.
  Database& operator=(Database&&) noexcept = default;

  /// Opens the database in the directory `path` (warp_open), creating it unless told not to.
  static Result<Database> open(const std::string& path, const Options& options = {}) {
    return open_(path.c_str(), options);
  }
  /// Opens a database in memory: the same behaviour, nothing on disk, gone at close.
  static Result<Database> open_in_memory(const Options& options = {}) {
    return open_(nullptr, options);
  }
  /// Flushes, checkpoints and closes (warp_close). The handle is gone whatever it returns; closing
  /// twice does nothing.
  Result<void> close() { return detail::done(warp_close(raw_.release())); }
  /// Whether the handle is open.
  bool is_open() const noexcept { return raw_.get() != nullptr; }

  /// Stores `value` under `key` (warp_put).
  Result<void> put(Bytes key, Bytes value) {
    return detail::done(
        warp_put(raw_.get(), key.data(), key.size(), value.data(), value.size()));
  }

  /// The value of `key`, copied; empty when there is none.
  Result<std::optional<std::string>> get(Bytes key) const {
    std::string out;
    Result<bool> found = get(key, out);
    if (!found) return std::move(found).error();
    if (!*found) return std::optional<std::string>();
    return std::optional<std::string>(std::move(out));
  }
  /// Copies the value of `key` into `out`, reusing its memory; false, and `out` empty, when there
  /// is none.
  Result<bool> get(Bytes key, std::string& out) const {
    // Small values are copied through the stack: one C call, no reference count.
    char small[512];
    std::size_t length = 0;
    const warp_status status =
        warp_get(raw_.get(), key.data(), key.size(), small, sizeof small, &length);
    if (status == WARP_OK) {
      out.assign(small, length);
      return true;
    }
    out.clear();
    if (status != WARP_BUFFER_TOO_SMALL) return detail::yes_unless(status, WARP_NOT_FOUND);
    // A pinned read has one length: between two copying reads the value may grow.
    Result<std::optional<Value>> value = get_pinned(key);
    if (!value) return std::move(value).error();
    if (!*value) return false;
    out.assign((*value)->view());
    return true;
  }
  /// Copies the value of `key` into the `size` bytes at `buffer` (warp_get). Nothing is copied when
  /// it does not fit; (nullptr, 0) asks for the length.
  Result<Copied> get_into(Bytes key, void* buffer, std::size_t size) const {
    return copied_(warp_get, key, buffer, size);
  }
  /// get_into that never waits for the disk (warp_get_nowait): Code::would_block instead.
  Result<Copied> get_nowait(Bytes key, void* buffer, std::size_t size) const {
    return copied_(warp_get_nowait, key, buffer, size);
  }
  /// Copies the value of `key` into the buffer unless it is still the one whose revision is `known`,
  /// which is then not even looked at (warp_get_if_changed); 0 knows none.
  Result<Changed> get_if_changed(Bytes key, std::uint64_t known, void* buffer,
                                 std::size_t size) const {
    return changed_(warp_get_if_changed, key, known, buffer, size);
  }
  /// get_if_changed that never waits for the disk (warp_get_if_changed_nowait).
  Result<Changed> get_if_changed_nowait(Bytes key, std::uint64_t known, void* buffer,
                                        std::size_t size) const {
    return changed_(warp_get_if_changed_nowait, key, known, buffer, size);
  }
  /// Whether a write of `key` might have to wait (warp_write_would_wait).
  Result<bool> write_would_wait(Bytes key) const {
    // NULL would ask for any key.
    const void* data = key.data() != nullptr ? static_cast<const void*>(key.data()) : "";
    return would_wait_(warp_write_would_wait(raw_.get(), data, key.size()));
  }
  /// Whether a write of any key might, for batches.
  Result<bool> write_would_wait() const {
    return would_wait_(warp_write_would_wait(raw_.get(), nullptr, 0));
  }
  /// The value of `key`, not copied (warp_get_pinned); empty when there is none.
  Result<std::optional<Value>> get_pinned(Bytes key) const {
    warp_value raw = {};
    const warp_status status = warp_get_pinned(raw_.get(), key.data(), key.size(), &raw);
    if (status == WARP_OK) return std::optional<Value>(Value::adopt(raw));
    if (status == WARP_NOT_FOUND) return std::optional<Value>();
    return Error::last(status);
  }
  /// get_pinned that never waits for the disk (warp_get_pinned_nowait): Code::would_block instead.
  Result<Pinned> get_pinned_nowait(Bytes key) const {
    warp_value raw = {};
    const warp_status status = warp_get_pinned_nowait(raw_.get(), key.data(), key.size(), &raw);
    if (status < 0) return Error::last(status);
    return Pinned{static_cast<Code>(status), Value::adopt(raw)};
  }
  /// Reads all keys of `request` in one call, their memory latencies overlapped (warp_multi_get).
  /// The answers are in `request`; those of an earlier call are given back first. An error of a
  /// single key is in its code, an error of the whole call in the result.
  Result<void> multi_get(MultiGet& request) const {
    request.release();
    const std::size_t n = request.keys_.size();
    request.values_.resize(n, warp_value{});
    request.statuses_.resize(n, WARP_NOT_FOUND);
    return detail::done(warp_multi_get(raw_.get(), n, request.keys_.data(),
                                       request.values_.data(), request.statuses_.data()));
  }
  /// The same with the keys in place: `db.multi_get({"a", "b"})`.
  Result<MultiGet> multi_get(std::initializer_list<Bytes> keys) const {
    return multi_get_(MultiGet(keys));
  }
  /// The same for a container of strings, views or anything else that converts to Bytes. The keys
  /// must stay until the call returns.
  template <class C, class = std::enable_if_t<
                         std::is_convertible_v<decltype(*std::declval<const C&>().begin()), Bytes>>>
  Result<MultiGet> multi_get(const C& keys) const {
    MultiGet request;
    for (const auto& key : keys) request.add(key);
    return multi_get_(std::move(request));
  }
  /// Whether `key` exists (warp_exists).
  Result<bool> exists(Bytes key) const {
    return detail::yes_unless(warp_exists(raw_.get(), key.data(), key.size()), WARP_NOT_FOUND);
  }
  /// exists that never waits for the disk (warp_exists_nowait): Code::ok, Code::not_found or
  /// Code::would_block.
  Result<Code> exists_nowait(Bytes key) const {
    const warp_status status = warp_exists_nowait(raw_.get(), key.data(), key.size());
    if (status < 0) return Error::last(status);
    return static_cast<Code>(status);
  }
  /// Deletes `key` (warp_delete); false when there was nothing to delete.
  Result<bool> erase(Bytes key) {
    return detail::yes_unless(warp_delete(raw_.get(), key.data(), key.size()), WARP_NOT_FOUND);
  }
  /// Stores `desired` if the current value is `expected` (warp_compare_and_swap); false, and
  /// nothing changed, when it is another. No `expected` (std::nullopt): the key must not exist. No
  /// `desired`: delete.
  Result<bool> compare_and_swap(Bytes key, std::optional<Bytes> expected,
                                std::optional<Bytes> desired) {
    const warp_slice old_value = expected.value_or(Bytes()).slice();
    const warp_slice new_value = desired.value_or(Bytes()).slice();
    return detail::yes_unless(
        warp_compare_and_swap(raw_.get(), key.data(), key.size(), expected ? &old_value : nullptr,
                              desired ? &new_value : nullptr),
        WARP_CONFLICT);
  }

  /// Writes all operations of `batch` or none (warp_write). The batch stays as it is.
  Result<void> write(const Batch& batch) {
    return detail::done(warp_write(raw_.get(), batch.raw()));
  }
  /// The same from a buffer in the packed form (warp_write_encoded): `u8 kind (1 put, 2 delete) |
  /// u32 key length | u32 value length | key | value`, little-endian, repeated.
  Result<void> write_encoded(Bytes packed) {
    return detail::done(warp_write_encoded(raw_.get(), packed.data(), packed.size()));
  }

  /// Every key that starts with `prefix` (warp_iter_new); all keys when it is empty.
  Result<Iterator> iterate(Bytes prefix = {}) const {
    warp_iter* raw = nullptr;
    const warp_status status = warp_iter_new(raw_.get(), prefix.data(), prefix.size(), &raw);
    if (status != WARP_OK) return Error::last(status);
    return Iterator(raw);
  }

  /// Returns once everything acknowledged before the call is on the device (warp_sync).
  Result<void> sync() { return detail::done(warp_sync(raw_.get())); }
  /// A token that covers every write acknowledged before the call (warp_token).
  Token token() const noexcept { return {warp_token(raw_.get())}; }
  /// Waits until the writes that `token` covers are on the device (warp_wait_durable), starting a
  /// sync if none is due. Code::timeout when `timeout` passed first; 49 days are the longest.
  Result<void> wait_durable(Token token, std::chrono::nanoseconds timeout) {
    return detail::done(
        warp_wait_durable(raw_.get(), token.number, detail::milliseconds(timeout)));
  }
  /// Whether the writes that `token` covers are on the device, without waiting (warp_is_durable).
  Result<bool> is_durable(Token token) const {
    return detail::yes_unless(warp_is_durable(raw_.get(), token.number), WARP_WOULD_BLOCK);
  }
  /// Checkpoints all shards while reads and writes go on (warp_checkpoint): afterwards everything
  /// acknowledged before the call is on the device, and a reopen replays only what came later.
  Result<void> checkpoint() { return detail::done(warp_checkpoint(raw_.get())); }
  /// Makes a consistent copy in the directory `path` that opens as a database of its own
  /// (warp_backup).
  Result<void> backup(const std::string& path) {
    return detail::done(warp_backup(raw_.get(), path.c_str()));
  }
  /// Reclaims what can be reclaimed now (warp_compact).
  Result<void> compact() { return detail::done(warp_compact(raw_.get())); }

  /// Counters and sizes (warp_stats).
  Result<Statistics> stats() const {
    Statistics out = {};
    out.struct_size = sizeof out;
    const warp_status status = warp_stats(raw_.get(), &out);
    if (status != WARP_OK) return Error::last(status);
    return out;
  }
  /// Everything that is known, per shard too, as JSON (warp_stats_json).
  Result<std::string> stats_json() const { return string_(warp_stats_json); }
  /// The same as OpenMetrics text for a scraper (warp_stats_openmetrics).
  Result<std::string> stats_openmetrics() const { return string_(warp_stats_openmetrics); }
  /// What the load monitor has to tell from event number `from` on, as JSON (warp_events_json).
  Result<std::string> events_json(std::uint64_t from = 0) const {
    return string_([from](warp_db* db, char** out) { return warp_events_json(db, from, out); });
  }

  /// Stores a value with a hint of how long it will stay (warp_put_hinted).
  Result<void> put_hinted(Bytes key, Bytes value, Temperature hint) {
    return detail::done(warp_put_hinted(raw_.get(), key.data(), key.size(), value.data(),
                                        value.size(), static_cast<std::uint32_t>(hint)));
  }
  /// Adds a rule: keys that fit its patterns belong together (warp_add_rule).
  Result<void> add_rule(const std::vector<std::string>& patterns,
                        RuleFlags flags = RuleFlags::place | RuleFlags::link) {
    std::vector<warp_slice> slices;
    slices.reserve(patterns.size());
    for (const std::string& pattern : patterns) {
      slices.push_back({reinterpret_cast<const std::uint8_t*>(pattern.data()), pattern.size()});
    }
    return detail::done(warp_add_rule(raw_.get(), slices.size(), slices.data(),
                                      static_cast<std::uint32_t>(flags)));
  }
  /// Removes the rule that begins with `pattern`; false if there is none (warp_remove_rule).
  Result<bool> remove_rule(Bytes pattern) {
    return detail::yes_unless(warp_remove_rule(raw_.get(), pattern.data(), pattern.size()),
                              WARP_NOT_FOUND);
  }
  /// All rules as JSON (warp_rules_json).
  Result<std::string> rules_json() const { return string_(warp_rules_json); }
  /// The shard of a key (warp_shard_of).
  Result<std::uint32_t> shard_of(Bytes key) const {
    std::uint32_t shard = 0;
    const warp_status status = warp_shard_of(raw_.get(), key.data(), key.size(), &shard);
    if (status != WARP_OK) return Error::last(status);
    return shard;
  }
  /// The core that works for a shard (warp_shard_cpu).
  Result<std::uint32_t> shard_cpu(std::uint32_t shard) const {
    std::uint32_t cpu = 0;
    const warp_status status = warp_shard_cpu(raw_.get(), shard, &cpu);
    if (status != WARP_OK) return Error::last(status);
    return cpu;
  }
  /// Moves slots from hot shards to cool ones; returns how many (warp_rebalance).
  Result<std::uint64_t> rebalance() {
    std::uint64_t moved = 0;
    const warp_status status = warp_rebalance(raw_.get(), &moved);
    if (status != WARP_OK) return Error::last(status);
    return moved;
  }
  /// Moves one slot, 0 to 4,095, to a shard, whatever the load (warp_move_slot).
  Result<void> move_slot(std::uint32_t slot, std::uint32_t shard) {
    return detail::done(warp_move_slot(raw_.get(), slot, shard));
  }
  /// Links `to` to `from`, in this direction (warp_link).
  Result<void> link(Bytes from, Bytes to, double strength = 1.0) {
    return detail::done(
        warp_link(raw_.get(), from.data(), from.size(), to.data(), to.size(), strength));
  }
  /// Takes a link away; false if there was none (warp_unlink).
  Result<bool> unlink(Bytes from, Bytes to) {
    return detail::yes_unless(
        warp_unlink(raw_.get(), from.data(), from.size(), to.data(), to.size()), WARP_NOT_FOUND);
  }
  /// A key's value and those of its partners, latencies overlapped; nothing if the key does not
  /// exist (warp_get_linked).
  Result<std::optional<Linked>> get_linked(Bytes key) const {
    warp_linked* raw = nullptr;
    const warp_status status = warp_get_linked(raw_.get(), key.data(), key.size(), &raw);
    if (status == WARP_NOT_FOUND) return std::optional<Linked>();
    if (status != WARP_OK) return Error::last(status);
    return std::optional<Linked>(Linked(raw));
  }

  /// The partners of `key` without their values, whether they and the key exist or not
  /// (warp_partners).
  Result<Linked> partners(Bytes key) const {
    warp_linked* raw = nullptr;
    const warp_status status = warp_partners(raw_.get(), key.data(), key.size(), &raw);
    if (status != WARP_OK) return Error::last(status);
    return Linked(raw);
  }

  /// The C handle, which stays with this object.
  warp_db* raw() const noexcept { return raw_.get(); }

 private:
  explicit Database(warp_db* raw) noexcept : raw_(raw) {}

  static Result<bool> would_wait_(warp_status status) {
    if (status < 0) return Error::last(status);
    return status == WARP_WOULD_BLOCK;
  }

  static Result<Database> open_(const char* path, const Options& options) {
    if (!options.status()) return options.status().error();
    warp_db* raw = nullptr;
    const warp_status status = warp_open(path, options.raw(), &raw);
    if (status != WARP_OK) return Error::last(status);
    return Database(raw);
  }

  template <class F>
  Result<std::string> string_(F call) const {
    char* raw = nullptr;
    const warp_status status = call(raw_.get(), &raw);
    if (status != WARP_OK) return Error::last(status);
    const detail::Handle<char, warp_string_free> text(raw);
    return std::string(text.get());
  }

  template <class F>
  Result<Copied> copied_(F call, Bytes key, void* buffer, std::size_t size) const {
    std::size_t length = 0;
    const warp_status status = call(raw_.get(), key.data(), key.size(), buffer, size, &length);
    if (status < 0) return Error::last(status);
    const bool known = status == WARP_OK || status == WARP_BUFFER_TOO_SMALL;
    return Copied{static_cast<Code>(status), known ? length : 0};
  }

  template <class F>
  Result<Changed> changed_(F call, Bytes key, std::uint64_t known, void* buffer,
                           std::size_t size) const {
    std::size_t length = 0;
    std::uint64_t revision = 0;
    const warp_status status =
        call(raw_.get(), key.data(), key.size(), known, buffer, size, &length, &revision);
    if (status < 0) return Error::last(status);
    return Changed{static_cast<Code>(status), length, revision};
  }

  Result<MultiGet> multi_get_(MultiGet request) const {
    Result<void> called = multi_get(request);
    if (!called) return std::move(called).error();
    return Result<MultiGet>(std::move(request));
  }

  detail::Handle<warp_db, detail::close_quietly> raw_;
};

}  // inline namespace
}  // namespace warp

#endif  // WARP_ENGINE_HPP
