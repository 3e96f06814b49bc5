// Options: by name, by setter, in a list; a failure of a chain comes out at open.
#include "check.hh"

using namespace std::chrono_literals;

namespace {

void every_setter_is_understood() {
  warp::Options options;
  options.shards(5)
      .durability(warp::Durability::none)
      .durability(warp::Durability::process)
      .durability(warp::Durability::periodic)
      .durability(warp::Durability::sync)
      .sync_interval(250ms)
      .memory_limit(std::uint64_t{64} << 20)
      .create_if_missing(true)
      .error_if_exists(false)
      .read_only(false)
      .open_timeout(2s)
      .checkpoint_interval(1min)
      .checkpoint_log_bytes(1 << 20)
      .pin_shards(false);
  CHECK(options.status().ok());
  warp::Database db = warp::Database::open_in_memory(options).value();
  db.put("k", "v").value();
}

void names_and_lists() {
  warp::Options options;
  options.set("shards", "3").value();
  CHECK_CODE(options.set("shard", "3"), warp::Code::invalid_argument);
  CHECK_CODE(options.set("shards", "0"), warp::Code::invalid_argument);
  CHECK(options.status().ok());
  warp::Options list{{"shards", "3"}, {"durability", "sync"}};
  CHECK(list.status().ok());
  warp::Options one{{"shards", "0"}};
  CHECK_CODE(one.status(), warp::Code::invalid_argument);
}

void the_first_failure_of_a_chain_comes_out_at_open() {
  auto opened = warp::Database::open_in_memory(
      warp::Options().with("nonsense", "1").shards(99999).read_only(false));
  CHECK_CODE(opened, warp::Code::invalid_argument);
  CHECK(opened.error().text().find("nonsense") != std::string::npos);
}

void times_round_up_and_stay_in_range() {
  warp::Options options;
  options.sync_interval(1us);  // 1 ms: 0 would be refused
  CHECK(options.status().ok());
  options.open_timeout(0ns);
  CHECK(options.status().ok());
  options.open_timeout(std::chrono::hours(24 * 365));  // more than the ABI's 49 days
  CHECK(options.status().ok());
  options.sync_interval(-1s);
  CHECK_CODE(options.status(), warp::Code::invalid_argument);
}

void moving() {
  warp::Options a;
  a.shards(2);
  warp::Options b = std::move(a);
  CHECK(b.status().ok() && b.raw() != nullptr && a.raw() == nullptr);
  CHECK_CODE(a.set("shards", "1"), warp::Code::invalid_argument);
}

static_assert(!std::is_copy_constructible_v<warp::Options>);

}  // namespace

int main() {
  every_setter_is_understood();
  names_and_lists();
  the_first_failure_of_a_chain_comes_out_at_open();
  times_round_up_and_stay_in_range();
  moving();
}
