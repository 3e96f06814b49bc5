// The conformance suite, run by the C++ interface.
//
//     conformance_cpp run FILE.json …   run these files (tests/conformance/README.md)
//     conformance_cpp write DIR         write the data set
//     conformance_cpp read DIR          check it
//
// The exit status is 1 if anything differs.
#include "conformance.hh"
#include "conformance_features.hh"
#include "dataset.hh"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <unistd.h>

namespace {

using Entries = std::map<std::string, std::string, std::less<>>;

// The state between the steps of one file.
class Runner {
 public:
  explicit Runner(bool in_memory) : in_memory_(in_memory) {
    if (in_memory) return;
    std::string name = (std::filesystem::temp_directory_path() / "warp-conformance-XXXXXX");
    if (!mkdtemp(name.data())) throw std::runtime_error("no temporary directory");
    root_ = name;
  }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  ~Runner() {
    static_cast<void>(db_.close());
    std::error_code ignored;
    if (!in_memory_) std::filesystem::remove_all(root_, ignored);
  }

  void run(const Node& step) {
    const std::string op = step["op"].text();
    const auto found = operations().find(op);
    expect(step, found == operations().end() ? feature(db_, op, step) : found->second(*this, step));
  }

  Code open_with(const std::string& dir, const std::optional<Node>& settings, warp::Database& out) {
    warp::Options options;
    for (const Node& one : settings ? settings->children() : std::vector<Node>()) {
      options.with(one.name().c_str(), one.text());
    }
    auto opened = in_memory_ ? warp::Database::open_in_memory(options)
                             : warp::Database::open(root_ / dir, options);
    if (!opened) return opened.code();
    out = std::move(opened).value();
    return Code::ok;
  }

  // The open of the file itself.
  void start(const Node& options) {
    options_ = options;
    if (open_with(dir_, options_, db_) != Code::ok) throw Difference("open fails");
  }

 private:
  using Operation = std::function<Code(Runner&, const Node&)>;
  static const std::map<std::string, Operation>& operations();

  Code open(const Node& step) {
    const std::string op = step["op"].text();
    if (op == "close" || op == "reopen") {
      const Code closed = db_.close().code();
      if (op == "close" || closed != Code::ok) return closed;
    }
    std::string dir = step.has("dir") ? step["dir"].text() : "db";
    std::optional<Node> options;
    if (step.has("options")) options = step["options"];
    if (op == "reopen") {
      dir = dir_;
      if (!options) options = options_;
    }
    warp::Database db;
    const Code code = open_with(dir, options, db);
    if (op == "open_second") return code;
    if (db_.is_open()) throw Difference("a database is open already");
    if (code == Code::ok) {
      db_ = std::move(db);
      dir_ = dir;
      options_ = options;
    }
    return code;
  }

  Code read_into(const Node& step) {
    const std::size_t room = step["capacity"].number();
    std::string buffer(room, '\xee');
    const std::string key = step["key"].bytes();
    const bool into = step["op"].text() == "get_into";
    const auto got = into ? db_.get_into(key, buffer.data(), room)
                          : db_.get_nowait(key, buffer.data(), room);
    if (!got) return got.code();
    const std::size_t written = got->code == Code::ok ? got->length : 0;
    compare("the rest of the buffer", std::string_view(buffer).substr(written),
            std::string(room - written, '\xee'));
    if (got->code == Code::ok || got->code == Code::buffer_too_small) {
      compare("length", got->length, step["length"].number());
    }
    if (*got) compare("value", std::string_view(buffer).substr(0, written), step["value"].bytes());
    return got->code;
  }

  Code changed(const Node& step) {
    const std::size_t room = step["capacity"].number();
    const std::uint64_t known = step.has("known") ? revision(step["known"].text()) : 0;
    std::string buffer(room, '\xee');
    const std::string key = step["key"].bytes();
    const auto got = step["op"].text() == "get_if_changed"
                         ? db_.get_if_changed(key, known, buffer.data(), room)
                         : db_.get_if_changed_nowait(key, known, buffer.data(), room);
    if (!got) return got.code();
    const std::size_t written = *got ? got->length : 0;
    compare("bytes after the value", std::string_view(buffer).substr(written),
            std::string(room - written, '\xee'));
    if (got->code == Code::ok || got->code == Code::buffer_too_small) {
      compare("length", got->length, step["length"].number());
      if (got->revision == 0 || got->revision == known) throw Difference("no new revision");
      if (step.has("as")) revisions_[step["as"].text()] = got->revision;
    } else {
      compare("length of no value", got->length, 0);
      compare("revision", got->revision, got->code == Code::unchanged ? known : 0);
    }
    if (*got) compare("value", std::string_view(buffer).substr(0, written), step["value"].bytes());
    return got->code;
  }

