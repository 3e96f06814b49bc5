// The header alone and twice, in a second translation unit, with exceptions.
#include <warp_engine.hpp>
#include <warp_engine.hpp>

#ifdef WARP_NO_EXCEPTIONS
#error "this file is compiled with exceptions"
#endif

const char* other_kind_of_build();

const char* other_kind_of_build() {
  static std::string value;
  warp::Database db = warp::Database::open_in_memory().value();
  db.put("k", "v").value();
  value = db.get("k").value().value();
  return value.c_str();
}
