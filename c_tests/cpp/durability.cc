// Tokens, and the statistics in both forms.
#include "check.hh"

using namespace std::chrono_literals;

namespace {

void tokens() {
  const TemporaryPath temporary;
  warp::Database db = warp::Database::open(temporary.path()).value();
  db.put("k", "v").value();
  const warp::Token token = db.token();
  db.wait_durable(token, 60s).value();
  CHECK(db.is_durable(token).value());
  CHECK_CODE(db.wait_durable(warp::Token{0}, 1s), warp::Code::invalid_argument);
}

void statistics() {
  warp::Database db = warp::Database::open_in_memory().value();
  db.put("a", "1").value();
  db.put("b", "2").value();
  const warp::Statistics stats = db.stats().value();
  CHECK(stats.keys == 2 && stats.shards == 24);
  const std::string text = db.stats_json().value();
  CHECK(text.size() >= 2 && text.front() == '{' && text.back() == '}');
}

}  // namespace

int main() {
  tokens();
  statistics();
}
