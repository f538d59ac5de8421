#include "fuzz/input_file.h"
#include "paraclip/base/error.h"
#include "paraclip/io/csv.h"

#include <cstdlib>
#include <string>
#include <vector>

// Any bytes are records of as many fields as there are columns, or an Error.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const paraclip::fuzz::InputFile input(data, size);
  try {
    paraclip::CsvReader reader(input.path(), {"a", "b"});
    for (std::vector<std::string> row; reader.next(row);) {
      if (row.size() != 2) std::abort();
    }
  } catch (const paraclip::Error&) {
  }
  return 0;
}
