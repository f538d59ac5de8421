#pragma once

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/io/hub.h"
#include "tests/io/hub_server.h"
#include "tests/support.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace paraclip::test {

namespace fs = std::filesystem;
using Files = std::map<std::string, HubServer::File>;

inline constexpr const char* kToken = "hf_SecretOfTheTests";
inline constexpr const char* kWeights = "model.safetensors";

/// Bytes without a period, so that none stands for another.
inline std::string bytes(size_t size, uint32_t seed = 1) {
  std::string result(size, '\0');
  for (char& c : result) {
    seed = seed * 1664525u + 1013904223u;
    c = static_cast<char>(seed >> 24);
  }
  return result;
}

/// A model as most are: one file of weights, some small ones, others that no one here needs.
inline Files clip_files() {
  return {{"config.json", {R"({"model_type": "clip"})"}},
          {"merges.txt", {"#version: 0.2\n"}},
          {"tokenizer_config.json", {"{}"}},
          {kWeights, {bytes(100000), /*large=*/true}},
          {"pytorch_model.bin", {bytes(1000), /*large=*/true}},
          {"README.md", {"# CLIP"}}};
}

inline const HubModel kModel = {.repository = "org/clip"};

/// The server and a cache.
struct HubFixture {
  TemporaryFolder folder;
  HubServer server;
  HubOptions options;

  explicit HubFixture(Files files, HubServer::Override override = {})
      : server(std::move(files), std::move(override)) {
    options.cache = folder / "hub";
    options.endpoint = server.url();
    options.first_wait = 0.001;
  }

  fs::path repository() const { return options.cache / "models--org--clip"; }
  fs::path blob(const HubServer::File& file) const {
    return repository() / "blobs" / HubServer::etag(file);
  }
  fs::path incomplete(const HubServer::File& file) const {
    return blob(file).string() + ".incomplete";
  }
  fs::path fetch(const std::string& revision = "main") const {
    return fetch_model({"org/clip", revision}, options, {});
  }
};

inline void write_all(const fs::path& path, const std::string& content) {
  make_directories(path.parent_path());
  write_file_atomic(path, content);
}

/// The message of the Error that `run` throws, checked to be of `kind`.
template <typename Run>
std::string message_of(ErrorKind kind, Run&& run) {
  try {
    run();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_EQ(std::string(error.what()).find(kToken), std::string::npos) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

inline void expect_has(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text << "\nlacks: " << part;
}

}  // namespace paraclip::test
