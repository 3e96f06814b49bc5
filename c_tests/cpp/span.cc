// C++20: spans go in as keys and values; ranges see input iterators.
#include "check.hh"

#include <algorithm>
#include <ranges>
#include <span>
#include <vector>

static_assert(std::input_iterator<warp::Iterator::Cursor>);
static_assert(std::forward_iterator<warp::Page::Cursor> || std::input_iterator<warp::Page::Cursor>);
static_assert(std::ranges::input_range<warp::Iterator>);
static_assert(std::ranges::input_range<const warp::Page>);

int main() {
  warp::Database db = warp::Database::open_in_memory().value();
  const std::vector<std::byte> storage{std::byte{0}, std::byte{1}, std::byte{2}};
  const std::span<const std::byte> all(storage);
  db.put(all, all.subspan(1)).value();
  CHECK(db.get(all).value() == std::string("\1\2", 2));
  db.put(std::as_bytes(std::span("text")), std::span<const std::byte>()).value();
  CHECK(db.exists(std::string_view("text\0", 5)).value());
  auto iterator = db.iterate().value();
  CHECK(std::ranges::count_if(iterator, [](const warp::Entry& e) { return !e.key.empty(); }) == 2);
}
