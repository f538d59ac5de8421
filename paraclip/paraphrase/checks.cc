#include "paraclip/paraphrase/checks.h"

#include "paraclip/paraphrase/words.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <unordered_set>

namespace paraclip {
namespace {

constexpr size_t kLeastWords = 2;
constexpr size_t kMostWords = 40;
constexpr double kLeastRatio = 0.3;
constexpr size_t kMostRatio = 2;
constexpr size_t kExtraWords = 4;
constexpr size_t kEchoWords = 4;  // So many words of the prompt in a row are an echo of it.
constexpr std::array<double, 2> kTargetNovelty = {0.25, 0.6};

constexpr std::array<std::string_view, kRejectCount> kRejectNames = {
    "cut",       "empty",    "not_text",    "refusal",   "prompt_echo",       "copy",
    "too_short", "too_long", "lost_number", "lost_name", "too_little_change", "too_much_change",
    "strayed",   "unlike"};

std::string join(const std::vector<std::string>& words) {
  std::string text = " ";
  for (const std::string& word : words) text += word + " ";
  return text;
}

// Whether the folded words `phrase` (" with blanks around ") stand in `text`, made alike.
bool has_phrase(const std::string& text, std::string_view phrase) {
  return text.find(phrase) != std::string::npos;
}

// ---- Cleaning

void drop_reasoning(std::string& text) {
  constexpr std::string_view kOpen = "<think>";
  constexpr std::string_view kClose = "</think>";
  // Some chat templates put the opening tag into the prompt: then there is only a closing one.
  if (const size_t close = text.rfind(kClose); close != std::string::npos) {
    text.erase(0, close + kClose.size());
  }
  if (const size_t open = text.find(kOpen); open != std::string::npos) text.erase(open);
}

// Whether `head`, which stands before a colon, only announces what follows: "Sure! Here is a
// concise paraphrase".
bool announces(std::string_view head) {
  static const std::unordered_set<std::string_view> words = {
      "a",         "alternative", "answer",    "assistant",  "brief",       "caption",
      "certainly", "concise",     "course",    "for",        "given",       "here",
      "heres",     "is",          "concisely", "new",        "of",          "one",
      "option",    "original",    "output",    "paraphrase", "paraphrased", "paraphrasing",
      "possible",  "reworded",    "rephrased", "response",   "result",      "revised",
      "rewrite",   "rewritten",   "sentence",  "short",      "shorter",     "simple",
      "sure",      "text",        "the",       "this",       "version",     "your"};
  const std::vector<std::string> folded = folded_words(head);
  return !folded.empty() && std::all_of(folded.begin(), folded.end(), [&](const std::string& word) {
    return words.contains(word);
  });
}

// "Paraphrase: a dog" to "a dog"; a colon that the source has as well belongs to the text.
std::string_view drop_lead_in(std::string_view line, std::string_view source) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return line;
  const std::string_view head = line.substr(0, colon);
  if (!announces(head) || source.starts_with(line.substr(0, colon + 1))) return line;
  return trim(line.substr(colon + 1));
}

std::string_view drop_list_mark(std::string_view line, std::string_view source) {
  const size_t blank = line.find(' ');
  if (blank == std::string_view::npos || blank > 3) return line;
  const std::string_view mark = line.substr(0, blank);
  const bool bullet = mark == "-" || mark == "*" || mark == "\u2022";
  const bool number =
      mark.size() > 1 && (mark.back() == '.' || mark.back() == ')') &&
      std::all_of(mark.begin(), mark.end() - 1, [](char c) { return c >= '0' && c <= '9'; });
  if ((!bullet && !number) || source.starts_with(mark)) return line;
  return trim(line.substr(blank));
}

struct Quotes {
  std::string_view open;
  std::string_view close;
};
constexpr Quotes kQuotes[] = {
    {"\"", "\""},         {"\u201c", "\u201d"}, {"'", "'"},   {"\u2018", "\u2019"},
    {"\u00ab", "\u00bb"}, {"`", "`"},           {"**", "**"}, {"*", "*"}};

// Quotes around the whole line, and one that was never closed.
std::string_view drop_quotes(std::string_view line) {
  for (const auto& [open, close] : kQuotes) {
    if (!line.starts_with(open)) continue;
    const std::string_view rest = line.substr(open.size());
    const size_t end = rest.find(close);
    if (end == std::string_view::npos) {
      if (open != "'") return trim(rest);  // 'tis the season
    } else if (end + close.size() == rest.size()) {
      return trim(rest.substr(0, end));
    } else if (end + close.size() + 1 == rest.size() && rest.back() == '.') {
      return trim(rest.substr(0, end));
    }
  }
  return line;
}

std::string_view first_line(std::string_view text) {
  text = trim(text);
  return trim(text.substr(0, text.find_first_of("\r\n")));
}

std::string single_blanks(std::string_view text) {
  std::string joined;
  for (const std::string_view word : split_words(text)) {
    if (!joined.empty()) joined += ' ';
    joined += word;
  }
  return joined;
}

// ---- Checks

// Counts letters, digits and all other visible characters; false for what cannot be text.
bool is_text(std::string_view text) {
  const auto size = static_cast<int32_t>(text.size());
  int64_t letters = 0;
  int64_t visible = 0;
  for (int32_t i = 0; i < size;) {
    UChar32 character = -1;
    U8_NEXT(text.data(), i, size, character);
    if (character < 0 || character == 0xfffd || u_iscntrl(character)) return false;
    if (u_isUWhiteSpace(character)) continue;
    ++visible;
    if (u_isalpha(character)) ++letters;
  }
  return 2 * letters >= visible;
}

bool is_refusal(const std::string& text, const std::string& source) {
  constexpr std::string_view kPhrases[] = {
      " im sorry ",        " i am sorry ",          " i apologize ",  " i cannot ",
      " i cant ",          " i can not ",           " im unable ",    " i am unable ",
      " im not able ",     " i am not able ",       " i dont have ",  " as an ai ",
      " an ai assistant ", " language model ",      " as a chatbot ", " please provide ",
      " i would need ",    " unable to paraphrase "};
  return std::any_of(std::begin(kPhrases), std::end(kPhrases), [&](std::string_view phrase) {
    return has_phrase(text, phrase) && !has_phrase(source, phrase);
  });
}

bool echoes_prompt(const std::string& text, const std::string& source, const RecipeStep& step) {
  constexpr std::string_view kTaskWords[] = {
      " paraphrase ", " paraphrased ", " paraphrasing ", " rephrase ", " rephrased ",
      " rephrasing ", " rewritten ",   " reworded ",     " caption ",  " captions "};
  for (const std::string_view word : kTaskWords) {
    if (has_phrase(text, word) && !has_phrase(source, word)) return true;
  }
  const std::vector<std::string> prompt = folded_words(step.prompt);
  for (size_t i = 0; i + kEchoWords <= prompt.size(); ++i) {
    const std::string phrase = join({prompt.begin() + static_cast<std::ptrdiff_t>(i),
                                     prompt.begin() + static_cast<std::ptrdiff_t>(i + kEchoWords)});
    if (has_phrase(text, phrase) && !has_phrase(source, phrase)) return true;
  }
  return std::any_of(step.examples.begin(), step.examples.end(), [&](const auto& example) {
    const std::string input = join(folded_words(example[0]));
    return source != input && (text == input || text == join(folded_words(example[1])));
  });
}

std::set<std::string> number_values(const std::vector<std::string>& words, bool loosely) {
  std::set<std::string> values;
  for (const std::string& word : words) {
    if (auto value = number_value(word, loosely)) values.insert(std::move(*value));
  }
  return values;
}

// Whether a word is a file name or a product code, of which neither numbers nor capitals mean
// anything in the picture: "IMG_4821.jpg", "D5213M", "#5160", or four and more digits that are no
// year.
bool is_code(std::string_view word) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (word.starts_with('#')) return true;
  while (!word.empty() && std::ispunct(static_cast<unsigned char>(word.back())))
    word.remove_suffix(1);
  while (!word.empty() && std::ispunct(static_cast<unsigned char>(word.front())))
    word.remove_prefix(1);
  const auto digits = std::count_if(word.begin(), word.end(), is_digit);
  if (word.find('_') != std::string_view::npos) return true;
  constexpr std::string_view kSuffixes[] = {".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp"};
  for (const std::string_view suffix : kSuffixes) {
    if (word.ends_with(suffix)) return true;
  }
  const auto letters = std::count_if(word.begin(), word.end(), [](char c) {
    return std::isalpha(static_cast<unsigned char>(c)) != 0;
  });
  if (letters > 0) return digits >= 3;
  const bool year = word.size() == 4 &&
                    (word.starts_with("18") || word.starts_with("19") || word.starts_with("20"));
  return digits >= 4 && static_cast<size_t>(digits) == word.size() && !year;
}

