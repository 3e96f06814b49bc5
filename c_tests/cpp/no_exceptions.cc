// Compiled with -fno-exceptions, and linked with header_twice.cc, which is not: the two kinds of
// build have names of their own.
#include <warp_engine.hpp>

#ifndef WARP_NO_EXCEPTIONS
#error "the header did not notice that there are no exceptions"
#endif

#include "../check.h"

const char* other_kind_of_build();

int main() {
  warp::Result<warp::Database> opened = warp::Database::open_in_memory();
  CHECK(opened);
  warp::Database db = std::move(*opened);
  CHECK(db.put("k", "v").ok());
  const warp::Result<void> refused = db.put("", "v");
  CHECK(!refused && refused.code() == warp::Code::invalid_argument);
  CHECK(!refused.error().text().empty());
  const auto got = db.get("k");
  CHECK(got && *got && **got == "v");
  auto iterator = db.iterate();
  CHECK(iterator);
  std::size_t count = 0;
  for (const warp::Entry& entry : *iterator) count += entry.key.size();
  CHECK(count == 1 && iterator->status().ok());
  CHECK(std::string(other_kind_of_build()) == "v");
}
