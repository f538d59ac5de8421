#include "paraclip/io/jsonl.h"

namespace paraclip {

bool JsonlReader::next(Json& value) {
  std::string_view text;
  if (!lines_.next_filled(text)) return false;
  value = parse_json(text, where());
  return true;
}

}  // namespace paraclip
