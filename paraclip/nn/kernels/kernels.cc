#include "paraclip/nn/kernels/kernels.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace paraclip::kernels {
namespace {

std::atomic<const Kernels*> chosen = nullptr;

const Kernels& choose() {
  const KernelList list = available();
  if (const char* name = std::getenv("PARACLIP_KERNELS")) {
    for (int i = 0; i < list.count; ++i) {
      if (std::strcmp(list.items[i]->name, name) == 0) return *list.items[i];
    }
  }
  return *list.items[list.count - 1];
}

}  // namespace

KernelList available() {
  KernelList list{{&kPortable}, 1};
#ifdef PARACLIP_X86
  const auto add = [&](bool has, const Kernels& kernels) {
    if (has) list.items[list.count++] = &kernels;
  };
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  add(avx2, kAvx2);
  add(avx512, kAvx512);
  add(avx512 && __builtin_cpu_supports("avx512bf16"), kAvx512Bf16);
#endif
  return list;
}

const Kernels& active() {
  const Kernels* kernels = chosen.load(std::memory_order_relaxed);
  if (kernels == nullptr) {
    kernels = &choose();
    chosen.store(kernels, std::memory_order_relaxed);
  }
  return *kernels;
}

void use(const Kernels& kernels) { chosen.store(&kernels, std::memory_order_relaxed); }

}  // namespace paraclip::kernels
