// Iteration: range-for, step by step, pages, lifetimes.
#include "check.hh"

#include <map>

namespace {

using Map = std::map<std::string, std::string>;

static_assert(!std::is_copy_constructible_v<warp::Iterator>);

warp::Database filled(int users) {
  warp::Database db = warp::Database::open_in_memory().value();
  for (int i = 0; i < users; ++i) {
    const std::string n = std::to_string(i);
    db.put("user:" + n, n).value();
  }
  db.put("other", "x").value();
  return db;
}

void range_for() {
  warp::Database db = filled(20);
  Map seen;
  for (auto [key, value] : db.iterate("user:").value()) CHECK(seen.emplace(key, value).second);
  CHECK(seen.size() == 20 && seen.at("user:7") == "7");
  std::size_t all = 0;
  auto iterator = db.iterate().value();
  for (const warp::Entry& entry : iterator) all += entry.key.empty() ? 0 : 1;
  CHECK(all == 21 && iterator.status().ok());
  for (const auto& entry : iterator) CHECK(entry.key.empty());  // a second pass is empty
  for (const auto& entry : db.iterate("nothing").value()) CHECK(entry.key.empty());
}

void step_by_step() {
  warp::Database db = filled(3);
  auto iterator = db.iterate("user:").value();
  int count = 0;
  while (iterator.next().value()) {
    CHECK(iterator.entry().key == "user:" + std::string(iterator.entry().value));
    ++count;
  }
  CHECK(count == 3 && !iterator.next().value() && iterator.entry().key.empty());
}

void pages() {
  warp::Database db = filled(200);
  db.put("empty", "").value();
  auto iterator = db.iterate().value();
  char buffer[256];
  Map seen;
  for (;;) {
    const warp::Page page = iterator.next_page(buffer, sizeof buffer).value();
    if (page.at_end()) break;
    std::size_t count = 0;
    for (auto [key, value] : page) {
      CHECK(seen.emplace(key, value).second);
      ++count;
    }
    CHECK(count == page.count() && page.packed().size() <= sizeof buffer);
  }
  CHECK(seen.size() == 202 && seen.at("user:150") == "150" && seen.at("empty").empty());
}

void a_page_that_is_too_small_says_what_it_needs() {
  warp::Database db = warp::Database::open_in_memory().value();
  db.put("key", std::string(100, 'v')).value();
  auto iterator = db.iterate().value();
  std::string buffer(50, '\0');
  const warp::Page page = iterator.next_page(buffer.data(), buffer.size()).value();
  CHECK(page.count() == 0 && !page.at_end() && page.needed() == 8 + 3 + 100);
  CHECK(page.begin() == page.end());
  buffer.resize(page.needed());
  CHECK(iterator.next_page(buffer.data(), buffer.size()).value().count() == 1);
  CHECK(iterator.next_page(buffer.data(), buffer.size()).value().at_end());
}

void it_outlives_the_database_and_moves() {
  warp::Iterator iterator;
  {
    warp::Database db = filled(2);
    iterator = db.iterate("user:").value();
  }
  warp::Iterator moved = std::move(iterator);
  std::size_t count = 0;
  for (const auto& entry : moved) count += entry.value.size();
  CHECK(count == 2);
  CHECK_CODE(iterator.next(), warp::Code::invalid_argument);
  for (const auto& entry : iterator) CHECK(entry.key.empty());
}

}  // namespace

int main() {
  range_for();
  step_by_step();
  pages();
  a_page_that_is_too_small_says_what_it_needs();
  it_outlives_the_database_and_moves();
}