// The words of a text without codes, joined by blanks.
std::string without_codes(std::string_view text) {
  std::string kept;
  for (const std::string_view word : split_words(text)) {
    if (is_code(word)) continue;
    if (!kept.empty()) kept += ' ';
    kept += word;
  }
  return kept;
}

bool is_capitalised(std::string_view word) {
  UChar32 character = -1;
  int32_t i = 0;
  U8_NEXT(word.data(), i, static_cast<int32_t>(word.size()), character);
  return character >= 0 && (u_isupper(character) || u_istitle(character));
}

bool ends_sentence(std::string_view word) {
  return word.ends_with('.') || word.ends_with('!') || word.ends_with('?') || word.ends_with(':');
}

// The stems of capitalised words inside sentences. Where most words are capitalised (a title, or
// shouting) capitals say nothing.
std::set<std::string> name_stems(std::string_view text) {
  std::set<std::string> names;
  size_t inner = 0;
  size_t capitalised = 0;
  bool initial = true;
  for (const std::string_view word : split_words(text)) {
    const bool inside = !initial;
    initial = ends_sentence(word);
    if (!inside) continue;
    for (const std::string& folded : folded_words(word)) {
      if (folded.size() < 2) continue;
      ++inner;
      if (!is_capitalised(word)) break;
      ++capitalised;
      names.insert(word_stem(folded));
    }
  }
  if (2 * capitalised > inner) names.clear();
  return names;
}

