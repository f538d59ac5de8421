#pragma once

#include "paraclip/base/file.h"
#include "paraclip/io/pickle.h"
#include "paraclip/io/tensor_file.h"

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace paraclip {

/// Whether torch.save writes the function or class `name` of `module` for tensors and plain data:
/// what rebuilds tensors, types, devices and sizes, containers of Python's own, argparse.Namespace
/// and the scalars of numpy. A subset of what torch.load(weights_only=True) allows, but for the
/// last two, which here are data that nobody builds.
bool is_inert_global(std::string_view module, std::string_view name);

/// As above, and what torch.jit.save writes: the module's own classes, which are named below
/// __torch__, and marks of list types.
bool is_inert_script_global(std::string_view module, std::string_view name);

/// What a pickle says of one storage: the bytes that tensors view.
struct TorchStorage {
  at::ScalarType type = at::kByte;  ///< kByte also for storages without a type.
  std::string_view key;             ///< Its name in the file.
  uint64_t size = 0;                ///< In bytes.
};

/// Reads the persistent id ("storage", type, key, location, count). Throws kData, naming `where`.
TorchStorage parse_storage(const PickleValue& persistent_id, const std::string& where);

/// Where a storage's bytes lie in a file.
struct StorageBytes {
  uint64_t begin = 0;
  uint64_t size = 0;
};

/// A pickle of torch with the file around it.
struct TorchPickle {
  std::shared_ptr<const MappedFile> file;
  std::string where;  ///< Names the pickle in messages.
  const PickleValue* root = nullptr;
  std::map<std::string, StorageBytes, std::less<>> storages;  ///< By key, checked to be inside.
};

/// The tensors of the state dict in a pickle of torch.save: of the dictionary under "state_dict",
/// "model_state_dict", "model" or "module", or else of the outermost one. Values that hold no
/// tensor are left out. Throws kData if there is no tensor, and for tensors that do not fit their
/// storage, or whose names are taken or not strings.
std::map<std::string, TensorFile::Entry> state_dict_tensors(const TorchPickle& pickle);

/// The tensors among the attributes of a module that torch.jit.save wrote, and of its submodules:
/// named by the path of attributes, joined by dots, as in its state dict. Throws kData as above.
std::map<std::string, TensorFile::Entry> module_tensors(const TorchPickle& pickle);

}  // namespace paraclip
