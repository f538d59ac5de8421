#include "paraclip/paraphrase/llama_backend.h"

#include "paraclip/base/error.h"
#include "paraclip/base/signals.h"
#include "paraclip/paraphrase/llama_lane.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

namespace paraclip {
namespace {

constexpr std::chrono::milliseconds kStopPoll{100};

// What passes between the calling thread and the lanes.
struct Exchange {
  std::mutex mutex;
  std::condition_variable_any for_lanes;  // Requests came.
  std::condition_variable for_caller;     // Requests went, responses or a failure came.
  std::deque<CompletionRequest> requests;
  std::deque<CompletionResponse> responses;
  std::exception_ptr failure;
};

// One lane's work until `stop`: requests as they come.
void serve(LlamaLane& lane, Exchange& exchange, const std::stop_token& stop,
           const LlamaBackend::LogitsObserver& observer) {
  LlamaLane::Client client;
  client.next = [&]() -> std::optional<CompletionRequest> {
    const std::lock_guard lock(exchange.mutex);
    if (exchange.requests.empty()) return std::nullopt;
    CompletionRequest request = std::move(exchange.requests.front());
    exchange.requests.pop_front();
    exchange.for_caller.notify_one();
    return request;
  };
  client.done = [&](CompletionResponse response) {
    const std::lock_guard lock(exchange.mutex);
    exchange.responses.push_back(std::move(response));
    exchange.for_caller.notify_one();
  };
  client.stop = [&] { return stop.stop_requested() || stop_requested(); };
  client.observe = observer;
  try {
    while (!client.stop()) {
      lane.run(client);
      std::unique_lock lock(exchange.mutex);
      exchange.for_lanes.wait(lock, stop, [&] { return !exchange.requests.empty(); });
    }
  } catch (...) {
    const std::lock_guard lock(exchange.mutex);
    exchange.failure = std::current_exception();
    exchange.for_caller.notify_one();
  }
}

}  // namespace

void LlamaOptions::validate() const {
  if (model.empty()) fail(ErrorKind::kUsage, "no language model was named: give a GGUF file");
  const auto check = [](const char* name, int value, int least, int most) {
    if (value < least || value > most) {
      fail(ErrorKind::kUsage, "{} of the language model is {}: expected {} to {}", name, value,
           least, most);
    }
  };
  check("slots", slots, 1, 128);
  check("context", context, 16, 1 << 20);
  check("threads", threads, 0, 512);
}

LlamaBackend::LlamaBackend(const LlamaOptions& options) {
  options.validate();
  model_ = std::make_shared<const LlamaModel>(options.model);
  const int threads = options.threads > 0
                          ? options.threads
                          : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  for (int i = 0; i < threads; ++i) {
    lanes_.push_back(std::make_unique<LlamaLane>(model_, options.slots, options.context));
  }
}

LlamaBackend::~LlamaBackend() = default;

std::string LlamaBackend::name() const { return model_->name(); }

void LlamaBackend::observe_logits(LogitsObserver observer) { observer_ = std::move(observer); }

void LlamaBackend::run(const std::function<std::optional<CompletionRequest>()>& next,
                       const std::function<void(CompletionResponse)>& done) {
  Exchange exchange;
  // Declared after what they use: however this function is left, they are stopped and joined first.
  std::vector<std::jthread> threads;
  for (const auto& lane : lanes_) {
    threads.emplace_back([&exchange, &lane = *lane, this](const std::stop_token& stop) {
      serve(lane, exchange, stop, observer_);
    });
  }
  const size_t room = lanes_.size();  // Requests held ready.
  size_t under_way = 0;
  bool dry = false;  // `next` had none, and nothing was done since.
  while (!stop_requested()) {
    std::unique_lock lock(exchange.mutex);
    while (!dry && exchange.requests.size() < room) {
      lock.unlock();
      std::optional<CompletionRequest> request = next();
      lock.lock();
      if (request) {
        exchange.requests.push_back(std::move(*request));
        exchange.for_lanes.notify_one();
        ++under_way;
      } else {
        dry = true;
      }
    }
    if (under_way == 0) return;
    // A signal wakes nobody: look up from time to time.
    exchange.for_caller.wait_for(lock, kStopPoll, [&] {
      return !exchange.responses.empty() || exchange.failure ||
             (!dry && exchange.requests.size() < room);
    });
    if (exchange.failure) std::rethrow_exception(exchange.failure);
    while (!exchange.responses.empty()) {
      CompletionResponse response = std::move(exchange.responses.front());
      exchange.responses.pop_front();
      lock.unlock();
      --under_way;
      dry = false;
      done(std::move(response));
      lock.lock();
    }
  }
}

}  // namespace paraclip