  std::uint64_t revision(const std::string& name) {
    const auto found = revisions_.find(name);
    if (found == revisions_.end()) throw Difference("no such revision");
    return found->second;
  }

  Code pin(const Node& step) {
    auto got = db_.get_pinned(step["key"].bytes());
    const Code code = compare_value(step, got);
    if (code == Code::ok) pins_[step["as"].text()] = std::move(**got);
    return code;
  }

  Code multi_get(const Node& step) {
    std::vector<std::string> keys;
    for (const Node& key : step["keys"].children()) keys.push_back(key.bytes());
    const std::vector<Node> answers = step["answers"].children();
    compare("number of answers", keys.size(), answers.size());
    const auto got = db_.multi_get(keys);
    if (!got) return got.code();
    for (std::size_t n = 0; n < keys.size(); ++n) {
      expect(answers[n], got->code(n));
      const bool found = got->found(n);
      compare("value", got->value(n), found ? answers[n]["value"].bytes() : std::string());
    }
    return Code::ok;
  }

  Code batch(const Node& step) {
    warp::Batch batch;
    for (const Node& op : step["ops"].children()) {
      const std::string key = op["key"].bytes();
      expect(op, op["op"].text() == "put" ? batch.put(key, op["value"].bytes()).code()
                                          : batch.erase(key).code());
    }
    if (step.has("count")) compare("count", batch.count(), step["count"].number());
    return db_.write(batch).code();
  }

  static void add(Entries& all, const warp::Entry& entry) {
    if (!all.emplace(entry.key, entry.value).second) throw Difference("a key came twice");
  }

  static Code compare_entries(const Node& step, const Entries& got) {
    Entries wanted;
    for (const Node& pair : step["entries"].children()) {
      wanted.emplace(pair.children().at(0).bytes(), pair.children().at(1).bytes());
    }
    compare("number of entries", got.size(), wanted.size());
    if (got != wanted) throw Difference("the entries differ");
    return Code::ok;
  }

  Code iterate(const Node& step) {
    auto iter = db_.iterate(step["prefix"].bytes());
    if (!iter) return iter.code();
    Entries all;
    for (const auto& entry : *iter) add(all, entry);
    return compare_entries(step, all);
  }

  Code pages(const Node& step) {
    auto iter = db_.iterate(step["prefix"].bytes());
    if (!iter) return iter.code();
    Entries all;
    std::string buffer(step["buffer"].number(), '\0');
    for (;;) {
      const auto page = iter->next_page(buffer.data(), buffer.size());
      if (!page) return page.code();
      if (page->needed() > 0) {
        if (page->needed() <= buffer.size()) throw Difference("the needed size is wrong");
        return Code::buffer_too_small;
      }
      if (page->at_end()) return compare_entries(step, all);
      std::size_t count = 0;
      for (const warp::Entry& entry : *page) {
        add(all, entry);
        ++count;
      }
      compare("entries of the page", page->count(), count);
    }
  }

  Code iter_open(const Node& step) {
    auto iter = db_.iterate(step["prefix"].bytes());
    if (iter) iters_[step["as"].text()] = std::move(*iter);
    return iter.code();
  }

  Code iter_rest(const Node& step) {
    auto kept = iters_.extract(step["as"].text());
    if (!kept) throw Difference("no such iterator");
    Entries all;
    for (auto more = kept.mapped().next();; more = kept.mapped().next()) {
      if (!more) return more.code();
      if (!*more) return compare_entries(step, all);
      add(all, kept.mapped().entry());
    }
  }

  Code backup(const Node& step) { return db_.backup(root_ / step["dir"].text()).code(); }

