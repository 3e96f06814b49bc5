// The data set that every language writes and every other language reads; the rules are in
// tests/conformance/README.md. A failure throws std::runtime_error or warp::Error.
#ifndef WARP_TEST_DATASET_HH
#define WARP_TEST_DATASET_HH

#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <warp_engine.hpp>

namespace dataset {

inline constexpr std::uint64_t indices = 3000;
inline constexpr std::uint64_t block = 100;
// What tests/conformance/dataset.py prints.
inline constexpr const char* expected = "2546 keys, digest 2b20ddfbe9d6b535";

// The SplitMix64 step: 64 well-mixed bits of a number.
inline std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

inline std::string key(std::uint64_t i) {
  const std::string number = std::to_string(i);
  std::string bytes;
  switch (i % 4) {
    case 0:
      return "key-" + number;
    case 1:
      for (unsigned n = 0; n < 8; ++n) bytes += static_cast<char>(mix(i) >> (8 * n) & 0xFF);
      return bytes;
    case 2:
      return std::string(1, '\0') + number + '\xff';
    default:
      return std::string(mix(i) % 500, 'k') + '-' + number;
  }
}

inline std::string value(std::uint64_t i, unsigned generation) {
  const std::uint64_t s = mix(8 * i + generation);
  const std::uint64_t length = i == 1000         ? std::uint64_t{3} << 20
                               : i % 250 == 249 ? 60000 + 37 * i
                                                : s % 400;
  std::string bytes(length, '\0');
  for (std::uint64_t j = 0; j < length; ++j) {
    bytes[j] = static_cast<char>(((s >> 16) + 7 * j + (j >> 8)) & 0xFF);
  }
  return bytes;
}

// The generation of a key before the compare-and-swaps of the last step.
inline std::optional<unsigned> generation_before(std::uint64_t i) {
  if (i % 13 == 0 || i % 11 == 0) return std::nullopt;
  return i % 7 == 0 ? 2u : i % 5 == 0 ? 1u : 0u;
}

// The generation that a key ends with.
inline std::optional<unsigned> final_generation(std::uint64_t i) {
  return i % 17 == 0 ? 3u : generation_before(i);
}

inline void require(bool holds, const char* what, std::uint64_t i) {
  if (!holds) {
    throw std::runtime_error("data set: " + std::string(what) + ' ' + std::to_string(i) +
                             " is wrong");
  }
}

// Appends one operation in the packed form; without a value it is a delete.
inline void pack(std::string& packed, const std::string& name, const std::string* bytes) {
  const std::size_t lengths[] = {name.size(), bytes ? bytes->size() : 0};
  packed += bytes ? '\1' : '\2';
  for (unsigned n = 0; n < 8; ++n) {
    packed += static_cast<char>(lengths[n / 4] >> (8 * (n % 4)) & 0xFF);
  }
  packed += name;
  if (bytes) packed += *bytes;
}

// One batch for 100 indices; the packed form for every other one.
inline void write_block(warp::Database& db, std::uint64_t number) {
  warp::Batch batch;
  std::string packed;
  for (std::uint64_t i = number * block; i < (number + 1) * block; ++i) {
    if (i % 7 == 0) {
      const std::string bytes = value(i, 2);
      batch.put(key(i), bytes).value();
      pack(packed, key(i), &bytes);
    }
    if (i % 11 == 0) {
      batch.erase(key(i)).value();
      pack(packed, key(i), nullptr);
    }
  }
  (number % 2 == 0 ? db.write(batch) : db.write_encoded(packed)).value();
}

// Creates the data set in `dir`, which must not exist.
inline void write(const std::string& dir) {
  warp::Options options;
  options.shards(5).durability(warp::Durability::process).error_if_exists(true);
  warp::Database db = warp::Database::open(dir, options).value();
  for (std::uint64_t i = 0; i < indices; ++i) db.put(key(i), value(i, 0)).value();
  for (std::uint64_t i = 0; i < indices; i += 5) db.put(key(i), value(i, 1)).value();
  db.checkpoint().value();
  for (std::uint64_t n = 0; n < indices / block; ++n) write_block(db, n);
  for (std::uint64_t i = 0; i < indices; i += 13) {
    require(db.erase(key(i)).value() == (i % 11 != 0), "delete", i);
  }
  for (std::uint64_t i = 0; i < indices; i += 17) {
    std::optional<std::string> current;
    if (const auto generation = generation_before(i)) current = value(i, *generation);
    require(db.compare_and_swap(key(i), current, value(i, 3)).value(), "compare and swap", i);
  }
  db.sync().value();
  db.close().value();
}

// Checks every key and value of the data set in `dir`, changes nothing, and returns the summary
// that every language prints.
inline std::string read(const std::string& dir) {
  warp::Database db = warp::Database::open(dir, warp::Options().read_only(true)).value();
  std::map<std::string, std::string, std::less<>> wanted;
  std::uint64_t digest = 0xCBF29CE484222325u;
  for (std::uint64_t i = 0; i < indices; ++i) {
    std::optional<std::string> bytes;
    if (const auto generation = final_generation(i)) bytes = value(i, *generation);
    require(db.get(key(i)).value() == bytes, "get", i);
    if (!bytes) continue;
    for (const char c : key(i) + *bytes) {
      digest = (digest ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
    }
    wanted.emplace(key(i), *std::move(bytes));
  }
  const std::size_t keys = wanted.size();
  const warp::Statistics stats = db.stats().value();
  require(stats.keys == keys, "the number of keys", stats.keys);
  require(stats.shards == 5, "the number of shards", stats.shards);
  for (const warp::Entry& entry : db.iterate().value()) {
    const auto found = wanted.find(entry.key);
    require(found != wanted.end() && found->second == entry.value, "the iterator with", keys);
    wanted.erase(found);
  }
  require(wanted.empty(), "keys missing in the iterator:", wanted.size());
  db.close().value();
  char text[64];
  std::snprintf(text, sizeof text, "%zu keys, digest %016llx", keys,
                static_cast<unsigned long long>(digest));
  return text;
}

}  // namespace dataset

#endif
