#include "paraclip/eval/html.h"

#include "paraclip/base/error.h"
#include "paraclip/clip/unicode.h"
#include "paraclip/eval/html_style.h"

#include <fmt/format.h>

#include <cassert>
#include <cmath>

namespace paraclip::html {
namespace {

constexpr std::string_view kMinus = "\u2212";

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (size_t j = 0; j < 4; ++j) {
      out += i + j <= bytes.size() ? kDigits[group >> (18 - 6 * j) & 63] : '=';
    }
  }
  return out;
}

// The tag, open or closed.
std::string open_tag(std::string_view name, std::initializer_list<Attribute> attributes) {
  std::string tag = fmt::format("<{}", name);
  for (const Attribute& attribute : attributes) {
    tag += fmt::format(" {}=\"{}\"", attribute.name, text(attribute.value).markup());
  }
  return tag + ">";
}

std::string picture_id(size_t picture) { return fmt::format("picture-{}", picture); }

}  // namespace

Html Html::raw(std::string_view markup) {
  Html html;
  html.markup_ = std::string(markup);
  return html;
}

Html text(std::string_view plain) {
  std::u32string escaped;
  for (const char32_t c : decode_utf8(plain)) {
    const bool control = (c < 0x20 && c != '\t' && c != '\n') || (c >= 0x7F && c < 0xA0);
    switch (c) {
      case '&': escaped += U"&amp;"; break;
      case '<': escaped += U"&lt;"; break;
      case '>': escaped += U"&gt;"; break;
      case '"': escaped += U"&quot;"; break;
      case '\'': escaped += U"&#39;"; break;
      default: escaped += control ? kReplacementCharacter : c;
    }
  }
  return Html::raw(encode_utf8(escaped));
}

Html element(std::string_view name, std::initializer_list<Attribute> attributes,
             const Html& content) {
  return Html::raw(open_tag(name, attributes) + content.markup() + fmt::format("</{}>", name));
}

Html element(std::string_view name, const Html& content) { return element(name, {}, content); }

std::string number(double value, int decimals) {
  std::string digits = fmt::format("{:.{}f}", std::abs(value), decimals);
  const bool zero = digits.find_first_not_of("0.") == std::string::npos;
  return (value < 0 && !zero ? std::string(kMinus) : "") + digits;
}

std::string signed_number(double value, int decimals) {
  const std::string digits = number(value, decimals);
  const bool zero = digits.find_first_not_of("0.") == std::string::npos;
  return fmt::format("{}{}", value > 0 && !zero ? "+" : "", digits);
}

std::string range(double low, double high, int decimals) {
  return signed_number(low, decimals) + " to " + signed_number(high, decimals);
}

Html paragraph(std::string_view words) { return element("p", text(words)) + Html::raw("\n"); }

Html small_print(std::string_view words) {
  return element("p", {{"class", "quiet small"}}, text(words)) + Html::raw("\n");
}

Html section(std::string_view title, const Html& content, std::string_view id) {
  const Html inside = element("h2", text(title)) + Html::raw("\n") + content;
  return (id.empty() ? element("section", inside)
                     : element("section", {{"id", std::string(id)}}, inside)) +
         Html::raw("\n");
}

Verdict verdict(double low, double high, bool higher_is_better) {
  if (!(low > 0 || high < 0)) return {"\u25cb", "no clear change"};
  return (low > 0) == higher_is_better ? Verdict{"\u25b2", "better"} : Verdict{"\u25bc", "worse"};
}

Html table(const Table& table) {
  const auto side = [&](size_t column) {
    return std::string(table.columns[column].numeric ? "number" : "words");
  };
  Html head;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    head += element("th", {{"scope", "col"}, {"class", side(i)}}, text(table.columns[i].title));
  }
  Html body;
  for (const std::vector<Html>& row : table.rows) {
    assert(row.size() == table.columns.size());
    Html cells = element("th", {{"scope", "row"}, {"class", side(0)}}, row[0]);
    for (size_t i = 1; i < row.size(); ++i) {
      // In a stack the style sheet shows the column's title before each number.
      cells +=
          table.stacked
              ? element("td", {{"class", side(i)}, {"data-column", table.columns[i].title}}, row[i])
              : element("td", {{"class", side(i)}}, row[i]);
    }
    body += element("tr", cells) + Html::raw("\n");
  }
  return element("div", {{"class", "scroll"}},
                 element("table", {{"class", table.stacked ? "stacked" : "rows"}},
                         element("caption", text(table.caption)) +
                             element("thead", element("tr", head)) + element("tbody", body))) +
         Html::raw("\n");
}

Html definition_list(const std::vector<std::pair<std::string, Html>>& items) {
  Html list;
  for (const auto& [term, description] : items) {
    list += element("div", element("dt", text(term)) + element("dd", description));
  }
  return element("dl", list) + Html::raw("\n");
}

Html PictureBook::show(const std::string& key, std::string_view description) const {
  // A reference to the one copy: unlike a background of the style sheet it has a description and is
  // printed.
  return element("svg",
                 {{"class", "picture"},
                  {"viewBox", "0 0 1 1"},
                  {"role", "img"},
                  {"aria-label", std::string(description)}},
                 element("title", text(description)) +
                     element("use", {{"href", fmt::format("#{}", picture_id(numbers_.at(key)))}}));
}

void PictureBook::add(const std::string& key, std::string_view jpeg, const std::string& where) {
  if (!jpeg.starts_with("\xFF\xD8\xFF")) {
    fail(ErrorKind::kData,
         "cannot show {}: expected a JPEG picture, found {} bytes of another kind", where,
         jpeg.size());
  }
  const auto [position, added] = numbers_.try_emplace(key, numbers_.size());
  if (!added) return;
  definitions_ +=
      element("image", {{"id", picture_id(position->second)},
                        {"width", "1"},
                        {"height", "1"},
                        {"href", fmt::format("data:image/jpeg;base64,{}", base64(jpeg))}}) +
      Html::raw("\n");
}

Html PictureBook::definitions() const {
  return element("svg",
                 {{"class", "pictures"}, {"width", "0"}, {"height", "0"}, {"aria-hidden", "true"}},
                 element("defs", definitions_));
}

Html picture_strip(const Html& heading, const std::vector<Tile>& tiles) {
  Html items;
  for (const Tile& tile : tiles) {
    items += element("li", {{"class", tile.marked ? "tile marked" : "tile"}},
                     tile.picture + element("span", {{"class", "note"}}, text(tile.note)));
  }
  return element("div", {{"class", "strip"}},
                 element("p", {{"class", "strip-heading"}}, heading) + element("ol", items)) +
         Html::raw("\n");
}

std::string page(std::string_view title, const Html& body, const PictureBook& pictures) {
  const Html head =
      Html::raw(
          "<meta charset=\"utf-8\"/>\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
          "<meta name=\"color-scheme\" content=\"light dark\"/>\n") +
      element("title", text(title)) + Html::raw("\n") + element("style", Html::raw(kStyleSheet));
  return "<!DOCTYPE html>\n" +
         element(
             "html", {{"lang", "en"}},
             element("head", head) + Html::raw("\n") +
                 element("body", element("main", body) + Html::raw("\n") + pictures.definitions()))
             .markup() +
         "\n";
}

}  // namespace paraclip::html
