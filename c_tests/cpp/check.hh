// What the C++ tests share: the checks of the C tests, and a directory that goes with the test.
#ifndef WARP_TEST_CHECK_HH
#define WARP_TEST_CHECK_HH

#include "../check.h"

#include <filesystem>
#include <string>
#include <unistd.h>
#include <warp_engine.hpp>

#define CHECK_CODE(result, expected)                                                       \
  do {                                                                                     \
    const warp::Code got_ = (result).code(), want_ = (expected);                           \
    if (got_ != want_) {                                                                   \
      std::fprintf(stderr, "%s:%d: %s\n  gave %s, expected %s\n", __FILE__, __LINE__,      \
                   #result, warp::code_name(got_), warp::code_name(want_));                \
      std::exit(1);                                                                        \
    }                                                                                      \
  } while (0)

// A path for a database; removed at the end of the scope.
class TemporaryPath {
 public:
  TemporaryPath() {
    std::string root = std::filesystem::temp_directory_path() / "warp-test-XXXXXX";
    CHECK(mkdtemp(root.data()) != nullptr);
    root_ = root;
  }
  TemporaryPath(const TemporaryPath&) = delete;
  TemporaryPath& operator=(const TemporaryPath&) = delete;
  ~TemporaryPath() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  std::filesystem::path path() const { return root_ / "db"; }

 private:
  std::filesystem::path root_;
};

#endif
