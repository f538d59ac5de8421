#include "paraclip/io/parquet.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/io/memory.h>
#include <arrow/memory_pool.h>
#include <arrow/scalar.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <fmt/ranges.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

// Runs a call into Arrow, which answers with a Status or an exception.
template <typename Call>
void checked(const fs::path& path, std::string_view doing, Call call) {
  std::string problem;
  try {
    const arrow::Status status = call();
    if (status.ok()) return;
    problem = status.message();
  } catch (const parquet::ParquetException& error) {
    problem = error.what();
  }
  constexpr size_t kMaxText = 300;
  fail(ErrorKind::kData, "cannot {} {}: {}", doing, path.string(), problem.substr(0, kMaxText));
}

Json to_json(const arrow::Scalar& scalar);

Json list_to_json(const arrow::Array& array) {
  Json list = Json::array();
  for (int64_t row = 0; row < array.length(); ++row) {
    list.push_back(to_json(*array.GetScalar(row).ValueOrDie()));
  }
  return list;
}

template <typename Type>
const auto& value_of(const arrow::Scalar& scalar) {
  return static_cast<const typename arrow::TypeTraits<Type>::ScalarType&>(scalar).value;
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json to_json(const arrow::Scalar& scalar) {
  if (!scalar.is_valid) return nullptr;
  switch (scalar.type->id()) {
    case arrow::Type::BOOL: return value_of<arrow::BooleanType>(scalar);
    case arrow::Type::INT8: return value_of<arrow::Int8Type>(scalar);
    case arrow::Type::INT16: return value_of<arrow::Int16Type>(scalar);
    case arrow::Type::INT32: return value_of<arrow::Int32Type>(scalar);
    case arrow::Type::INT64: return value_of<arrow::Int64Type>(scalar);
    case arrow::Type::UINT8: return value_of<arrow::UInt8Type>(scalar);
    case arrow::Type::UINT16: return value_of<arrow::UInt16Type>(scalar);
    case arrow::Type::UINT32: return value_of<arrow::UInt32Type>(scalar);
    case arrow::Type::UINT64: return value_of<arrow::UInt64Type>(scalar);
    case arrow::Type::FLOAT: return number(value_of<arrow::FloatType>(scalar));
    case arrow::Type::DOUBLE: return number(value_of<arrow::DoubleType>(scalar));
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
      return std::string(static_cast<const arrow::BaseBinaryScalar&>(scalar).view());
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
      return list_to_json(*static_cast<const arrow::BaseListScalar&>(scalar).value);
    case arrow::Type::DICTIONARY: {
      const auto& encoded = static_cast<const arrow::DictionaryScalar&>(scalar);
      return to_json(*encoded.GetEncodedValue().ValueOrDie());
    }
    default: return scalar.ToString();
  }
}

}  // namespace

struct ParquetFile::State {
  std::shared_ptr<const MappedFile> file;
  std::unique_ptr<parquet::arrow::FileReader> reader;
  std::vector<std::string> columns;
  int64_t size = 0;

  const fs::path& path() const { return file->path(); }
};

ParquetFile::ParquetFile(const fs::path& path) : state_(std::make_unique<State>()) {
  state_->file = MappedFile::open(path);
  const std::span<const std::byte> bytes = state_->file->bytes();
  const auto buffer = std::make_shared<arrow::Buffer>(
      reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int64_t>(bytes.size()));
  std::shared_ptr<arrow::Schema> schema;
  checked(path, "read the Parquet file", [&]() -> arrow::Status {
    parquet::arrow::FileReaderBuilder builder;
    ARROW_RETURN_NOT_OK(builder.Open(std::make_shared<arrow::io::BufferReader>(buffer)));
    parquet::ArrowReaderProperties properties(/*use_threads=*/false);
    properties.set_pre_buffer(false);  // That is for network file systems, and takes a thread pool.
    builder.memory_pool(arrow::system_memory_pool())->properties(properties);
    ARROW_ASSIGN_OR_RAISE(state_->reader, builder.Build());
    return state_->reader->GetSchema(&schema);
  });
  state_->columns = schema->field_names();
  state_->size = state_->reader->parquet_reader()->metadata()->num_rows();
}

ParquetFile::ParquetFile(ParquetFile&&) noexcept = default;
ParquetFile& ParquetFile::operator=(ParquetFile&&) noexcept = default;
ParquetFile::~ParquetFile() = default;

int64_t ParquetFile::size() const { return state_->size; }

const std::vector<std::string>& ParquetFile::columns() const { return state_->columns; }

bool ParquetFile::contains(std::string_view column) const {
  return std::find(state_->columns.begin(), state_->columns.end(), column) != state_->columns.end();
}

