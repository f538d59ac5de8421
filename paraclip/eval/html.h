#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Blocks of a report: one HTML page that holds all it shows, without script.
namespace paraclip::html {

/// Markup that may stand in a page as it is. Plain text becomes Html only through text(), which
/// escapes it, so that no caption or answer of a model can break out of its place.
class Html {
 public:
  Html() = default;

  /// Markup written in the program itself, never made of data.
  static Html raw(std::string_view markup);

  Html& operator+=(const Html& more) {
    markup_ += more.markup_;
    return *this;
  }
  friend Html operator+(Html first, const Html& second) { return std::move(first += second); }

  const std::string& markup() const { return markup_; }

 private:
  std::string markup_;
};

/// `plain` escaped for contents and quoted attribute values. Bytes that are not UTF-8, and control
/// characters but tab and newline, become U+FFFD.
Html text(std::string_view plain);

struct Attribute {
  std::string_view name;
  std::string value;  ///< Plain text.
};

/// `<name attributes>content</name>`, content on the same line.
Html element(std::string_view name, std::initializer_list<Attribute> attributes,
             const Html& content = {});
Html element(std::string_view name, const Html& content);

/// `value` with so many decimals and a true minus sign. `signed_number` puts a plus before what
/// stays above zero when rounded.
std::string number(double value, int decimals);
std::string signed_number(double value, int decimals);

/// Both ends of an interval, signed: "+4.5 to +7.2".
std::string range(double low, double high, int decimals);

/// `<p>`, in full size or as a quiet remark.
Html paragraph(std::string_view words);
Html small_print(std::string_view words);

/// A part of the page under a heading. `id` makes it the target of links ("#id"), if not empty.
Html section(std::string_view title, const Html& content, std::string_view id = "");

/// What an interval of a difference tells, as a sign and in words: not by colour alone.
struct Verdict {
  std::string_view sign, words;
};

/// Better or worse where the interval leaves 0 out, no clear change otherwise.
Verdict verdict(double low, double high, bool higher_is_better = true);

struct Column {
  std::string title;
  bool numeric = false;  ///< Set to the right, with digits of one width.
};

/// A table; the first cell of each row is its heading.
struct Table {
  std::string caption;
  std::vector<Column> columns;
  std::vector<std::vector<Html>> rows = {};  ///< [rows][columns]
  bool stacked = false;  ///< Where the window is narrow each row becomes a block of its own.
};
Html table(const Table& table);

/// A list of terms and what is said of each.
Html definition_list(const std::vector<std::pair<std::string, Html>>& items);

/// The JPEGs of a page: each is in it once, however often it is shown.
class PictureBook {
 public:
  /// Shows the picture `key`; `description` says what is on it to who does not see it. It must have
  /// been added.
  Html show(const std::string& key, std::string_view description) const;

  bool has(const std::string& key) const { return numbers_.contains(key); }

  /// Takes in a square baseline JPEG. `where` names it in messages. Throws kData if it is none.
  void add(const std::string& key, std::string_view jpeg, const std::string& where);

  /// The pictures themselves, to stand once in the page, at its end.
  Html definitions() const;

 private:
  std::map<std::string, size_t> numbers_;
  Html definitions_;
};

/// One picture of a strip.
struct Tile {
  Html picture;
  std::string note;     ///< Under it: "1", "2 ✓ 4".
  bool marked = false;  ///< A thick border; the note must say the same in words or signs.
};

/// Pictures in a row, best first, under a heading.
Html picture_strip(const Html& heading, const std::vector<Tile>& tiles);

/// The whole page: `body` is what stands in <main>. It loads nothing, has one style sheet for light
/// and dark, paper and small screens.
std::string page(std::string_view title, const Html& body, const PictureBook& pictures);

}  // namespace paraclip::html
