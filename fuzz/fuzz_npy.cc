#include "fuzz/input_file.h"
#include "paraclip/base/error.h"
#include "paraclip/io/npy.h"

#include <ATen/ATen.h>

// Any bytes are an array, all of which can be read, or an Error.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const paraclip::fuzz::InputFile input(data, size);
  try {
    paraclip::read_npy(input.path()).clone();
  } catch (const paraclip::Error&) {
  }
  return 0;
}
