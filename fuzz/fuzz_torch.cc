#include "fuzz/input_file.h"
#include "paraclip/base/error.h"
#include "paraclip/io/pickle.h"
#include "paraclip/io/tensor_file.h"

#include <ATen/ATen.h>

// Any bytes are tensors, all of which can be read but for types that torch lacks, or an Error.
void read_tensors(const uint8_t* data, size_t size) {
  const paraclip::fuzz::InputFile input(data, size);
  try {
    const auto file = paraclip::TensorFile::open(input.path());
    for (const auto& [name, entry] : file.entries()) {
      if (!entry.dtype.starts_with("F4") && !entry.dtype.starts_with("F6_")) entry.view().clone();
    }
  } catch (const paraclip::Error&) {
  }
}

// Any bytes are a pickle, all of whose values can be described, or an Error.
void read_pickle(std::string_view bytes) {
  try {
    const paraclip::Pickle pickle(bytes, /*begin=*/0, "fuzz", [](auto, auto) { return true; });
    for (const paraclip::PickleValue& value : pickle.values()) paraclip::describe(value);
  } catch (const paraclip::Error&) {
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  read_tensors(data, size);
  read_pickle({reinterpret_cast<const char*>(data), size});
  return 0;
}
