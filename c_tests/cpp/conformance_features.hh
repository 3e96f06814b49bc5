// The steps about reads that do not wait, hints, rules, placement, links and the load monitor.
#ifndef WARP_TEST_CONFORMANCE_FEATURES_HH
#define WARP_TEST_CONFORMANCE_FEATURES_HH

#include "conformance.hh"

namespace features {

inline std::vector<std::string> all_bytes(const Node& list) {
  std::vector<std::string> all;
  for (const Node& one : list.children()) all.push_back(one.bytes());
  return all;
}

// A tree that is freed.
class Tree {
 public:
  explicit Tree(const std::string& text) : raw_(json_parse(text.data(), text.size(), &stopped_)) {
    if (!raw_) throw Difference("no JSON, from byte " + std::to_string(stopped_));
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  ~Tree() { json_free(raw_); }
  Node node() const { return Node(raw_); }

 private:
  std::size_t stopped_ = 0;
  json* raw_;
};

inline std::uint32_t word(const Node& step, const char* field) {
  return static_cast<std::uint32_t>(step[field].number());
}

inline Code get_pinned_nowait(const warp::Database& db, const Node& step) {
  const auto got = db.get_pinned_nowait(step["key"].bytes());
  if (!got) return got.code();
  if (*got) compare("value", got->value.view(), step["value"].bytes());
  return got->code;
}

inline Code rules(const warp::Database& db, const Node& step) {
  const auto text = db.rules_json();
  if (!text) return text.code();
  const Tree tree(*text);
  const std::vector<Node> got = tree.node()["rules"].children();
  const std::vector<Node> wanted = step["rules"].children();
  compare("number of rules", got.size(), wanted.size());
  for (std::size_t n = 0; n < got.size(); ++n) {
    const std::uint64_t flags = (got[n]["place"].is_true() ? std::uint64_t{WARP_RULE_PLACE} : 0) |
                                (got[n]["link"].is_true() ? std::uint64_t{WARP_RULE_LINK} : 0);
    compare("flags of a rule", flags, wanted[n]["flags"].number());
    if (all_bytes(got[n]["patterns"]) != all_bytes(wanted[n]["patterns"])) {
      throw Difference("the patterns of rule " + std::to_string(n) + " differ");
    }
  }
  return Code::ok;
}

inline Code same_shard(const warp::Database& db, const Node& step) {
  std::optional<std::uint32_t> first;
  for (const std::string& key : all_bytes(step["keys"])) {
    const auto shard = db.shard_of(key);
    if (!shard) return shard.code();
    if (!first) first = *shard;
    compare("shard", *shard, *first);
  }
  return Code::ok;
}

inline Code shard_of(const warp::Database& db, const Node& step) {
  const auto shard = db.shard_of(step["key"].bytes());
  if (shard) compare("shard", *shard, step["shard"].number());
  return shard.code();
}

inline Code move_slots(warp::Database& db, const Node& step) {
  const std::uint32_t first = word(step, "first");
  for (std::uint32_t n = 0; n < word(step, "count"); ++n) {
    const auto moved = db.move_slot(first + n, word(step, "shard"));
    if (!moved) return moved.code();
  }
  return Code::ok;
}

inline Code rebalance(warp::Database& db, const Node& step) {
  const auto moved = db.rebalance();
  if (!moved) return moved.code();
  if (!step.has("at_least")) {
    compare("slots moved", *moved, step["moved"].number());
  } else if (*moved < step["at_least"].number()) {
    throw Difference("only " + std::to_string(*moved) + " slots moved");
  }
  return Code::ok;
}

inline Code get_linked(const warp::Database& db, const Node& step) {
  const auto got = db.get_linked(step["key"].bytes());
  if (!got) return got.code();
  if (!*got) return Code::not_found;
  const std::vector<Node> wanted = step["linked"].children();
  compare("number of values", (*got)->size(), wanted.size());
  for (std::size_t n = 0; n < wanted.size(); ++n) {
    const warp::Linked::Item item = (**got)[n];
    const std::vector<Node> triple = wanted[n].children();
    compare("key", item.key, triple.at(0).bytes());
    compare("value", item.value, triple.at(1).bytes());
    // Exact: the strengths of the files have few digits.
    if (item.strength < triple.at(2).fraction() || item.strength > triple.at(2).fraction()) {
      throw Difference("a link has the strength " + std::to_string(item.strength));
    }
  }
  return Code::ok;
}

inline Code partners(const warp::Database& db, const Node& step) {
  const auto got = db.partners(step["key"].bytes());
  if (!got) return got.code();
  const std::vector<Node> wanted = step["partners"].children();
  compare("number of partners", got->size(), wanted.size());
  for (std::size_t n = 0; n < wanted.size(); ++n) {
    const warp::Linked::Item item = (*got)[n];
    const std::vector<Node> pair = wanted[n].children();
    compare("partner", item.key, pair.at(0).bytes());
    compare("length of its value", item.value.size(), 0);
    if (item.strength < pair.at(1).fraction() || item.strength > pair.at(1).fraction()) {
      throw Difference("a partner has the strength " + std::to_string(item.strength));
    }
  }
  return Code::ok;
}

inline Code events(const warp::Database& db, const Node& step) {
  const auto text = db.events_json(step["from"].number());
  if (!text) return text.code();
  const Tree tree(*text);
  const std::vector<Node> got = tree.node()["events"].children();
  const std::vector<Node> kinds = step["kinds"].children();
  compare("next", tree.node()["next"].number(), step["next"].number());
  compare("number of events", got.size(), kinds.size());
  for (std::size_t n = 0; n < got.size(); ++n) {
    compare("kind", got[n]["kind"].text(), kinds[n].text());
  }
  return Code::ok;
}

inline Code openmetrics(const warp::Database& db, const Node& step) {
  const auto text = db.stats_openmetrics();
  if (!text) return text.code();
  for (const Node& line : step["lines"].children()) {
    if (("\n" + *text).find("\n" + line.text() + "\n") == std::string::npos) {
      throw Difference("the text lacks the line " + line.text());
    }
  }
  const std::string end = "\n# EOF\n";
  if (text->size() < end.size() || text->substr(text->size() - end.size()) != end) {
    throw Difference("the text has no end");
  }
  return Code::ok;
}

}  // namespace features

// Runs a step of these; any other is not known.
inline Code feature(warp::Database& db, const std::string& op, const Node& step) {
  using namespace features;
  if (op == "put_hinted") {
    const auto hint = static_cast<warp::Temperature>(word(step, "hint"));
    return db.put_hinted(step["key"].bytes(), step["value"].bytes(), hint).code();
  }
  if (op == "exists_nowait") {
    const auto got = db.exists_nowait(step["key"].bytes());
    return got ? *got : got.code();
  }
  if (op == "get_pinned_nowait") return get_pinned_nowait(db, step);
  if (op == "add_rule") {
    const auto flags = static_cast<warp::RuleFlags>(word(step, "flags"));
    return db.add_rule(all_bytes(step["patterns"]), flags).code();
  }
  if (op == "remove_rule") return yes(db.remove_rule(step["pattern"].bytes()), Code::not_found);
  if (op == "rules") return rules(db, step);
  if (op == "same_shard") return same_shard(db, step);
  if (op == "shard_of") return shard_of(db, step);
  if (op == "shard_cpu") return db.shard_cpu(word(step, "shard")).code();
  if (op == "move_slots") return move_slots(db, step);
  if (op == "rebalance") return rebalance(db, step);
  if (op == "link") {
    return db.link(step["from"].bytes(), step["to"].bytes(), step["strength"].fraction()).code();
  }
  if (op == "unlink") {
    return yes(db.unlink(step["from"].bytes(), step["to"].bytes()), Code::not_found);
  }
  if (op == "get_linked") return get_linked(db, step);
  if (op == "partners") return partners(db, step);
  if (op == "events") return events(db, step);
  if (op == "openmetrics") return openmetrics(db, step);
  throw Difference("the operation is not known");
}

#endif