std::vector<Json> ParquetFile::values(const std::string& column) const {
  const auto found = std::find(state_->columns.begin(), state_->columns.end(), column);
  if (found == state_->columns.end()) {
    fail(ErrorKind::kData, "{} has no column \"{}\"; it has {}", state_->path().string(), column,
         fmt::join(state_->columns, ", "));
  }
  std::vector<Json> values;
  const auto index = static_cast<int>(found - state_->columns.begin());
  checked(state_->path(), fmt::format("read the column \"{}\" of", column), [&]() -> arrow::Status {
    std::shared_ptr<arrow::ChunkedArray> chunks;
    ARROW_RETURN_NOT_OK(state_->reader->ReadColumn(index, &chunks));
    ARROW_RETURN_NOT_OK(chunks->ValidateFull());
    for (const std::shared_ptr<arrow::Array>& chunk : chunks->chunks()) {
      for (int64_t row = 0; row < chunk->length(); ++row) {
        ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<arrow::Scalar> scalar, chunk->GetScalar(row));
        values.push_back(to_json(*scalar));
      }
    }
    return arrow::Status::OK();
  });
  if (static_cast<int64_t>(values.size()) != state_->size) {
    fail(ErrorKind::kData, "{}: the column \"{}\" has {} values, expected {}: one for each row",
         state_->path().string(), column, values.size(), state_->size);
  }
  return values;
}

std::vector<std::string> ParquetFile::strings(const std::string& column) const {
  std::vector<std::string> strings;
  for (const Json& value : values(column)) {
    if (!value.is_string() && !value.is_number_integer()) {
      fail(ErrorKind::kData, "{}, row {}: \"{}\" is {}, expected text or an integer",
           state_->path().string(), strings.size(), column, dump_json(value).substr(0, 60));
    }
    strings.push_back(value.is_string() ? value.get<std::string>() : value.dump());
  }
  return strings;
}

std::vector<Json> ParquetFile::records() const {
  std::vector<Json> records(static_cast<size_t>(state_->size), Json::object());
  for (const std::string& column : state_->columns) {
    std::vector<Json> column_values = values(column);
    for (size_t row = 0; row < records.size(); ++row) {
      records[row][column] = std::move(column_values[row]);
    }
  }
  return records;
}

namespace {

enum class Storage { kText, kBoolean, kInteger, kNumber };

bool is_signed_integer(const Json& value) {
  return value.is_number_integer() &&
         (!value.is_number_unsigned() || value.get<uint64_t>() <= uint64_t{INT64_MAX});
}

Storage storage_of(const std::vector<Json>& values) {
  const auto all = [&values](auto is) {
    bool any = false;
    for (const Json& value : values) {
      if (value.is_null()) continue;
      if (!is(value)) return false;
      any = true;
    }
    return any;
  };
  if (all([](const Json& value) { return value.is_boolean(); })) return Storage::kBoolean;
  if (all(is_signed_integer)) return Storage::kInteger;
  if (all([](const Json& value) { return value.is_number(); })) return Storage::kNumber;
  return Storage::kText;
}

// UTF-8 whatever came in: readers refuse anything else.
std::string text_of(const Json& value) {
  if (!value.is_string()) return dump_json(value);
  return Json::parse(dump_json(value)).get<std::string>();
}

template <typename Builder, typename Convert>
arrow::Result<std::shared_ptr<arrow::Array>> build(const std::vector<Json>& values,
                                                   Convert convert) {
  Builder builder(arrow::system_memory_pool());
  for (const Json& value : values) {
    ARROW_RETURN_NOT_OK(value.is_null() ? builder.AppendNull() : builder.Append(convert(value)));
  }
  return builder.Finish();
}

arrow::Result<std::shared_ptr<arrow::Array>> build_column(const std::vector<Json>& values) {
  switch (storage_of(values)) {
    case Storage::kBoolean:
      return build<arrow::BooleanBuilder>(values, [](const Json& v) { return v.get<bool>(); });
    case Storage::kInteger:
      return build<arrow::Int64Builder>(values, [](const Json& v) { return v.get<int64_t>(); });
    case Storage::kNumber:
      return build<arrow::DoubleBuilder>(values, [](const Json& v) { return v.get<double>(); });
    case Storage::kText: break;
  }
  return build<arrow::StringBuilder>(values, text_of);
}

}  // namespace

void write_parquet(const fs::path& path, const std::vector<ParquetColumn>& columns) {
  AtomicFile file(path);
  checked(path, "write the Parquet file", [&]() -> arrow::Status {
    std::vector<std::shared_ptr<arrow::Field>> fields;
    std::vector<std::shared_ptr<arrow::Array>> arrays;
    for (const ParquetColumn& column : columns) {
      assert(column.values.size() == columns.front().values.size());
      ARROW_ASSIGN_OR_RAISE(arrays.emplace_back(), build_column(column.values));
      fields.push_back(arrow::field(column.name, arrays.back()->type()));
    }
    const auto table = arrow::Table::Make(arrow::schema(std::move(fields)), arrays);
    ARROW_ASSIGN_OR_RAISE(const auto sink,
                          arrow::io::BufferOutputStream::Create(/*initial_capacity=*/4096,
                                                                arrow::system_memory_pool()));
    parquet::WriterProperties::Builder properties;
    properties.compression(parquet::Compression::SNAPPY)->memory_pool(arrow::system_memory_pool());
    const int64_t rows = std::max<int64_t>(table->num_rows(), 1);
    ARROW_RETURN_NOT_OK(parquet::arrow::WriteTable(*table, arrow::system_memory_pool(), sink, rows,
                                                   properties.build()));
    ARROW_ASSIGN_OR_RAISE(const std::shared_ptr<arrow::Buffer> buffer, sink->Finish());
    file.write(std::string_view(*buffer));
    return arrow::Status::OK();
  });
  file.commit();
}

}  // namespace paraclip
