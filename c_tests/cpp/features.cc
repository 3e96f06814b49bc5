// Rules, links, the monitor's texts, the rebalancer and reads that never wait through the C++ header.
#include "check.hh"

namespace {

void rules_bring_groups_together() {
  warp::Database db = warp::Database::open_in_memory().value();
  for (int i = 0; i < 50; i++) {
    const std::string n = std::to_string(i);
    db.put("user:" + n, "u").value();
    db.put_hinted("profile:" + n, "p", warp::Temperature::cold).value();
  }
  db.add_rule({"user:*", "profile:*"}).value();
  for (int i = 0; i < 50; i++) {
    const std::string n = std::to_string(i);
    CHECK(db.shard_of("user:" + n).value() == db.shard_of("profile:" + n).value());
    const std::optional<warp::Linked> group = db.get_linked("user:" + n).value();
    CHECK(group && group->size() == 2 && (*group)[1].key == "profile:" + n);
    CHECK((*group)[0].value == "u" && (*group)[1].value == "p");
  }
  CHECK(db.rules_json().value().find("\"user:*\"") != std::string::npos);
  CHECK(db.remove_rule("user:*").value());
  CHECK(!db.remove_rule("user:*").value());
  CHECK(!db.add_rule({"no star"}));
  CHECK(db.shard_cpu(0));
  CHECK(!db.shard_cpu(24));
}

void links_outlive_what_they_were_read_from() {
  std::optional<warp::Linked> kept;
  {
    warp::Database db = warp::Database::open_in_memory().value();
    db.put("a", "1").value();
    db.put("b", "2").value();
    db.link("a", "b", 0.5).value();
    db.link("a", "missing", 0.25).value();
    const warp::Linked partners = db.partners("a").value();
    CHECK(partners.size() == 2 && partners[0].key == "b" && partners[0].strength == 0.5);
    CHECK(partners[1].key == "missing" && partners[1].value.empty());
    CHECK(db.partners("missing").value().size() == 0);
    kept = db.get_linked("a").value();
    CHECK(db.unlink("a", "b").value());
    CHECK(!db.unlink("a", "b").value());
    CHECK(db.get_linked("a").value()->size() == 1);
    CHECK(!db.get_linked("missing").value());
    db.put("b", "3").value();
  }
  CHECK(kept->size() == 2 && (*kept)[1].value == "2" && (*kept)[1].strength == 0.5);
}

void texts_and_moves() {
  warp::Database db = warp::Database::open_in_memory().value();
  db.put("a", "1").value();
  CHECK(db.events_json().value() == "{\"next\":1,\"events\":[]}");
  const std::string text = db.stats_openmetrics().value();
  CHECK(text.find("warp_puts_total 1\n") != std::string::npos);
  db.rebalance().value();
  CHECK(*db.get("a").value() == "1");
  for (std::uint32_t slot = 0; slot < 4096; slot += 512) db.move_slot(slot, 23).value();
  CHECK(*db.get("a").value() == "1");
  CHECK(db.move_slot(4096, 0).code() == warp::Code::invalid_argument);
  CHECK(db.move_slot(0, 24).code() == warp::Code::invalid_argument);
}

void reads_that_never_wait() {
  warp::Database db = warp::Database::open_in_memory().value();
  db.put("a", "1").value();
  const warp::Pinned pinned = db.get_pinned_nowait("a").value();
  db.put("a", "2").value();
  CHECK(pinned && pinned.value.view() == "1");
  CHECK(db.exists_nowait("a").value() == warp::Code::ok);
  const warp::Pinned none = db.get_pinned_nowait("missing").value();
  CHECK(!none && none.code == warp::Code::not_found && none.value.size() == 0);
  CHECK(db.exists_nowait("missing").value() == warp::Code::not_found);
  CHECK(db.get_pinned_nowait("").code() == warp::Code::invalid_argument);
  CHECK(db.exists_nowait("").code() == warp::Code::invalid_argument);
}

}  // namespace

int main() {
  rules_bring_groups_together();
  links_outlive_what_they_were_read_from();
  texts_and_moves();
  reads_that_never_wait();
}
