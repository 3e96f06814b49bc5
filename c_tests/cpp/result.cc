// Result and Error: testing, taking, throwing, moving.
#include "check.hh"

#include <memory>

namespace {

warp::Error busy() { return warp::Error(warp::Code::busy, "the directory is open"); }

void success() {
  warp::Result<int> r = 7;
  CHECK(r && r.ok() && *r == 7 && r.value() == 7);
  CHECK_CODE(r, warp::Code::ok);
  warp::Result<void> done;
  CHECK(done.ok());
  done.value();
}

void failure_throws_what_it_holds() {
  warp::Result<int> r = busy();
  CHECK(!r);
  CHECK_CODE(r, warp::Code::busy);
  CHECK(r.error().text() == "the directory is open");
  bool thrown = false;
  try {
    static_cast<void>(r.value());
  } catch (const warp::Error& error) {
    thrown = error.code() == warp::Code::busy && std::string(error.what()) == r.error().text();
  }
  CHECK(thrown);
  thrown = false;
  try {
    warp::Result<void>(busy()).value();
  } catch (const std::exception&) {
    thrown = true;
  }
  CHECK(thrown);
  CHECK(warp::Result<int>(busy()).value_or(3) == 3);
}

void the_answer_false_is_a_success() {
  warp::Result<bool> r = false;
  CHECK(r.ok() && !*r);
}

void values_move_out() {
  auto make = [] { return warp::Result<std::unique_ptr<int>>(std::make_unique<int>(5)); };
  std::unique_ptr<int> taken = make().value();
  CHECK(*taken == 5 && *make().value() == 5 && **make() == 5);
  // value() of a temporary is a value and no reference: this would dangle otherwise.
  std::string all;
  for (char c : warp::Result<std::string>(std::string("abc")).value()) all += c;
  CHECK(all == "abc");
}

void errors_of_the_library_have_its_text() {
  warp::Database db = warp::Database::open_in_memory().value();
  const auto r = db.put("", "v");
  CHECK_CODE(r, warp::Code::invalid_argument);
  CHECK(r.error().text().find("key is empty") != std::string::npos);
  const auto large = db.get(std::string(65536, 'k'));
  CHECK_CODE(large, warp::Code::too_large);
  CHECK(large.error().text().find("65536") != std::string::npos);
  // The text is a copy: a later failure leaves it alone.
  CHECK(r.error().text().find("65536") == std::string::npos);
}

void codes_have_names() {
  CHECK(std::string(warp::code_name(warp::Code::ok)) == "WARP_OK");
  CHECK(std::string(warp::code_name(warp::Code::internal)) == "WARP_ERR_INTERNAL");
  CHECK(warp::abi_matches() && std::string(warp::version()).size() >= 5);
}

}  // namespace

int main() {
  success();
  failure_throws_what_it_holds();
  the_answer_false_is_a_success();
  values_move_out();
  errors_of_the_library_have_its_text();
  codes_have_names();
}