  Code stats(const Node& step) {
    const auto got = db_.stats();
    if (!got) return got.code();
    for (const char* group : {"fields", "at_least"}) {
      if (!step.has(group)) continue;
      for (const Node& field : step[group].children()) {
        const std::uint64_t have = stat(*got, field.name());
        const bool exact = std::string_view(group) == "fields";
        if (exact || have < field.number()) compare(field.name(), have, field.number());
      }
    }
    return Code::ok;
  }

  static std::uint64_t stat(const warp::Statistics& stats, const std::string& name) {
    static const std::map<std::string, std::uint64_t warp::Statistics::*> fields = {
        {"keys", &warp::Statistics::keys},
        {"puts", &warp::Statistics::puts},
        {"gets", &warp::Statistics::gets},
        {"hits", &warp::Statistics::hits},
        {"deletes", &warp::Statistics::deletes},
        {"shards", &warp::Statistics::shards},
        {"log_bytes", &warp::Statistics::log_bytes},
        {"live_bytes", &warp::Statistics::live_bytes},
        {"index_bytes", &warp::Statistics::index_bytes},
        {"cache_bytes", &warp::Statistics::cache_bytes},
        {"resident_bytes", &warp::Statistics::resident_bytes},
        {"checkpoints", &warp::Statistics::checkpoints},
        {"recovered_records", &warp::Statistics::recovered_records},
        {"open_micros", &warp::Statistics::open_micros},
        {"disk_bytes", &warp::Statistics::disk_bytes},
        {"syncs", &warp::Statistics::syncs},
    };
    const auto found = fields.find(name);
    if (found == fields.end()) throw Difference("no statistic is named " + name);
    return stats.*found->second;
  }

  Code stats_json() {
    const auto text = db_.stats_json();
    if (!text) return text.code();
    std::size_t stopped = 0;
    json* parsed = json_parse(text->data(), text->size(), &stopped);
    const bool good = parsed && parsed->kind == JSON_OBJECT;
    json_free(parsed);
    if (!good) throw Difference("the statistics are no JSON object");
    return Code::ok;
  }

  warp::Token token(const Node& step) {
    const auto found = tokens_.find(step["token"].text());
    if (found == tokens_.end()) throw Difference("no such token");
    return found->second;
  }

  const warp::Value& pinned(const Node& step) {
    const auto found = pins_.find(step["as"].text());
    if (found == pins_.end()) throw Difference("no such pin");
    return found->second;
  }

