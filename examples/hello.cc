// c++ -std=c++17 hello.cc $(pkg-config --cflags --libs warp-engine)
#include <iostream>
#include <warp_engine.hpp>

int main() try {
  warp::Database db = warp::Database::open("hello-cpp.db").value();
  db.put("planet", "earth").value();
  if (auto planet = db.get("planet").value()) std::cout << "planet: " << *planet << '\n';

  warp::Batch batch;
  batch.put("moon:1", "luna").value();
  batch.put("moon:2", "phobos").value();
  db.write(batch).value();
  for (auto [key, value] : db.iterate("moon:").value()) std::cout << key << '=' << value << '\n';

  db.close().value();
} catch (const warp::Error& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
