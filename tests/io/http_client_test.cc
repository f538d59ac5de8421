#include "paraclip/io/http_client.h"

#include "tests/io/http_server.h"

#include <gtest/gtest.h>

#include <ctime>
#include <map>

namespace paraclip {
namespace {

using test::HttpQuery;
using test::HttpReply;
using test::HttpServer;

// All responses by id, once they are there.
std::map<uint64_t, HttpResponse> wait_for_all(HttpClient& client) {
  std::map<uint64_t, HttpResponse> responses;
  while (client.in_flight() > 0) {
    for (HttpResponse& response : client.poll(/*seconds=*/1.0))
      responses.emplace(response.id, std::move(response));
  }
  return responses;
}

HttpResponse ask(HttpClient& client, const std::string& url) {
  client.submit({.id = 7, .url = url, .headers = {}, .body = "{}"});
  return wait_for_all(client).at(7);
}

TEST(HttpClient, HandsEachOfManyRequestsItsOwnAnswer) {
  const HttpServer server([](const HttpQuery& query) {
    return HttpReply{.status = 201,
                     .body = query.path + "|" + query.body + "|" + query.authorization};
  });
  HttpClient client({});
  for (uint64_t id = 0; id < 50; ++id) {
    client.submit({.id = id,
                   .url = server.url() + "/v1/" + std::to_string(id),
                   .headers = {"Authorization: Bearer k" + std::to_string(id)},
                   .body = "body " + std::to_string(id)});
  }
  const auto responses = wait_for_all(client);
  ASSERT_EQ(responses.size(), 50u);
  for (const auto& [id, response] : responses) {
    const std::string number = std::to_string(id);
    EXPECT_EQ(response.error, "");
    EXPECT_EQ(response.status, 201);
    EXPECT_EQ(response.body, "/v1/" + number + "|body " + number + "|Bearer k" + number);
  }
}

TEST(HttpClient, NamesATimeOut) {
  const HttpServer server([](const HttpQuery&) { return HttpReply{.body = "late", .stall = 1.0}; });
  HttpClient client({.timeout = 0.2});
  const HttpResponse response = ask(client, server.url());
  EXPECT_EQ(response.status, 0);
  EXPECT_NE(response.error.find("timed out"), std::string::npos) << response.error;
}

TEST(HttpClient, NamesAConnectionBrokenOff) {
  const HttpServer server(
      [](const HttpQuery&) { return HttpReply{.body = "half", .close = true}; });
  HttpClient client({});
  const HttpResponse response = ask(client, server.url());
  EXPECT_EQ(response.status, 0);
  EXPECT_FALSE(response.error.empty());
}

TEST(HttpClient, NamesARefusedConnection) {
  std::string url;
  {
    const HttpServer server([](const HttpQuery&) { return HttpReply{}; });
    url = server.url();
  }
  HttpClient client({});
  const HttpResponse response = ask(client, url);
  EXPECT_EQ(response.status, 0);
  EXPECT_FALSE(response.error.empty());
}

TEST(HttpClient, StopsAnEndlessResponse) {
  const HttpServer server(
      [](const HttpQuery&) { return HttpReply{.body = std::string(5000, 'x')}; });
  HttpClient client({.max_response = 4999});
  EXPECT_EQ(ask(client, server.url()).error, "the response is longer than 4999 bytes");
  HttpClient wider({.max_response = 5000});
  EXPECT_EQ(ask(wider, server.url()).body.size(), 5000u);
}

TEST(HttpClient, ReadsRetryAfterInBothForms) {
  const std::time_t later = std::time(nullptr) + 100;
  char date[64];
  std::strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", std::gmtime(&later));
  const std::string http_date = date;
  const HttpServer server([&](const HttpQuery& query) {
    return HttpReply{.status = 429,
                     .headers = {{"Retry-After", query.path == "/seconds" ? "17" : http_date}}};
  });
  HttpClient client({});
  EXPECT_EQ(ask(client, server.url() + "/seconds").retry_after, 17);
  const double seconds = ask(client, server.url() + "/date").retry_after;
  EXPECT_GT(seconds, 60);
  EXPECT_LE(seconds, 100);
}

TEST(HttpClient, DoesNotFollowRedirectsOrOtherProtocols) {
  const HttpServer server([](const HttpQuery& query) {
    return query.path == "/there" ? HttpReply{.body = "followed"}
                                  : HttpReply{.status = 302, .headers = {{"Location", "/there"}}};
  });
  HttpClient client({});
  EXPECT_EQ(ask(client, server.url() + "/here").status, 302);
  EXPECT_FALSE(ask(client, "file:///etc/hostname").error.empty());
}

TEST(HttpClient, DropsWhatIsInFlightWhenItGoes) {
  const HttpServer server([](const HttpQuery&) { return HttpReply{.stall = 0.3}; });
  HttpClient client({});
  client.submit({.id = 1, .url = server.url(), .headers = {}, .body = ""});
  EXPECT_TRUE(client.poll(/*seconds=*/0.05).empty());
  EXPECT_EQ(client.in_flight(), 1u);
}

}  // namespace
}  // namespace paraclip