  bool in_memory_;
  std::filesystem::path root_;
  std::string dir_ = "db";
  std::optional<Node> options_;
  warp::Database db_;
  std::map<std::string, warp::Value> pins_;
  std::map<std::string, warp::Iterator> iters_;
  std::map<std::string, warp::Token> tokens_;
  std::map<std::string, std::uint64_t> revisions_;
};

const std::map<std::string, Runner::Operation>& Runner::operations() {
  static const std::map<std::string, Operation> table = {
      {"open", &Runner::open},
      {"close", &Runner::open},
      {"reopen", &Runner::open},
      {"open_second", &Runner::open},
      {"option",
       [](Runner&, const Node& step) {
         warp::Options options;
         return options.set(step["name"].text().c_str(), step["value"].text().c_str()).code();
       }},
      {"put",
       [](Runner& r, const Node& step) {
         return r.db_.put(step["key"].bytes(), step["value"].bytes()).code();
       }},
      {"exists",
       [](Runner& r, const Node& step) {
         return yes(r.db_.exists(step["key"].bytes()), Code::not_found);
       }},
      {"delete",
       [](Runner& r, const Node& step) {
         return yes(r.db_.erase(step["key"].bytes()), Code::not_found);
       }},
      {"cas",
       [](Runner& r, const Node& step) {
         const auto expected = step["expected"].optional_bytes();
         const auto desired = step["desired"].optional_bytes();
         return yes(r.db_.compare_and_swap(step["key"].bytes(), expected, desired),
                    Code::conflict);
       }},
      {"get",
       [](Runner& r, const Node& step) {
         return compare_value(step, r.db_.get(step["key"].bytes()));
       }},
      {"get_pinned",
       [](Runner& r, const Node& step) {
         return compare_value(step, r.db_.get_pinned(step["key"].bytes()));
       }},
      {"get_into", &Runner::read_into},
      {"get_nowait", &Runner::read_into},
      {"get_if_changed", &Runner::changed},
      {"get_if_changed_nowait", &Runner::changed},
      {"pin", &Runner::pin},
      {"pinned",
       [](Runner& r, const Node& step) {
         compare("value", r.pinned(step).view(), step["value"].bytes());
         return Code::ok;
       }},
      {"release",
       [](Runner& r, const Node& step) {
         compare("pins released", r.pins_.erase(step["as"].text()), 1);
         return Code::ok;
       }},
      {"multi_get", &Runner::multi_get},
      {"batch", &Runner::batch},
      {"write_encoded",
       [](Runner& r, const Node& step) {
         return r.db_.write_encoded(step["bytes"].bytes()).code();
       }},
      {"iterate", &Runner::iterate},
      {"pages", &Runner::pages},
      {"iter_open", &Runner::iter_open},
      {"iter_rest", &Runner::iter_rest},
      {"sync", [](Runner& r, const Node&) { return r.db_.sync().code(); }},
      {"checkpoint", [](Runner& r, const Node&) { return r.db_.checkpoint().code(); }},
      {"compact", [](Runner& r, const Node&) { return r.db_.compact().code(); }},
      {"backup", &Runner::backup},
      {"token",
       [](Runner& r, const Node& step) {
         r.tokens_[step["as"].text()] = r.db_.token();
         return Code::ok;
       }},
      {"wait_durable",
       [](Runner& r, const Node& step) {
         const std::chrono::milliseconds timeout(step["timeout_ms"].number());
         return r.db_.wait_durable(r.token(step), timeout).code();
       }},
      {"is_durable",
       [](Runner& r, const Node& step) {
         return yes(r.db_.is_durable(r.token(step)), Code::would_block);
       }},
      {"stats", &Runner::stats},
      {"stats_json", [](Runner& r, const Node&) { return r.stats_json(); }},
      {"status",
       [](Runner&, const Node& step) {
         const auto code = static_cast<Code>(step["code"].code());
         compare("name", warp::code_name(code), step["name"].text());
         return Code::ok;
       }},
  };
  return table;
}

// The steps of one file; returns how many there are.
std::size_t run_steps(const Node& document) {
  Runner runner(document["store"].text() == "memory");
  if (document.has("open")) runner.start(document["open"]);
  std::size_t number = 0;
  for (const Node& step : document["steps"].children()) {
    try {
      runner.run(step);
    } catch (const std::exception& error) {
      throw Difference("step " + std::to_string(number) + ", " + step["op"].text() + ": " +
                       error.what());
    }
    ++number;
  }
  return number;
}

// Whether the file agrees.
bool run_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  const std::string text = content.str();
  std::size_t stopped = 0;
  json* tree = json_parse(text.data(), text.size(), &stopped);
  bool good = tree != nullptr;
  const std::string name = std::filesystem::path(path).filename();
  if (!tree) {
    std::cout << name << ": cannot be read, from byte " << stopped << '\n';
  } else {
    try {
      std::cout << name << ": " << run_steps(Node(tree)) << " steps\n";
    } catch (const std::exception& error) {
      std::cout << name << ": " << error.what() << '\n';
      good = false;
    }
  }
  json_free(tree);
  return good;
}

int data_set(const std::string& mode, const char* dir) {
  try {
    if (mode == "write") {
      dataset::write(dir);
      return 0;
    }
    const std::string summary = dataset::read(dir);
    std::cout << summary << '\n';
    return summary == dataset::expected ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 2 ? argv[1] : "";
  if (argc == 3 && (mode == "write" || mode == "read")) return data_set(mode, argv[2]);
  if (mode != "run") {
    std::cerr << "usage: conformance_cpp run FILE.json... | write DIR | read DIR\n";
    return 2;
  }
  int wrong = 0;
  for (int n = 2; n < argc; ++n) wrong += run_file(argv[n]) ? 0 : 1;
  std::cout << argc - 2 << " files, " << wrong << " differ\n";
  return wrong == 0 ? 0 : 1;
}
