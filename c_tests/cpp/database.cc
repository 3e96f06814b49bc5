// Database: opening, the everyday calls, compare-and-swap, closing, moving, threads.
#include "check.hh"

#include <array>
#include <thread>
#include <vector>

namespace {

static_assert(!std::is_copy_constructible_v<warp::Database>);
static_assert(std::is_nothrow_move_constructible_v<warp::Database>);
static_assert(std::is_nothrow_move_assignable_v<warp::Database>);

void everyday_calls() {
  const TemporaryPath temporary;
  warp::Database db = warp::Database::open(temporary.path()).value();
  CHECK(!db.get("planet").value());
  CHECK(!db.exists("planet").value() && !db.erase("planet").value());
  db.put("planet", "earth").value();
  CHECK(db.get("planet").value() == "earth" && db.exists("planet").value());
  db.put("planet", "").value();
  CHECK(db.get("planet").value() == "");
  CHECK(db.erase("planet").value() && !db.get("planet").value());
  db.sync().value();
  db.checkpoint().value();
  db.compact().value();
  db.close().value();
}

void keys_and_values_of_every_type() {
  warp::Database db = warp::Database::open_in_memory().value();
  const std::string nul("a\0b", 3);
  const std::vector<std::byte> bytes{std::byte{0}, std::byte{255}};
  const std::array<unsigned char, 2> array{0, 255};
  const std::vector<std::uint8_t> none;
  db.put(nul, bytes).value();
  CHECK(db.get(std::string_view("a\0b", 3)).value() == std::string("\0\xff", 2));
  CHECK(!db.exists("a").value());
  db.put(array, none).value();
  CHECK(db.get(bytes).value() == "");
  db.put({"raw!", 3}, warp::Bytes()).value();
  CHECK(db.exists("raw").value());
}

void values_of_every_length_come_back() {
  warp::Database db = warp::Database::open_in_memory().value();
  std::string out = "left over";
  // Around the length at which the copy changes its way.
  for (const std::size_t n : {0u, 1u, 511u, 512u, 513u, 100'000u}) {
    const std::string value(n, 'v');
    db.put("k", value).value();
    CHECK(db.get("k", out).value() && out == value && db.get("k").value() == value);
  }
  CHECK(!db.get("missing", out).value() && out.empty());
  CHECK_CODE(db.get("", out), warp::Code::invalid_argument);
}

void buffers_of_the_caller() {
  warp::Database db = warp::Database::open_in_memory().value();
  db.put("ten", "0123456789").value();
  char buffer[16];
  warp::Copied got = db.get_into("ten", buffer, sizeof buffer).value();
  CHECK(got && got.length == 10 && std::string(buffer, 10) == "0123456789");
  got = db.get_into("ten", nullptr, 0).value();
  CHECK(!got && got.code == warp::Code::buffer_too_small && got.length == 10);
  got = db.get_into("missing", buffer, sizeof buffer).value();
  CHECK(!got && got.code == warp::Code::not_found && got.length == 0);
  got = db.get_nowait("ten", buffer, sizeof buffer).value();
  CHECK(got && got.length == 10);
  CHECK_CODE(db.get_nowait("", buffer, sizeof buffer), warp::Code::invalid_argument);
  CHECK(!db.write_would_wait("ten").value() && !db.write_would_wait().value());
  CHECK_CODE(db.write_would_wait(warp::Bytes()), warp::Code::invalid_argument);
}

void compare_and_swap() {
  warp::Database db = warp::Database::open_in_memory().value();
  CHECK(db.compare_and_swap("k", std::nullopt, "1").value());
  CHECK(!db.compare_and_swap("k", std::nullopt, "2").value());
  CHECK(!db.compare_and_swap("k", "0", "2").value());
  CHECK(db.compare_and_swap("k", "1", std::string("2")).value());
  CHECK(db.get("k").value() == "2");
  CHECK(db.compare_and_swap("k", db.get("k").value(), {}).value());
  CHECK(!db.exists("k").value());
  CHECK_CODE(db.compare_and_swap("", {}, "1"), warp::Code::invalid_argument);
}

void a_closed_handle_answers_with_an_error() {
  warp::Database db;
  CHECK(!db.is_open());
  CHECK_CODE(db.put("k", "v"), warp::Code::invalid_argument);
  CHECK_CODE(db.get("k"), warp::Code::invalid_argument);
  CHECK_CODE(db.get_pinned("k"), warp::Code::invalid_argument);
  CHECK_CODE(db.multi_get({"k"}), warp::Code::invalid_argument);
  CHECK_CODE(db.iterate(), warp::Code::invalid_argument);
  CHECK_CODE(db.stats(), warp::Code::invalid_argument);
  CHECK_CODE(db.stats_json(), warp::Code::invalid_argument);
  CHECK_CODE(db.sync(), warp::Code::invalid_argument);
  CHECK_CODE(db.close(), warp::Code::ok);
  CHECK(db.token().number == 0);
  db = warp::Database::open_in_memory().value();
  db.close().value();
  db.close().value();
  CHECK_CODE(db.put("k", "v"), warp::Code::invalid_argument);
}

void handles_move() {
  warp::Database a = warp::Database::open_in_memory().value();
  a.put("k", "a").value();
  warp::Database b = std::move(a);
  CHECK(!a.is_open() && b.get("k").value() == "a");
  warp::Database c = warp::Database::open_in_memory().value();
  c = std::move(b);
  CHECK(c.get("k").value() == "a" && !b.is_open());
  warp::Database& same = c;
  c = std::move(same);
  CHECK(c.get("k").value() == "a");
}

void many_threads_share_one_handle() {
  warp::Database db = warp::Database::open_in_memory().value();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&db, t] {
      for (int i = 0; i < 500; ++i) {
        const std::string key = std::to_string(t) + ':' + std::to_string(i);
        db.put(key, key).value();
        CHECK(db.get(key).value() == key);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(db.stats()->keys == 2000);
}

}  // namespace

int main() {
  everyday_calls();
  keys_and_values_of_every_type();
  values_of_every_length_come_back();
  buffers_of_the_caller();
  compare_and_swap();
  a_closed_handle_answers_with_an_error();
  handles_move();
  many_threads_share_one_handle();
}
