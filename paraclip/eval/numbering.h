#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace paraclip {

/// Numbers distinct strings in the order of their first appearance.
class Numbering {
 public:
  /// The number of `key`, which is given the next one if it has none.
  int64_t number(const std::string& key) {
    const auto [entry, added] = numbers_.try_emplace(key, static_cast<int64_t>(keys_.size()));
    if (added) keys_.push_back(key);
    return entry->second;
  }

  std::optional<int64_t> find(const std::string& key) const {
    const auto entry = numbers_.find(key);
    return entry == numbers_.end() ? std::nullopt : std::optional(entry->second);
  }

  /// All strings, by number.
  const std::vector<std::string>& keys() const { return keys_; }

 private:
  std::vector<std::string> keys_;
  std::unordered_map<std::string, int64_t> numbers_;
};

}  // namespace paraclip
