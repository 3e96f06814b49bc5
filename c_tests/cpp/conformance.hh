// What the steps of a conformance file are made of, and how answers are compared with them.
#ifndef WARP_TEST_CONFORMANCE_HH
#define WARP_TEST_CONFORMANCE_HH

#include "../json.h"

#include <warp_engine.hpp>

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

using warp::Code;

// What differs between the file and the engine.
struct Difference : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// One JSON node, as the steps use it.
class Node {
 public:
  explicit Node(const json* raw) : raw_(raw) {}

  bool has(const char* field) const { return json_get(raw_, field) != nullptr; }
  Node operator[](const char* field) const {
    const json* node = json_get(raw_, field);
    if (!node) throw Difference(std::string("the field ") + field + " is missing");
    return Node(node);
  }
  bool is_null() const { return raw_->kind == JSON_NULL; }
  bool is_list() const { return raw_->kind == JSON_LIST; }
  std::string text() const {
    if (raw_->kind != JSON_STRING) throw Difference("a text is missing");
    return std::string(raw_->text, raw_->len);
  }
  std::uint64_t number() const {
    if (raw_->kind != JSON_NUMBER) throw Difference("a number is missing");
    return static_cast<std::uint64_t>(raw_->number);
  }
  double fraction() const {
    if (raw_->kind != JSON_NUMBER) throw Difference("a number is missing");
    return raw_->number;
  }
  bool is_true() const { return raw_->kind == JSON_TRUE; }
  std::int32_t code() const { return static_cast<std::int32_t>(raw_->number); }
  std::string name() const { return raw_->name; }
  std::vector<Node> children() const {
    std::vector<Node> all;
    all.reserve(json_count(raw_));
    for (const json* child = raw_->child; child; child = child->next) all.emplace_back(child);
    return all;
  }
  // The bytes of one form.
  std::string bytes() const;
  // The bytes of one form, or nothing for null.
  std::optional<std::string> optional_bytes() const {
    return is_null() ? std::nullopt : std::optional<std::string>(bytes());
  }

 private:
  const json* raw_;
};

inline std::string unhex(const std::string& digits) {
  std::string bytes;
  for (std::size_t n = 0; n + 1 < digits.size(); n += 2) {
    bytes += static_cast<char>(std::stoul(digits.substr(n, 2), nullptr, 16));
  }
  return bytes;
}

inline std::string Node::bytes() const {
  if (raw_->kind == JSON_STRING) return text();
  if (has("hex")) return unhex((*this)["hex"].text());
  std::string all;
  if (has("repeat")) {
    const std::vector<Node> pair = (*this)["repeat"].children();
    const std::string unit = unhex(pair.at(0).text());
    all.reserve(unit.size() * pair.at(1).number());
    for (std::uint64_t n = 0; n < pair.at(1).number(); ++n) all += unit;
    return all;
  }
  for (const Node& part : (*this)["concat"].children()) all += part.bytes();
  return all;
}

inline void compare(const char* what, std::string_view got, const std::string& wanted) {
  if (got != wanted) {
    throw Difference(std::string(what) + ": the answer of " + std::to_string(got.size()) +
                     " bytes differs from the " + std::to_string(wanted.size()) + " of the file");
  }
}

inline void compare(const std::string& what, std::uint64_t got, std::uint64_t wanted) {
  if (got != wanted) {
    throw Difference(what + ": answered " + std::to_string(got) + ", the file says " +
                     std::to_string(wanted));
  }
}

inline void expect(const Node& step, Code got) {
  const std::string name = warp::code_name(got);
  if (!step.has("expect")) {
    if (got != Code::ok) throw Difference("answered " + name);
    return;
  }
  const Node wanted = step["expect"];
  for (const Node& one : wanted.is_list() ? wanted.children() : std::vector<Node>{wanted}) {
    if (one.text() == name) return;
  }
  throw Difference("answered " + name + ", the file expects another");
}

// The code of a call that answers yes or no.
inline Code yes(const warp::Result<bool>& result, Code no) {
  return !result ? result.code() : *result ? Code::ok : no;
}

// Compares an answer that may be none.
template <class T>
Code compare_value(const Node& step, const warp::Result<std::optional<T>>& result) {
  if (!result) return result.code();
  if (!*result) return Code::not_found;
  compare("value", std::string_view(**result), step["value"].bytes());
  return Code::ok;
}

#endif
