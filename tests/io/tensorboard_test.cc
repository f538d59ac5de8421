#include "paraclip/io/tensorboard.h"

#include "paraclip/base/file.h"
#include "tests/io/files.h"

#include <cmath>
#include <cstring>
#include <ctime>
#include <regex>

namespace paraclip {
namespace {

using test::expect_error;
using test::TemporaryFolder;

// A second implementation, bit by bit, to check the first one with.
uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = 0xffffffff;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
  }
  return crc ^ 0xffffffff;
}

uint32_t mask(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8; }

template <typename Number>
Number take(std::string_view& bytes) {
  EXPECT_GE(bytes.size(), sizeof(Number));
  Number number;
  std::memcpy(&number, bytes.data(), sizeof number);
  bytes.remove_prefix(sizeof number);
  return number;
}

uint64_t take_varint(std::string_view& bytes) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const auto byte = take<uint8_t>(bytes);
    value |= uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return value;
  }
}

std::string_view take_bytes(std::string_view& bytes) {
  const size_t size = take_varint(bytes);
  EXPECT_LE(size, bytes.size());
  const std::string_view taken = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return taken;
}

struct Event {
  double wall_time = 0;
  int64_t step = 0;
  std::string version;
  std::string tag;
  float value = 0;
};

void decode_summary(std::string_view summary, Event& event) {
  EXPECT_EQ(take_varint(summary), 1U << 3 | 2U);
  std::string_view item = take_bytes(summary);
  EXPECT_TRUE(summary.empty());
  EXPECT_EQ(take_varint(item), 1U << 3 | 2U);
  event.tag = take_bytes(item);
  EXPECT_EQ(take_varint(item), 2U << 3 | 5U);
  event.value = take<float>(item);
  EXPECT_TRUE(item.empty());
}

Event decode(std::string_view bytes) {
  Event event;
  while (!bytes.empty()) {
    switch (take_varint(bytes)) {
      case 1 << 3 | 1: event.wall_time = take<double>(bytes); break;
      case 2 << 3 | 0: event.step = static_cast<int64_t>(take_varint(bytes)); break;
      case 3 << 3 | 2: event.version = take_bytes(bytes); break;
      case 5 << 3 | 2: decode_summary(take_bytes(bytes), event); break;
      default: ADD_FAILURE() << "an unknown field"; return event;
    }
  }
  return event;
}

std::vector<Event> read_events(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  std::string_view rest = text;
  std::vector<Event> events;
  while (!rest.empty()) {
    const std::string_view length = rest.substr(0, 8);
    const auto size = take<uint64_t>(rest);
    EXPECT_EQ(take<uint32_t>(rest), mask(crc32c(length)));
    EXPECT_LE(size + 4, rest.size());
    const std::string_view data = rest.substr(0, size);
    rest.remove_prefix(size);
    EXPECT_EQ(take<uint32_t>(rest), mask(crc32c(data)));
    events.push_back(decode(data));
  }
  return events;
}

TEST(EventWriter, WritesWhatTensorBoardReads) {
  ASSERT_EQ(crc32c("123456789"), 0xe3069283);  // The check value of CRC-32C.
  const TemporaryFolder folder;
  EventWriter writer(folder / "run/events");
  writer.scalar("train/loss", 1.5, 0);
  writer.scalar("ä", -0.1, 300);
  writer.scalar("nan", std::nan(""), int64_t{1} << 40);
  writer.flush();
  const std::vector<Event> events = read_events(writer.path());
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(events[0].version, "brain.Event:2");
  EXPECT_EQ(events[1].tag, "train/loss");
  EXPECT_EQ(events[1].value, 1.5F);
  EXPECT_EQ(events[1].step, 0);
  EXPECT_EQ(events[2].tag, "ä");
  EXPECT_EQ(events[2].value, -0.1F);
  EXPECT_EQ(events[2].step, 300);
  EXPECT_TRUE(std::isnan(events[3].value));
  EXPECT_EQ(events[3].step, int64_t{1} << 40);
  for (const Event& event : events) {
    EXPECT_NEAR(event.wall_time, static_cast<double>(std::time(nullptr)), 100);
  }
}

TEST(EventWriter, HasAFileOfItsOwn) {
  const TemporaryFolder folder;
  EventWriter first(folder.path());
  EventWriter second(folder.path());
  EXPECT_NE(first.path(), second.path());
  EXPECT_EQ(first.path().parent_path(), folder.path());
  EXPECT_TRUE(std::regex_match(first.path().filename().string(),
                               std::regex(R"(events\.out\.tfevents\.\d{10}\..*\.\d+\.\d+)")));
  first.scalar("a", 1, 1);
  first.flush();
  EXPECT_EQ(read_events(first.path()).size(), 2U);
  EXPECT_EQ(read_events(second.path()).size(), 1U);
}

TEST(EventWriter, FlushesWhenItEnds) {
  const TemporaryFolder folder;
  std::filesystem::path path;
  {
    EventWriter writer(folder.path());
    for (int step = 0; step < 10000; ++step) writer.scalar("loss", step, step);
    path = writer.path();
  }
  const std::vector<Event> events = read_events(path);
  ASSERT_EQ(events.size(), 10001U);
  EXPECT_EQ(events.back().step, 9999);
}

TEST(EventWriter, NamesAFolderThatCannotBeMade) {
  const TemporaryFolder folder;
  test::put(folder / "file", "");
  expect_error(ErrorKind::kIo, {(folder / "file/run").string()},
               [&] { EventWriter writer(folder / "file/run"); });
}

}  // namespace
}  // namespace paraclip
