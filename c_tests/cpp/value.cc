// Pinned values and multi_get: lifetimes, moves, release.
#include "check.hh"

#include <vector>

namespace {

static_assert(!std::is_copy_constructible_v<warp::Value>);
static_assert(!std::is_copy_constructible_v<warp::MultiGet>);

void a_value_outlives_its_key_and_its_database() {
  warp::Value kept;
  {
    warp::Database db = warp::Database::open_in_memory().value();
    db.put("k", "first").value();
    kept = *db.get_pinned("k").value();
    db.put("k", "second").value();
    db.erase("k").value();
    CHECK(!db.get_pinned("k").value());
  }
  CHECK(kept.view() == "first" && kept.str() == "first" && kept.size() == 5);
  CHECK(kept.data()[0] == std::byte{'f'});
  const std::string_view view = kept;
  CHECK(view == "first");
}

void moving_and_releasing() {
  warp::Database db = warp::Database::open_in_memory().value();
  db.put("a", "1").value();
  db.put("b", "2").value();
  warp::Value a = *db.get_pinned("a").value();
  warp::Value b = *db.get_pinned("b").value();
  warp::Value moved = std::move(a);
  CHECK(moved.view() == "1" && a.view().empty());
  moved = std::move(b);
  CHECK(moved.view() == "2" && b.view().empty());
  warp::Value& same = moved;
  moved = std::move(same);
  CHECK(moved.view() == "2");
  moved.release();
  moved.release();
  CHECK(moved.view().empty() && warp::Value().view().empty());
}

void many_at_once() {
  warp::Database db = warp::Database::open_in_memory().value();
  db.put("a", "1").value();
  db.put("b", "").value();
  warp::MultiGet got = db.multi_get({"a", "missing", "b", ""}).value();
  CHECK(got.size() == 4 && got.found(0) && got.value(0) == "1");
  CHECK(got.code(1) == warp::Code::not_found && got.value(1).empty());
  CHECK(got.found(2) && got.value(2).empty());
  CHECK(got.code(3) == warp::Code::invalid_argument && !got.found(3));
  warp::Value taken = got.take(0);
  CHECK(taken.view() == "1" && got.value(0).empty());
  warp::MultiGet moved = std::move(got);
  CHECK(moved.size() == 4 && taken.view() == "1");

  const std::vector<std::string> keys{"b", "a"};
  moved = db.multi_get(keys).value();
  CHECK(moved.size() == 2 && moved.value(1) == "1");
  const std::vector<std::string> none;
  CHECK(db.multi_get(none).value().size() == 0);
}

void one_request_for_many_calls() {
  warp::Database db = warp::Database::open_in_memory().value();
  db.put("k", "v").value();
  warp::MultiGet request;
  for (int round = 0; round < 3; ++round) {
    request.clear();
    request.add("k");
    CHECK(request.code(0) == warp::Code::not_found);
    request.add("l");
    db.multi_get(request).value();
    db.multi_get(request).value();
    CHECK(request.value(0) == "v" && !request.found(1));
  }
}

void revisions_tell_what_has_changed() {
  warp::Database db = warp::Database::open_in_memory().value();
  char buffer[4];
  db.put("k", "one").value();
  warp::Changed got = db.get_if_changed("k", 0, buffer, sizeof buffer).value();
  CHECK(got && std::string(buffer, got.length) == "one" && got.revision != 0);
  const std::uint64_t known = got.revision;
  got = db.get_if_changed_nowait("k", known, buffer, sizeof buffer).value();
  CHECK(!got && got.code == warp::Code::unchanged && got.revision == known && got.length == 0);
  db.put("k", "longer").value();
  got = db.get_if_changed_nowait("k", known, buffer, sizeof buffer).value();
  CHECK(got.code == warp::Code::buffer_too_small && got.length == 6 && got.revision != known);
  db.erase("k").value();
  got = db.get_if_changed("k", known, buffer, sizeof buffer).value();
  CHECK(got.code == warp::Code::not_found && got.length == 0 && got.revision == 0);
  CHECK_CODE(db.get_if_changed("", known, buffer, sizeof buffer), warp::Code::invalid_argument);
}

}  // namespace

int main() {
  a_value_outlives_its_key_and_its_database();
  moving_and_releasing();
  many_at_once();
  one_request_for_many_calls();
  revisions_tell_what_has_changed();
}
