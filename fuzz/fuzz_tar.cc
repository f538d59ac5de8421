#include "fuzz/input_file.h"
#include "paraclip/base/error.h"
#include "paraclip/io/tar.h"

// Any bytes are an archive, all of whose members can be read, or an Error.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const paraclip::fuzz::InputFile input(data, size);
  try {
    paraclip::TarReader reader(input.path(), /*max_member=*/1 << 20);
    volatile unsigned sum = 0;
    for (paraclip::TarMember member; reader.next(member);) {
      for (const std::byte byte : member.bytes) sum = sum + std::to_integer<unsigned>(byte);
    }
  } catch (const paraclip::Error&) {
  }
  return 0;
}
