#include "paraclip/io/tensorboard.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"

#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace paraclip {
namespace {

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78U : crc >> 1;
    table[byte] = crc;
  }
  return table;
}

// CRC-32C, masked as TFRecord wants it.
uint32_t masked_crc(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = make_crc_table();
  uint32_t crc = ~0U;
  for (const char byte : bytes)
    crc = kTable[(crc ^ static_cast<uint8_t>(byte)) & 0xff] ^ (crc >> 8);
  return std::rotr(~crc, 15) + 0xa282ead8U;
}

template <typename Number>
void append_fixed(std::string& out, Number value) {
  std::array<char, sizeof value> bytes;
  std::memcpy(bytes.data(), &value, sizeof value);
  out.append(bytes.data(), bytes.size());
}

// The parts of protobuf's wire format that an Event needs.
enum class Wire : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void append_key(std::string& out, uint32_t field, Wire wire) {
  append_varint(out, field << 3 | static_cast<uint32_t>(wire));
}

void append_bytes(std::string& out, uint32_t field, std::string_view bytes) {
  append_key(out, field, Wire::kBytes);
  append_varint(out, bytes.size());
  out.append(bytes);
}

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// An Event that so far holds its wall_time (field 1).
std::string new_event() {
  std::string event;
  append_key(event, /*field=*/1, Wire::kFixed64);
  append_fixed(event, wall_time());
  return event;
}

}  // namespace

EventWriter::EventWriter(const std::filesystem::path& folder) {
  make_directories(folder);
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  for (int serial = 0; !file_; ++serial) {
    path_ =
        folder / fmt::format("events.out.tfevents.{:010}.{}.{}.{}",
                             static_cast<int64_t>(wall_time()), host.data(), ::getpid(), serial);
    file_.reset(std::fopen(path_.c_str(), "wbxe"));
    if (!file_ && errno != EEXIST) fail_write();
  }
  std::string event = new_event();
  append_bytes(event, /*field=*/3, "brain.Event:2");  // file_version
  record(event);
  flush();
}

void EventWriter::scalar(std::string_view tag, double value, int64_t step) {
  std::string item;  // Summary.Value
  append_bytes(item, /*field=*/1, tag);
  append_key(item, /*field=*/2, Wire::kFixed32);  // simple_value
  append_fixed(item, static_cast<float>(value));
  std::string summary;
  append_bytes(summary, /*field=*/1, item);  // value

  std::string event = new_event();
  append_key(event, /*field=*/2, Wire::kVarint);  // step
  append_varint(event, static_cast<uint64_t>(step));
  append_bytes(event, /*field=*/5, summary);
  record(event);
}

void EventWriter::flush() {
  if (std::fflush(file_.get()) != 0) fail_write();
}

void EventWriter::record(std::string_view event) {
  std::string bytes;
  append_fixed(bytes, uint64_t{event.size()});
  append_fixed(bytes, masked_crc(bytes));
  bytes.append(event);
  append_fixed(bytes, masked_crc(event));
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) fail_write();
}

void EventWriter::fail_write() const {
  fail(ErrorKind::kIo, "cannot write {}: {}", path_.string(), std::strerror(errno));
}

}  // namespace paraclip