std::set<std::string> all_stems(const std::vector<std::string>& words) {
  std::set<std::string> stems;
  for (const std::string& word : words) stems.insert(word_stem(word));
  return stems;
}

size_t common(const std::set<std::string>& a, const std::set<std::string>& b) {
  return static_cast<size_t>(
      std::count_if(a.begin(), a.end(), [&](const std::string& word) { return b.contains(word); }));
}

struct Stems {
  std::set<std::string> source;
  std::set<std::string> text;
};

// Content-word stems of both; all stems where the source has no content words.
Stems compared_stems(std::string_view source, std::string_view text) {
  Stems stems{content_stems(source), content_stems(text)};
  if (stems.source.empty())
    stems = {all_stems(folded_words(source)), all_stems(folded_words(text))};
  return stems;
}

std::optional<Reject> check(const std::string& text, const CheckContext& context) {
  if (text.empty()) return Reject::kEmpty;
  if (!is_text(text)) return Reject::kNotText;
  const std::vector<std::string> words = folded_words(text);
  const std::vector<std::string> source_words = folded_words(context.source);
  const std::string folded = join(words);
  const std::string folded_source = join(source_words);
  if (is_refusal(folded, folded_source)) return Reject::kRefusal;
  if (echoes_prompt(folded, folded_source, *context.step)) return Reject::kPromptEcho;
  if (folded == folded_source || folded == join(folded_words(context.caption))) {
    return Reject::kCopy;
  }
  const size_t length = split_words(text).size();
  const size_t source_length = split_words(context.source).size();
  if (length < kLeastWords ||
      static_cast<double>(length) < kLeastRatio * static_cast<double>(source_length)) {
    return Reject::kTooShort;
  }
  if (length > kMostWords || length > kMostRatio * source_length + kExtraWords) {
    return Reject::kTooLong;
  }
  const std::string telling = without_codes(context.source);
  const std::set<std::string> numbers = number_values(folded_words(telling), /*loosely=*/false);
  const std::set<std::string> kept_numbers = number_values(words, /*loosely=*/true);
  if (common(numbers, kept_numbers) < numbers.size()) return Reject::kLostNumber;
  const std::set<std::string> names = name_stems(telling);
  if (common(names, all_stems(words)) < names.size()) return Reject::kLostName;
  const double change = changed_share(context.source, text);
  if (change < context.step->min_change) return Reject::kTooLittleChange;
  if (change > context.step->max_change) return Reject::kTooMuchChange;
  return std::nullopt;
}

}  // namespace

std::string_view reject_name(Reject reason) { return kRejectNames[static_cast<size_t>(reason)]; }

std::string clean_output(std::string_view output, std::string_view source) {
  std::string text(output);
  drop_reasoning(text);
  std::string_view rest = trim(text);
  std::string_view line = first_line(rest);
  // A first line that only announces: the answer is on the next one.
  if (line.ends_with(':') && drop_lead_in(line, source).empty()) {
    rest = trim(rest.substr(line.size()));
    line = first_line(rest);
  }
  line = drop_list_mark(line, source);
  line = drop_lead_in(drop_quotes(line), source);
  return single_blanks(drop_quotes(line));
}

double changed_share(std::string_view source, std::string_view text) {
  const Stems stems = compared_stems(source, text);
  if (stems.source.empty()) return 1.0;
  return 1.0 - static_cast<double>(common(stems.source, stems.text)) /
                   static_cast<double>(stems.source.size());
}

JudgedOutput judge_output(const Completion& completion, const CheckContext& context) {
  JudgedOutput judged{clean_output(completion.text, context.source), std::nullopt,
                      completion.log_probability};
  judged.reject = completion.finish_reason == "length" ? std::optional(Reject::kCut)
                                                       : check(judged.text, context);
  const double least = context.step->min_log_probability;
  if (!judged.reject && least < 0.0 && completion.log_probability < least) {
    judged.reject = Reject::kStrayed;
  }
  return judged;
}

double output_score(std::string_view source, std::string_view text, size_t step) {
  const Stems stems = compared_stems(source, text);
  const auto kept = static_cast<double>(common(stems.text, stems.source));
  const auto source_size = static_cast<double>(std::max<size_t>(stems.source.size(), 1));
  const auto text_size = static_cast<double>(std::max<size_t>(stems.text.size(), 1));
  const double novelty = 1.0 - kept / text_size;
  const double imbalance = std::abs(text_size - source_size) / source_size;
  return 1.0 - std::abs(novelty - kTargetNovelty[step]) - imbalance;
}

std::optional<size_t> choose_output(std::span<const JudgedOutput> outputs, std::string_view source,
                                    size_t step) {
  std::optional<size_t> best;
  double best_score = 0;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].reject) continue;
    const double score = output_score(source, outputs[i].text, step) + outputs[i].log_probability;
    if (!best || score > best_score) {
      best = i;
      best_score = score;
    }
  }
  return best;
}

}  // namespace paraclip
