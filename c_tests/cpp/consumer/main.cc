// What a user's C++ program is: compiled and linked against the installed tree alone, with
// exceptions and without. Prints the version of the engine.
#include <cstdio>
#include <warp_engine.hpp>

namespace {

warp::Result<void> fill(warp::Database& db) {
  if (auto put = db.put("planet", "earth"); !put) return put.error();
  warp::Batch batch;
  if (auto put = batch.put("moon", "luna"); !put) return put.error();
  return db.write(batch);
}

int run() {
  auto opened = warp::Database::open_in_memory();
  if (!opened) return 1;
  warp::Database db = std::move(*opened);
  if (!fill(db)) return 2;
  const auto planet = db.get("planet");
  if (!planet || !*planet || **planet != "earth") return 3;
  auto entries = db.iterate();
  if (!entries) return 4;
  int count = 0;
  for (const warp::Entry& entry : *entries) count += entry.value.empty() ? 0 : 1;
  if (count != 2 || !entries->status()) return 5;
  if (db.put("", "no key")) return 6;
#ifndef WARP_NO_EXCEPTIONS
  try {
    db.put("", "no key").value();
    return 7;
  } catch (const warp::Error& error) {
    if (error.code() != warp::Code::invalid_argument) return 8;
  }
#endif
  return db.close() ? 0 : 9;
}

}  // namespace

int main() {
  const int failed = run();
  if (failed != 0) {
    std::fprintf(stderr, "check %d: %s\n", failed, warp_last_error());
    return failed;
  }
  std::printf("warp_engine %s\n", warp_version());
}
