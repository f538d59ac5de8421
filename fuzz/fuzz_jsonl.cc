#include "fuzz/input_file.h"
#include "paraclip/base/error.h"
#include "paraclip/io/jsonl.h"

// Any bytes are lines of JSON, which survive being written and read again, or an Error.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const paraclip::fuzz::InputFile input(data, size);
  try {
    paraclip::JsonlReader reader(input.path());
    for (paraclip::Json value; reader.next(value);) {
      const std::string text = paraclip::dump_json(value);
      if (paraclip::dump_json(paraclip::parse_json(text, "again")) != text) std::abort();
    }
  } catch (const paraclip::Error&) {
  }
  return 0;
}
