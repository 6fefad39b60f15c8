// Character references of HTML ("&eacute;", "&#8211;") through Gumbo's table. Remembers names.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace weir::ingest {

class Entities {
 public:
  // The reference itself when it is unknown.
  std::string Decode(std::string_view reference);

 private:
  std::map<std::string, std::string, std::less<>> known_;
};

}  // namespace weir::ingest
