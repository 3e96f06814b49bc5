// Batches, built and packed.
#include "check.hh"

namespace {

static_assert(!std::is_copy_constructible_v<warp::Batch>);

void built() {
  warp::Database db = warp::Database::open_in_memory().value();
  warp::Batch batch;
  batch.put("a", "1").value();
  batch.put("b", "2").value();
  batch.erase("a").value();
  CHECK(batch.count() == 3);
  CHECK_CODE(batch.put("", "3"), warp::Code::invalid_argument);
  CHECK_CODE(batch.erase(std::string(65536, 'k')), warp::Code::too_large);
  CHECK(batch.count() == 3);
  db.write(batch).value();
  CHECK(!db.exists("a").value() && db.get("b").value() == "2");

  batch.clear();
  CHECK(batch.count() == 0);
  db.write(batch).value();
  CHECK(db.get("b").value() == "2");
}

void packed() {
  warp::Database db = warp::Database::open_in_memory().value();
  const std::string good("\1\1\0\0\0\1\0\0\0ab", 11);
  db.write_encoded(good).value();
  CHECK(db.get("a").value() == "b");
  CHECK_CODE(db.write_encoded(good + '\7'), warp::Code::invalid_argument);
  db.write_encoded({}).value();
}

void moved() {
  warp::Batch a;
  a.put("k", "v").value();
  warp::Batch b = std::move(a);
  CHECK(b.count() == 1 && a.raw() == nullptr && a.count() == 0);
  CHECK_CODE(a.put("k", "v"), warp::Code::invalid_argument);
  a = std::move(b);
  CHECK(a.count() == 1);
}

}  // namespace

int main() {
  built();
  packed();
  moved();
}
