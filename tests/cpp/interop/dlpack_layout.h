#pragma once

#include <cstddef>
#include <cstdint>

#include "tech_renaissance/interop/dlpack.h"

// The layout that the DLPack specification fixes, on a machine of 64 bits. Included where the structures are this
// library's and where they are those of another DLPack header.
#if UINTPTR_MAX == UINT64_MAX
static_assert(sizeof(tr::dlpack::DLDevice) == 8 && sizeof(tr::dlpack::DLDataType) == 4);
static_assert(sizeof(tr::dlpack::DLTensor) == 48 && offsetof(tr::dlpack::DLTensor, data) == 0 &&
              offsetof(tr::dlpack::DLTensor, device) == 8 && offsetof(tr::dlpack::DLTensor, ndim) == 16 &&
              offsetof(tr::dlpack::DLTensor, dtype) == 20 && offsetof(tr::dlpack::DLTensor, shape) == 24 &&
              offsetof(tr::dlpack::DLTensor, strides) == 32 && offsetof(tr::dlpack::DLTensor, byte_offset) == 40);
static_assert(sizeof(tr::dlpack::DLManagedTensor) == 64 && offsetof(tr::dlpack::DLManagedTensor, dl_tensor) == 0 &&
              offsetof(tr::dlpack::DLManagedTensor, manager_ctx) == 48 &&
              offsetof(tr::dlpack::DLManagedTensor, deleter) == 56);
static_assert(sizeof(tr::dlpack::DLManagedTensorVersioned) == 80 &&
              offsetof(tr::dlpack::DLManagedTensorVersioned, version) == 0 &&
              offsetof(tr::dlpack::DLManagedTensorVersioned, manager_ctx) == 8 &&
              offsetof(tr::dlpack::DLManagedTensorVersioned, deleter) == 16 &&
              offsetof(tr::dlpack::DLManagedTensorVersioned, flags) == 24 &&
              offsetof(tr::dlpack::DLManagedTensorVersioned, dl_tensor) == 32);
#endif
